"""Requests, answers and streams with much in them, from which the fuzzers start."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects.base import ProviderDialect
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.messages.dialect import AnthropicMessages
from tests.dialects.recorded import RECORDED
from tests.dialects.streams import CONTENT, END, ERROR, GARBAGE, PREAMBLE, TAIL, chunk, named

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT: Mapping[str, Any] = {
    "model": "auto",
    "max_completion_tokens": 50,
    "temperature": 0.5,
    "top_p": 1,
    "stop": ["end", "halt"],
    "seed": 7,
    "user": "someone",
    "metadata": {"team": "blue"},
    "reasoning_effort": "low",
    "stream_options": {"include_usage": True},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": SCHEMA}},
    "tools": [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False,
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "rain"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Thanks"},
    ],
}  # fmt: skip
MESSAGES: Mapping[str, Any] = {
    "model": "auto",
    "max_tokens": 2000,
    "temperature": 0.5,
    "top_k": 3,
    "stop_sequences": ["end"],
    "metadata": {"user_id": "someone"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "weather", "description": "d", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
            {"type": "text", "text": "I ask."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": True, "content": [
                {"type": "text", "text": "broken"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ]},
            {"type": "text", "text": "Go on."},
        ]},
    ],
}  # fmt: skip
RESPONSES: Mapping[str, Any] = {
    "model": "auto",
    "max_output_tokens": 50,
    "instructions": "Be brief.",
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "s", "strict": True, "schema": SCHEMA}, "verbosity": "low"},
    "tools": [{"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}],
    "tool_choice": {"type": "function", "name": "weather"},
    "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"city": "P"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "Well.", "annotations": []}, {"type": "refusal", "refusal": "No."},
        ]},
        {"role": "user", "content": "Thanks"},
    ],
}  # fmt: skip
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "chat": CHAT,
    "messages": MESSAGES,
    "responses": RESPONSES,
    "embeddings": {"model": "auto", "input": ["Hello", "you"], "encoding_format": "base64", "dimensions": 8},
    "execute": {"prompt": "Hello", "prefer": "cost"},
}
"""By the surface."""
STREAMED = ("chat", "messages", "responses")
"""The surfaces that have streams."""
PASSED_ON = ("embeddings",)
"""The surfaces whose requests no other dialect can say."""
PROVIDERS: Mapping[str, ProviderDialect] = {"openai": OpenAIChat(), "anthropic": AnthropicMessages()}
COMPLETION: Mapping[str, Any] = {
    "id": "c1", "object": "chat.completion", "model": "gpt", "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": {"content": []}, "message": {
        "role": "assistant", "content": "Hé 🙂", "refusal": None, "reasoning_content": "Hm.",
        "annotations": [{"type": "url_citation", "url_citation": {
            "url": "https://x.y", "title": "t", "start_index": 0, "end_index": 2,
        }}],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "P"}'}},
        ],
    }}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
              "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}},
}  # fmt: skip
MESSAGE: Mapping[str, Any] = {
    "id": "m1", "type": "message", "role": "assistant", "model": "claude",
    "stop_reason": "tool_use", "stop_sequence": "end",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "Hé 🙂", "citations": [{"url": "https://x.y", "title": "t", "cited_text": "c"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ],
    "usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1,
              "cache_creation": {"ephemeral_5m_input_tokens": 1}},
}  # fmt: skip
OPENAI_ERROR = {"error": {"message": "m", "type": "invalid_request_error", "param": "p", "code": "c"}}
ANTHROPIC_ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
ANSWERS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "openai": (COMPLETION, OPENAI_ERROR),
    "anthropic": (MESSAGE, ANTHROPIC_ERROR),
}
_PIECES = {
    "openai": tuple(
        chunk({"role": "assistant", **delta})
        for delta in (
            {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}]},
            {"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "weather", "arguments": '{"a'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"b": 1}'}}]},
            {"reasoning_content": "Hm."},
            {"refusal": "No."},
            {"annotations": COMPLETION["choices"][0]["message"]["annotations"]},
        )
    ),
    "anthropic": (
        *(named("content_block_start", index=1, content_block=block) for block in MESSAGE["content"]),
        named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a": '}),
        named("content_block_delta", index=1, delta={"type": "thinking_delta", "thinking": "Hm."}),
        named("content_block_delta", index=1, delta={"type": "signature_delta", "signature": "c2ln"}),
        named(
            "content_block_delta",
            index=1,
            delta={"type": "citations_delta", "citation": {"url": "https://x.y", "title": "t", "cited_text": "c"}},
        ),
        named("content_block_stop", index=1),
    ),
}


def _ends(events: Sequence[bytes]) -> Sequence[bytes]:
    """Leave out the long middle of a stream, in which one event is like the next."""
    return [*events[:4], *events[-4:]]


EVENTS: Mapping[str, tuple[bytes, ...]] = {
    dialect: (
        *PREAMBLE[dialect], *CONTENT[dialect], *TAIL[dialect], END[dialect], ERROR[dialect], GARBAGE[dialect],
        *_PIECES[dialect] * 4,
        *(event + b"\n\n" for each in RECORDED if each.dialect == dialect
          for event in _ends(each.data.split(b"\n\n")[:-1])),
    )
    for dialect in ("openai", "anthropic")
}  # fmt: skip
"""Events of real and of written streams, each with the blank line that ends it."""

"""What the bench sends and what comes back: rule files, request bodies, and the answers of the upstream."""

import json
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

CATCH_ALL = "everything-else"
CATCH_MESSAGES = "messages-elsewhere"
BY_NAME = "requested-model"
"""What an answer says that came by no rule: the request named its model."""
ROUTES = {
    "chat-1": (CATCH_ALL, "mini"),
    "messages-64": (CATCH_MESSAGES, "haiku"),
    "translated-64": (BY_NAME, "haiku"),
    "stream-1": (CATCH_ALL, "mini"),
}
"""The rule and the model that answer in some cells."""
RULES_IN_A_FILE = 20
SERIAL = "########"
"""Where the driver writes the number of the request."""

SYSTEM = (
    "You are a careful assistant for an online bookshop. Answer in the customer's language, cite the order number "
    "when you know it, never invent a policy, and keep every answer under one hundred words. If you are unsure, say "
    "so and offer to hand over to a person."
)
CONFIRMATION = (
    "I am sorry to hear that. Could you tell me the order number, please? It starts with two letters and stands at "
    "the top of the confirmation that we sent you by mail."
)
OPENING = "Hello, I ordered three {} last Tuesday and only two arrived. The biggest is missing. What do I do now?"
"""The first turn tells conversations apart: each body is one of its own, or it would go to the model of another."""
LAST = (
    f"It is BK-{SERIAL}. The parcel came on Friday with the tape torn on one side, so the atlas may have fallen out on "
    "its way. I would rather have the book than the money, because it is a present for my father's birthday on the "
    "nineteenth. Is there still a copy, and would it be here in time if you sent it tomorrow morning? If not, please "
    "tell me which other shop in the town has one on its shelf, and I will collect it there myself on Saturday."
)
PROMPTS = (
    LAST,
    "Translate into French: good morning, your parcel is on its way",
    "Write a Python function that parses a CSV file with quoted fields, and unit tests for it.",
    "Summarize the minutes below in five bullet points.\n\n" + (LAST + "\n") * 6,
    "Prove that the square root of 2 is irrational, step by step, and say where the argument fails for 4.",
    "Thanks!",
    "Compare the revenue of the last four quarters in this table and explain the outliers.\n" + "Q1,104,33,-7\n" * 60,
    "Write a slogan for a bakery that opens at five in the morning.",
    "Why does this fail?\n```python\ndef total(items):\n    return sum(item.price for item in item)\n```\n",
    "Schreibe ein kurzes Gedicht über den Herbst, ohne das Wort Blatt zu benutzen.",
    "Is this review positive or negative? " + "It came late, but the seller was kind and the price was fair. " * 3,
    "What is the capital of Mongolia, and how many people live there?",
)
"""Last turns of several kinds and lengths, for the decision alone."""

_WORDS = "The quick brown fox jumps over the lazy dog while a gateway counts every token that passes through it today."
_OPENAI = "gpt-4o-mini-2024-07-18"
_ANTHROPIC = "claude-3-5-haiku-20241022"


def numbered(prompt: str, number: int) -> str:
    """Give a prompt that was not sent before: no memory of earlier texts may help. The driver does the same."""
    return prompt.replace(SERIAL, f"{number:08d}") if SERIAL in prompt else f"{prompt} (No. {number})"


def _turns(about: str, last: str) -> list[dict[str, Any]]:
    turns = (("user", OPENING.format(about)), ("assistant", CONFIRMATION), ("user", last))
    return [{"role": role, "content": text} for role, text in turns]


def chat_body(last: str = LAST, *, about: str = "books", model: str = "auto", stream: bool = False) -> dict[str, Any]:
    """Give a chat completions request of about 1.2 KB."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, *_turns(about, last)],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    return {**body, "stream": True, "stream_options": {"include_usage": True}} if stream else body


def messages_body() -> dict[str, Any]:
    """Give the same as a messages request."""
    return {"model": "auto", "max_tokens": 256, "system": SYSTEM, "messages": _turns("globes", LAST)}


def write_bodies(directory: Path) -> None:
    """Write the request bodies, a file each."""
    bodies = {
        "chat": chat_body(),
        "chat.stream": chat_body(stream=True),
        "chat.other": chat_body(about="maps", model="haiku"),
        "chat.other.stream": chat_body(about="maps", model="haiku", stream=True),
        "messages": messages_body(),
    }
    directory.mkdir()
    for name, body in bodies.items():
        (directory / name).write_bytes(_compact(body))


def rule_files(count: int, upstream: str) -> dict[str, str]:
    """Give rule files with `count` rules, of which the last takes every chat of the bench and none before it does."""
    conditions = islice(cycle(_SHAPES), count - 2)
    rules: list[dict[str, Any]] = [
        {"name": f"rule-{place}", "when": shape(place), "route": ["mini", "haiku"]}
        for place, shape in enumerate(conditions)
    ]
    rules.append({"name": CATCH_MESSAGES, "when": {"surface": "messages"}, "route": ["haiku", "mini"]})
    rules.append({"name": CATCH_ALL, "route": ["mini", "haiku"]})
    models = {
        "providers": {
            "openai": {"kind": "openai", "base_url": f"{upstream}/v1", "api_key": {"env": "RULEGATE_BENCH_KEY"}},
            "anthropic": {"kind": "anthropic", "base_url": upstream, "api_key": {"env": "RULEGATE_BENCH_KEY"}},
        },
        "models": {
            "mini": {"provider": "openai", "model": _OPENAI, "price": {"input": 0.15, "output": 0.60}},
            "haiku": {"provider": "anthropic", "model": _ANTHROPIC, "price": {"input": 0.80, "output": 4.00}},
        },
    }
    files = {"00-models.yaml": json.dumps(models)}
    for first in range(0, count, RULES_IN_A_FILE):
        lines = "".join(f"  - {json.dumps(rule)}\n" for rule in rules[first : first + RULES_IN_A_FILE])
        files[f"{10 + first // RULES_IN_A_FILE:03d}-rules.yaml"] = f"rules:\n{lines}"
    return files


_SHAPES: tuple[Callable[[int], dict[str, Any]], ...] = (
    lambda place: {"category": ["code_generation", "reasoning_math"], "estimated_tokens": {"gt": 30_000 - place}},
    lambda place: {"header.x-tenant": f"tenant-{place}"},
    lambda place: {"complexity": "high", "estimated_tokens": {"gt": 9_000 - place}},
    lambda place: {"contains": [f"purchase order {place}", f"codeword{place}"]},
    lambda place: {"all": [{"prefer": "quality"}, {"not": {"has": ["images"]}}, {"turns": {"gt": 1_100 - place}}]},
    lambda place: {"category": "ad_copy", "words": {"gt": 2_100 - place}},
    lambda place: {"has": ["documents", "audio"], "estimated_tokens": {"lt": 50_000 + place}},
    lambda place: {"any": [{"header.x-team": f"team-{place}"}, {"metadata.project": f"project-{place}"}]},
    lambda place: {"estimated_tokens": {"gt": 100_000 - place}},
)
"""Conditions as operators write them, on what a decision computes anyway; none holds here, and none hides another."""


def write_answers(directory: Path) -> None:
    """Write the whole HTTP responses that the upstream sends, a file each."""
    directory.mkdir()
    usage = {"prompt_tokens": 312, "completion_tokens": 60, "prompt_tokens_details": {"cached_tokens": 128}}
    text = " ".join([_WORDS] * 3)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    (directory / "chat").write_bytes(_whole({**_chunk("chat.completion", [choice]), "usage": usage}))
    (directory / "chat.stream").write_bytes(_events(_chat_events(usage)))
    counted = {"input_tokens": 184, "cache_read_input_tokens": 128, "output_tokens": 60}
    content = [{"type": "text", "text": text}]
    (directory / "messages").write_bytes(
        _whole({**_message(), "content": content, "stop_reason": "end_turn", "usage": counted})
    )
    (directory / "messages.stream").write_bytes(_events(_message_events(counted)))


def _chunk(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-bench0123456789",
        "object": kind,
        "created": 1_750_000_000,
        "model": _OPENAI,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }


def _chat_events(usage: Mapping[str, Any]) -> list[bytes]:
    words = _WORDS.split()
    deltas = [{"role": "assistant", "content": "", "refusal": None}, *({"content": f"{word} "} for word in words), {}]
    chunks = [
        _chunk("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": "stop" if not delta else None}])
        for delta in deltas
    ]
    chunks.append({**_chunk("chat.completion.chunk", []), "usage": usage})
    return [*(b"data: %s\n\n" % _compact(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def _message() -> dict[str, Any]:
    return {"id": "msg_bench0123456789", "type": "message", "role": "assistant", "model": _ANTHROPIC}


def _message_events(usage: Mapping[str, Any]) -> list[bytes]:
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{word} "}}
        for word in _WORDS.split()
    ]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**_message(), "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 60}},
        {"type": "message_stop"},
    ]
    return [b"event: %s\ndata: %s\n\n" % (event["type"].encode(), _compact(event)) for event in events]


def _whole(body: Mapping[str, Any]) -> bytes:
    data = _compact(body)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data)


def _events(events: list[bytes]) -> bytes:
    """Give a chunked response, a chunk an event, as providers send them."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

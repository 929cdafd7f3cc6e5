"""Response objects: those of the gateway are written, those of a provider looked through.

Source: the API reference of the response object.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from gateway.dialects import usage
from gateway.dialects.fields import dict_of, list_of, text_of
from gateway.dialects.responses.items import Item, Numbered, output_of
from gateway.domain.chat import Stop
from gateway.domain.message import Declined, Reply
from gateway.domain.usage import STANDARD, Usage

COUNTERS, OUTPUT = ("input_tokens", "output_tokens"), ("output_tokens",)
"""Without the second an object says nothing of the output."""
_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what it says where the request does not."""
_INCOMPLETE = {Stop.LENGTH: "max_output_tokens", Stop.REFUSAL: "content_filter"}
_SPOKEN = ("message", "reasoning")
"""Items that may be there and say nothing."""
_REASONS = {reason: stop for stop, reason in _INCOMPLETE.items()}


def frame(fields: Mapping[str, Any], response_id: str, created: int, model: str) -> Item:
    """Give a response that has begun; `created` is in seconds."""
    echoed = {name: missing if fields.get(name) is None else fields[name] for name, missing in _ECHOED.items()}
    echoed["text"] = _ECHOED["text"] | dict_of(echoed["text"])
    echoed["reasoning"] = _ECHOED["reasoning"] | dict_of(echoed["reasoning"])
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": None,
        "service_tier": "auto",
        "store": False,
        "usage": None,
        **echoed,
    }


def ended(begun: Item, output: list[Item], reason: str | None, used: Usage | None) -> Item:
    """Give the response that `begun` has become; `reason` says why it is incomplete, None for one that is not."""
    tier = "default" if used is None or used.service_tier == STANDARD else used.service_tier
    return begun | {
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": output,
        "service_tier": tier,
        "usage": None if used is None else usage_object(used),
    }


def reason_of(stop: Stop, *, declined: bool) -> str | None:
    """Say why a response is incomplete; a model that declined in its own words has answered."""
    return None if declined and stop is Stop.REFUSAL else _INCOMPLETE.get(stop)


def response_of(reply: Reply, used: Usage | None, fields: Mapping[str, Any], request_id: str, created: int) -> Item:
    """Give a whole response; `created` is in seconds."""
    ids = Numbered(request_id)
    declined = any(isinstance(part, Declined) for part in reply.parts)
    reason = reason_of(reply.stop, declined=declined)
    begun = frame(fields, ids.response, created, reply.model)
    return ended(begun, output_of(reply, ids, whole=reason is None), reason, used)


def usage_object(used: Usage) -> Item:
    """Give usage in this dialect, where cached tokens are a part of the input."""
    written = used.cache_write_5m_tokens + used.cache_write_1h_tokens
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {"cached_tokens": used.cache_read_tokens, "cache_write_tokens": written},
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def usage_of(response: Mapping[str, Any], reported: Mapping[str, Any]) -> Usage | None:
    """Give what a provider reported, None where it reported nothing; without an output it is a guess to be mended.

    `reported` are the counters, which may have stood in several events; tier and searches stand in the last.
    """
    if not usage.counts(reported, COUNTERS):
        return None
    searches = sum(item.get("type") == "web_search_call" for item in _items(response))
    used = usage.openai_responses(reported, response.get("service_tier"), searches)
    return used if usage.counts(reported, OUTPUT) else structs.replace(used, estimated=True)


def stop_of(response: Mapping[str, Any]) -> Stop:
    """Give why a response ended."""
    reason = text_of(dict_of(response.get("incomplete_details")).get("reason"))
    if reason in _REASONS:
        return _REASONS[reason]
    called = any(item.get("type") == "function_call" for item in _items(response))
    return Stop.TOOL_USE if called else Stop.END


def says_something(response: Mapping[str, Any]) -> bool:
    """Say whether a response holds anything that is for the caller."""
    return any(bool(_texts(item)) or item.get("type") not in _SPOKEN for item in _items(response))


def characters_in(response: Mapping[str, Any]) -> int:
    """Count what the model wrote: text, refusals and thoughts, and what it asked of tools."""
    return sum(len(text_of(item.get("arguments"))) + len(_texts(item)) for item in _items(response))


def _items(response: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return map(dict_of, list_of(response.get("output")))


def _texts(item: Mapping[str, Any]) -> str:
    parts = map(dict_of, (*list_of(item.get("content")), *list_of(item.get("summary"))))
    return "".join(text_of(part.get("text")) or text_of(part.get("refusal")) for part in parts)

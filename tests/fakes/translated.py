"""Whether a translation says what was expected, however it is put: what recorded cases are judged by."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass
class Heard:
    """What a caller hears in a stream; `wrong` says what is wrong with its form."""

    text: str = ""
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    stop: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    wrong: str = ""

    @property
    def shown(self) -> dict[str, Any]:
        """What it heard, as the cases expect it."""
        tools = [{**call, "args": json.loads(call["args"] or "{}")} for _, call in sorted(self.calls.items())]
        counts = {"prompt_tokens": self.prompt_tokens, "output_tokens": self.output_tokens}
        return {"text": self.text, "tools": tools, "stop": self.stop, **counts}


def heard(client: str, stream: str) -> Heard:
    """Listen to a stream as a client of a dialect would."""
    blocks = [_fields(block) for block in stream.split("\n\n") if block]
    return _messages(blocks) if client.startswith("anthropic") else _completions([data for _, data in blocks])


def _fields(block: str) -> tuple[str, str]:
    lines = [line.partition(": ") for line in block.split("\n")]
    return next((value for name, _, value in lines if name == "event"), ""), "".join(
        value for name, _, value in lines if name == "data"
    )


def _messages(blocks: Sequence[tuple[str, str]]) -> Heard:
    out = Heard()
    events = [json.loads(data) for _, data in blocks]
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    if [name for name, _ in blocks] != [event["type"] for event in events]:
        out.wrong = "an event is not named by its type"
    elif kinds[0] != "message_start" or kinds[-1] != "message_stop":
        out.wrong = f"it goes from {kinds[0]} to {kinds[-1]}"
    for event in events:
        match event:
            case {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use"} as block}:
                out.calls[index] = {"id": block["id"], "name": block["name"], "args": ""}
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                out.text += text
            case {"type": "content_block_delta", "index": index, "delta": {"partial_json": part}}:
                out.calls[index]["args"] += part
            case {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}:
                out.stop, out.output_tokens = reason, usage["output_tokens"]
            case _:
                pass
    return out


def _completions(data: Sequence[str]) -> Heard:
    out = Heard(wrong="" if data[-1:] == ["[DONE]"] else "it has no [DONE]")
    for chunk in map(json.loads, data[:-1]):
        if usage := chunk.get("usage"):
            out.prompt_tokens, out.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in chunk["choices"]:
            delta = choice["delta"]
            out.text += delta.get("content") or ""
            out.stop = choice["finish_reason"] or out.stop
            for call in delta.get("tool_calls", ()):
                there = out.calls.setdefault(call["index"], {"id": call.get("id"), "name": "", "args": ""})
                there["name"] += call["function"].get("name", "")
                there["args"] += call["function"].get("arguments", "")
    return out


def difference(expected: Json, found: Json, path: str = "") -> str | None:
    """Say where `found` lacks something of `expected`, None where all of it is there.

    Text is the same as a string and as text blocks, and nothing is null, an empty list, an empty text or no member;
    arguments of tools are compared as JSON, and system texts without their white space.
    """
    name = path.rpartition(".")[2]
    expected, found = _plain(name, expected), _plain(name, found)
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping):
            return f"{path} is {found!r:.90}"
        found_out = (difference(value, found.get(key), f"{path}.{key}") for key, value in expected.items())
        return next(filter(None, found_out), None)
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return f"{path} has not {len(expected)} items: {found!r:.200}"
        each = (difference(*pair, f"{path}[{place}]") for place, pair in enumerate(zip(expected, found, strict=True)))
        return next(filter(None, each), None)
    return None if expected == found else f"{path} is {found!r:.90} and not {expected!r:.90}"


def _plain(name: str, value: Json) -> Json:
    if value in (None, "", []):
        return None
    if name == "arguments" and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if name in ("content", "system") and isinstance(value, list):
        texts = [part.get("text", "") for part in value if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) == len(value):
            value = "".join(texts)
    return re.sub(r"\s+", "", value) if name == "system" and isinstance(value, str) else value


def as_sent(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """Give a request with what it may say in several ways said in one: system messages, output limit, stops."""
    there = {name: value for name, value in body.items() if (name, value) != ("stream", False)}
    if "max_completion_tokens" in there:
        there["max_tokens"] = there.pop("max_completion_tokens")
    if isinstance(there.get("stop"), str):
        there["stop"] = [there["stop"]]
    messages = there.get("messages", [])
    system = [message["content"] for message in messages if message["role"] in ("system", "developer")]
    if system:
        parts = [text if isinstance(text, str) else "".join(part["text"] for part in text) for text in system]
        others = [message for message in messages if message["role"] not in ("system", "developer")]
        there["messages"] = [{"role": "system", "content": re.sub(r"\s+", "", "".join(parts))}, *others]
    return there

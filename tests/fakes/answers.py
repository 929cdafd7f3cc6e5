"""Answers as a caller reads them who knows no SDK: the text, the model that is named, how it ended."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """What an answer says; `whole` when it has its dialect's end, `error` its error object if there is one."""

    text: str
    model: str
    whole: bool
    error: dict[str, Any] | None
    events: int = 0


def read(surface: str, body: bytes, *, stream: bool) -> Said:
    """Read an answer or an error."""
    if not stream or body.startswith(b"{"):
        return _whole(surface, json.loads(body))
    events = [json.loads(data) for data in _data(body) if data != "[DONE]"]
    errors = [event["error"] for event in events if "error" in event]
    if surface == "messages":
        texts = [event["delta"].get("text", "") for event in events if event.get("type") == "content_block_delta"]
        models = [event["message"]["model"] for event in events if event.get("type") == "message_start"]
        ended = bool(events) and events[-1].get("type") == "message_stop"
    elif surface == "responses":
        texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
        about = [event["response"] for event in events if "response" in event]
        models = [response["model"] for response in about]
        errors += [response["error"] for response in about if response.get("error")]
        ended = bool(events) and events[-1]["type"] in {"response.completed", "response.incomplete"}
    else:
        choices = [event["choices"][0] for event in events if event.get("choices")]
        texts = [choice["delta"].get("content") or "" for choice in choices]
        models = [event["model"] for event in events if event.get("choices")]
        ended = _data(body)[-1:] == ["[DONE]"] and bool(choices) and choices[-1]["finish_reason"] is not None
    assert len(set(models)) <= 1, f"a stream names {set(models)}"
    return Said("".join(texts), models[0] if models else "", ended, errors[-1] if errors else None, len(events))


def told(body: bytes, *, stream: bool) -> dict[str, int]:
    """Give the counters that an answer tells its caller, by their names in its dialect: a stream's last ones."""
    objects = [json.loads(data) for data in _data(body) if data != "[DONE]"] if stream else [json.loads(body)]
    counters: dict[str, int] = {}
    for each in objects:
        for within in (each, each.get("message"), each.get("response")):
            if isinstance(within, dict) and isinstance(usage := within.get("usage"), dict):
                counters |= {name: count for name, count in usage.items() if isinstance(count, int)}
    return counters


def _data(body: bytes) -> list[str]:
    blocks = body.decode().split("\n\n")
    assert blocks[-1] == "", "a stream ends with a whole event"
    lines = [line for block in blocks for line in block.split("\n")]
    return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


def _whole(surface: str, answer: dict[str, Any]) -> Said:
    if answer.get("error"):
        return Said("", "", whole=False, error=answer["error"])
    if surface == "execute":
        return Said(answer["text"], answer["model"], whole=True, error=None)
    if surface == "messages":
        return Said(answer["content"][0]["text"], answer["model"], whole=bool(answer["stop_reason"]), error=None)
    if surface == "responses":
        said = [part["text"] for item in answer["output"] for part in item.get("content", ()) if "text" in part]
        return Said("".join(said), answer["model"], whole=answer["status"] in {"completed", "incomplete"}, error=None)
    if surface == "embeddings":
        return Said("", answer["model"], whole=bool(answer["data"]), error=None)
    choice = answer["choices"][0]
    return Said(choice["message"]["content"], answer["model"], whole=bool(choice["finish_reason"]), error=None)

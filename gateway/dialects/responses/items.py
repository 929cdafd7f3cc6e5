"""The output items of a response: how each of them is written, and what a whole answer's are.

Source: the API reference of the response object.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.dialects.fields import dict_of, list_of
from gateway.dialects.responses.sealing import ITEM_ID, sealed
from gateway.domain.message import Citation, Declined, Part, Reply, Text, Thinking, ToolCall

Item = dict[str, Any]


class Numbered:
    """Gives the ids of the items of one answer: they are of the request and of their place, 64 characters at most."""

    def __init__(self, request_id: str) -> None:
        self._number = request_id.replace("-", "")

    @property
    def response(self) -> str:
        """The id of the response."""
        return f"resp_{self._number}"

    def message(self, place: int) -> str:
        """Give the id of the message at a place of the output."""
        return f"msg_{self._number}_{place}"

    def call(self, place: int) -> str:
        """Give the id of the call of a function; what its result names is its `call_id`."""
        return f"fc_{self._number}_{place}"

    def thought(self, place: int) -> str:
        """Give the id of what the model thought."""
        return f"{ITEM_ID}{self._number}_{place}"


def message_item(item_id: str, content: Sequence[Item], status: str = "completed") -> Item:
    """Give a message of the assistant."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": list(content)}


def call_item(item_id: str, call: ToolCall, status: str = "completed") -> Item:
    """Give the call of a function; one that came without an id goes by that of its item."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call.id or item_id,
        "name": call.name,
        "arguments": call.arguments,
    }


def thought_item(item_id: str, thought: Thinking) -> Item:
    """Give what a model thought as a summary, with what its provider needs to take it back."""
    item: Item = {"id": item_id, "type": "reasoning", "summary": [summary(thought.text)] if thought.text else []}
    seal = sealed(thought.signature, thought.redacted)
    return item if seal is None else item | {"encrypted_content": seal}


def summary(text: str) -> Item:
    """Give a part of a summary."""
    return {"type": "summary_text", "text": text}


def text_part(text: str, annotations: Sequence[Item] = (), logprobs: Sequence[Any] = ()) -> Item:
    """Give a part of a message that is text."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(logprobs)}


def refusal_part(text: str) -> Item:
    """Give a part of a message that says that the model declines."""
    return {"type": "refusal", "refusal": text}


def annotation(citation: Citation, start: int, end: int) -> Item:
    """Give what a stretch of text rests on, counted in characters of its part."""
    page = {"url": citation.url, "title": citation.title}
    return {"type": "url_citation", **page, "start_index": start, "end_index": end}


def logprobs_of(told: Any) -> list[Any]:  # noqa: ANN401 - decoded JSON
    """Give the logprobs of tokens as they stand in this dialect, from those of chat completions."""
    return list_of(dict_of(told).get("content"))


def output_of(reply: Reply, ids: Numbered, *, whole: bool) -> list[Item]:
    """Give the items of an answer; one that is not `whole` ends with an item that is `incomplete`."""
    output: list[Item] = []
    content: list[Item] = []
    logprobs = logprobs_of(reply.logprobs)
    for part in _spoken(reply.parts):
        match part:
            case Text():
                _say(content, part, logprobs)
                logprobs = []
            case Declined() if content and content[-1]["type"] == "refusal":
                content[-1]["refusal"] += part.text
            case Declined():
                content.append(refusal_part(part.text))
            case _:
                content = _end(output, content, ids)
                place = len(output)
                if isinstance(part, ToolCall):
                    said = ToolCall(part.id, part.name, part.arguments or "{}")
                    output.append(call_item(ids.call(place), said))
                elif isinstance(part, Thinking):
                    output.append(thought_item(ids.thought(place), part))
    _end(output, content, ids)
    if not whole and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    return output


def _spoken(parts: Iterable[Part]) -> list[Part]:
    """Give the parts that an answer can have, without those that say nothing."""
    said = []
    for part in parts:
        match part:
            case Text() | Declined():
                there = bool(part.text)
            case Thinking():
                there = bool(part.text or part.signature or part.redacted)
            case ToolCall():
                there = True
            case _:
                there = False
        if there:
            said.append(part)
    return said


def _say(content: list[Item], part: Text, logprobs: Sequence[Any]) -> None:
    """Add a text to a message: texts that follow each other are one."""
    if not content or content[-1]["type"] != "output_text":
        content.append(text_part("", logprobs=logprobs))
    start = len(content[-1]["text"])
    content[-1]["text"] += part.text
    content[-1]["annotations"] += [annotation(each, start, start + len(part.text)) for each in part.citations]


def _end(output: list[Item], content: list[Item], ids: Numbered) -> list[Item]:
    """Put a message that has something to say among the items; give the content of the next."""
    if content:
        output.append(message_item(ids.message(len(output)), content))
    return []

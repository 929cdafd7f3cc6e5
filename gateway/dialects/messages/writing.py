"""A Chat as a messages request, and what of it the dialect has no words for.

Source: the API reference of `POST /v1/messages`, version 2023-06-01.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.dialects import carry
from gateway.dialects.carry import CannotCarryError, Lost, arguments_of, lowered
from gateway.dialects.messages.schemas import taken
from gateway.domain.chat import Role
from gateway.domain.message import (
    Chat,
    Choosing,
    Declined,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Output,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.domain.registry import Model

LEAST_BUDGET_TOKENS = 1024
"""The least that a model may think."""
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}
"""Tokens to think for models that take a budget, by level."""
_EFFORTS = {"minimal": "low"}
"""Levels that this dialect has another word for."""
_SAMPLING = ("temperature", "top_p", "top_k")
_CHOICES = {Choosing.AUTO: "auto", Choosing.REQUIRED: "any", Choosing.NONE: "none", Choosing.NAMED: "tool"}
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
"""What may not stand in the id of a call."""
_LEAST_TOP_P = 0.95
"""The least top_p that goes with thinking."""
_WITHOUT_SCHEMA = {"type": "object", "properties": {}}


def body_of(chat: Chat, model: Model, most_tokens: int, lost: Lost) -> dict[str, Any]:
    """Give the body, without the edits of a rule, and name what it leaves out. Raises CannotCarryError.

    `max_tokens` is required here: `most_tokens` is what will stand in for none.
    """
    if not chat.messages or chat.messages[-1].role is Role.ASSISTANT:
        # this dialect goes on with the assistant's last words, the others answer them
        raise CannotCarryError("messages", "must end with a message of the user or of a tool")
    messages = [said for message in chat.messages if (said := _message(message, lost))["content"]]
    body: dict[str, Any] = {"model": model.upstream, "messages": messages}
    if (limit := lowered(chat.max_tokens, model, lost)) is not None:
        body["max_tokens"] = limit
    if chat.system:
        body["system"] = _system(chat.system, lost)
    if chat.stream:
        body["stream"] = True
    if stops := [stop for stop in chat.stop_sequences if stop.strip()]:
        body["stop_sequences"] = stops
    if len(stops) < len(chat.stop_sequences):
        lost.add("stop_sequences")  # of white space alone none is taken
    if chat.tools:
        body["tools"] = [_tool(tool, lost) for tool in chat.tools]
        body |= _choice(chat.tool_choice)
    if chat.user:
        body["metadata"] = {"user_id": chat.user}
    config = _format(chat.output, lost)
    thinking = _thinking(chat, body.get("max_tokens", most_tokens), model, lost)
    if "effort" in thinking:
        config["effort"] = thinking.pop("effort")
    if config:
        body["output_config"] = config
    body |= thinking
    body |= _sampling(chat, lost, thinks="thinking" in body)
    return body


def _system(system: tuple[Text, ...], lost: Lost) -> str | list[dict[str, Any]]:
    if len(system) == 1 and system[0].cache is None:
        return system[0].text
    return [_text(part, lost) for part in system]


def _message(message: Message, lost: Lost) -> dict[str, Any]:
    """Give a message; results of tools come first, as this dialect wants them."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    return {"role": message.role.value, "content": list(_blocks([*results, *others], lost))}


def _blocks(parts: Iterable[Part], lost: Lost) -> Iterator[dict[str, Any]]:
    for part in parts:
        match part:
            case Text():
                yield _text(part, lost)
            case Declined():
                yield {"type": "text", "text": part.text}
            case Image():
                if part.detail:
                    lost.add("detail")
                yield _marked({"type": "image", "source": _source(part.source)}, part.cache)
            case Document():
                yield _document(part)
            case ToolCall():
                arguments = arguments_of(part.arguments)
                if arguments is None:
                    lost.add("arguments")
                call = {"type": "tool_use", "id": _call_id(part.id), "name": part.name, "input": arguments or {}}
                yield _marked(call, part.cache)
            case ToolResult():
                yield _result(part, lost)
            case Thinking():
                yield from _thought(part, lost)


def _text(part: Text, lost: Lost) -> dict[str, Any]:
    if part.citations:
        lost.add("citations")
    return _marked({"type": "text", "text": part.text}, part.cache)


def _thought(part: Thinking, lost: Lost) -> Iterator[dict[str, Any]]:
    """Give back a thought as the provider gave it; one without its signature would not be taken."""
    if part.redacted:
        yield {"type": "redacted_thinking", "data": part.redacted}
    elif part.signature:
        yield {"type": "thinking", "thinking": part.text, "signature": part.signature}
    else:
        lost.add("thinking")


def _result(result: ToolResult, lost: Lost) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _call_id(result.call_id)}
    content = list(_blocks(result.content, lost))
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if result.failed:
        block["is_error"] = True
    return _marked(block, result.cache)


def _call_id(given: str) -> str:
    """Give an id of a call that this dialect takes, the same for the call and for its result."""
    return carry.short_id(_NO_ID.sub("_", given), given)


def _source(source: Inline | Link) -> dict[str, Any]:
    if isinstance(source, Link):
        return {"type": "url", "url": source.url}
    return {"type": "base64", "media_type": source.media_type, "data": source.data}


def _document(document: Document) -> dict[str, Any]:
    text = {"type": "text", "media_type": "text/plain", "data": document.text}
    block = {"type": "document", "source": text if document.source is None else _source(document.source)}
    return _marked(block | ({"title": document.title} if document.title else {}), document.cache)


def _marked(block: dict[str, Any], cache: Any) -> dict[str, Any]:  # noqa: ANN401 - a marker as it came
    return block if cache is None else block | {"cache_control": cache}


def _tool(tool: Tool, lost: Lost) -> dict[str, Any]:
    if tool.strict:
        lost.add("strict")
    schema = tool.schema or _WITHOUT_SCHEMA
    if isinstance(schema, dict) and "type" not in schema:
        schema = {"type": "object", **schema}  # required here; OpenAI takes it as said
    block: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    return _marked(block | ({"description": tool.description} if tool.description else {}), tool.cache)


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    written: dict[str, Any] = {"type": _CHOICES[choice.choosing]}
    if choice.choosing is Choosing.NAMED:
        written["name"] = choice.name
    if choice.parallel is False and choice.choosing is not Choosing.NONE:
        written["disable_parallel_tool_use"] = True
    return {"tool_choice": written}


def _format(output: Output | None, lost: Lost) -> dict[str, Any]:
    if output is None:
        return {}
    if output.schema is None:
        lost.add("output")  # a JSON object of no known shape cannot be asked for
        return {}
    schema, less = taken(output.schema)
    if less:
        lost.add("schema")
    return {"format": {"type": "json_schema", "schema": schema}}


def _thinking(chat: Chat, max_tokens: int, model: Model, lost: Lost) -> dict[str, Any]:
    """Say how much to think: as an effort to models that choose their own budget, else as a budget.

    It is left out where the model would answer it with an error: within the turn of a tool whose thoughts did not come
    back, with a tool that it must ask for, and below the least budget.
    """
    effort = chat.effort
    if effort is None or effort.level == "none":
        return {}
    forced = chat.tool_choice is not None and chat.tool_choice.choosing in (Choosing.REQUIRED, Choosing.NAMED)
    if forced or _in_tool_turn(chat) or model.thinks is False:
        lost.add("effort")
        return {}
    if "temperature" in model.refuses:
        level = effort.level or _level_of(effort.budget_tokens)
        written: dict[str, Any] = {"thinking": {"type": "adaptive"}}
        return written | {"effort": _EFFORTS.get(level, level)} if level else written
    budget = min(effort.budget_tokens or _BUDGETS.get(effort.level, _BUDGETS["medium"]), max_tokens - 1)
    if budget < LEAST_BUDGET_TOKENS:
        lost.add("effort")
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def fit_thinking(body: dict[str, Any], lost: Lost) -> None:
    """Lower what a model may think to less than its output limit, which a rule may have lowered, or leave it out."""
    budget = body.get("thinking", {}).get("budget_tokens")
    most = body.get("max_tokens")
    if type(budget) is not int or type(most) is not int or budget < most:
        return
    if most <= LEAST_BUDGET_TOKENS:
        del body["thinking"]
        lost.add("effort")
    else:
        body["thinking"] = {**body["thinking"], "budget_tokens": most - 1}


def _level_of(budget_tokens: int | None) -> str:
    if budget_tokens is None:
        return ""
    return next((level for level, budget in _BUDGETS.items() if budget_tokens <= budget), "max")


def _in_tool_turn(chat: Chat) -> bool:
    """Say whether the model waits for the result of a tool, and what it thought when it asked for it is not here."""
    last = chat.messages[-1]
    if len(chat.messages) < 2 or not any(isinstance(part, ToolResult) for part in last.parts):
        return False
    return not any(isinstance(part, Thinking) and (part.signature or part.redacted) for part in chat.messages[-2].parts)


def _sampling(chat: Chat, lost: Lost, *, thinks: bool) -> dict[str, Any]:
    """Give the sampling settings; a temperature ends at 1 here, and little of them goes with thinking.

    The newer models refuse a temperature beside a top_p: then the one that is as it would be anyway is left out, or
    else the top_p.
    """
    settings = dict(chat.settings)
    sampling = {name: settings.pop(name) for name in _SAMPLING if name in settings}
    for name in settings:
        lost.add(name)
    if sampling.get("temperature", 0) > 1:
        sampling["temperature"] = 1
        lost.add("temperature")
    if thinks:
        for name in [name for name in _SAMPLING if name in sampling]:
            if name != "top_p" or sampling[name] < _LEAST_TOP_P:
                del sampling[name]
                lost.add(name)
    if "temperature" in sampling and "top_p" in sampling:
        neutral = next((name for name in ("top_p", "temperature") if chat.settings[name] == 1), None)
        del sampling[neutral or "top_p"]
        if neutral is None:
            lost.add("top_p")
    return sampling

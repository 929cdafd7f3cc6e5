"""The messages dialect of Anthropic.

Source: the API reference of `POST /v1/messages`, version 2023-06-01.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.dialects import edit, envelope, plain, sse
from gateway.dialects.messages.stream import (
    REASONS,
    Reader,
    Writer,
    bad_of,
    characters_in,
    error_of,
    says_something,
    stop_of,
    usage_object,
    usage_of,
)
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields
from gateway.dialects.fields import dict_of, list_of, object_of, reported_in, text_of
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Conversation, PlainAnswer, PlainChat, Role, Stop, Turn
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.refusal import Refusal
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Surface

VERSION = "2023-06-01"
_CARRIED = frozenset({"model", "messages", "system", "stream", "max_tokens", "temperature", "top_p", "stop_sequences"})
_NEUTRAL: dict[str, tuple[Any, ...]] = {"thinking": ({"type": "disabled"},), "service_tier": ("auto", "standard_only")}
"""Values of fields that are not carried over which ask for nothing that is not so anyway."""
LIMITS = ("max_tokens",)
"""The name of the output limit."""
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_PASSED_HEADERS = ("anthropic-version", "anthropic-beta")
_KINDS = {"image": "images", "document": "documents", "search_result": "documents"}
_encode = msgspec.json.encode


class AnthropicMessages:
    """Both sides of the dialect; it has no state."""

    name = Dialect.ANTHROPIC
    path = "/messages"

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        return envelope.read_chat(body, headers, Surface.MESSAGES, LIMITS, conversation_of)

    def plain(self, fields: Fields) -> PlainChat | Refusal:
        """Give the plain text chat, or name the field that keeps it from being one."""
        try:
            return _plain(fields)
        except plain.NotPlainError as error:
            return error.refusal("Anthropic")

    def write_answer(self, answer: PlainAnswer, used: Usage | None, about: About) -> bytes:
        """Give a message object."""
        return _encode(
            {
                "id": answer.id,
                "type": "message",
                "role": "assistant",
                "model": answer.model,
                "content": [{"type": "text", "text": answer.text}] if answer.text else [],
                "stop_reason": REASONS[answer.stop],
                "stop_sequence": None,
                "usage": usage_object(used or Usage()),
            }
        )

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of message_start ... message_stop."""
        return Writer()

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give `{"type": "error", ...}` with Anthropic's words."""
        return _error(_ERROR_TYPES.get(refusal.status, "api_error"), refusal.message, blame, request_id)

    def limit_headers(self, standings: Mapping[LimitKind, Standing], now: datetime) -> dict[str, str]:
        """Give `anthropic-ratelimit-*`; a reset is a moment of RFC 3339, rounded up to a second."""
        headers = {}
        for kind, standing in standings.items():
            reset = now + timedelta(seconds=standing.reset_s, microseconds=999_999)
            headers[f"anthropic-ratelimit-{kind}-limit"] = str(standing.limit)
            headers[f"anthropic-ratelimit-{kind}-remaining"] = str(standing.remaining)
            headers[f"anthropic-ratelimit-{kind}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%SZ}"
        return headers

    def failure(self, status: int, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give `{"type": "error", ...}`; the type is the one that goes with the status."""
        return _error(_ERROR_TYPES.get(status, "api_error"), error.message, blame, request_id)

    def error_event(self, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give an error event; no `message_stop` follows it."""
        kind = error.type if error.type.endswith("_error") else "api_error"
        return sse.event(_error(kind, error.message, blame, request_id), "error")

    # -- the provider's side

    def headers(self, secret: str | None, request: Request) -> dict[str, str]:
        """Give the credential, and the version and betas that the caller of this dialect asked for."""
        headers = {"anthropic-version": VERSION}
        if request.surface is Surface.MESSAGES:
            headers |= {name: request.headers[name] for name in _PASSED_HEADERS if name in request.headers}
        if secret:
            headers["x-api-key"] = secret
        return headers

    def pass_on(self, request: Request, upstream_model: str, params: Params) -> bytes:
        """Pass the body on; usage is always reported."""
        return edit.pass_on(request, upstream_model, params, {}, LIMITS)

    def write_request(self, chat: PlainChat, upstream_model: str, params: Params, max_output_tokens: int) -> bytes:
        """Give a messages request; `max_tokens` is required here, so the model's maximum stands in for none."""
        body: dict[str, Any] = {
            "model": upstream_model,
            "messages": [{"role": turn.role.value, "content": turn.text} for turn in chat.turns],
        }
        if chat.max_tokens is not None:
            body["max_tokens"] = chat.max_tokens
        if chat.system:
            body["system"] = chat.system
        if chat.stream:
            body["stream"] = True
        if chat.stop_sequences:
            body["stop_sequences"] = list(chat.stop_sequences)
        body |= chat.sampling
        if "temperature" in body:
            body["temperature"] = min(body["temperature"], 1)  # this dialect ends at 1, OpenAI's at 2
        edit.apply(body, params, LIMITS)
        body.setdefault("max_tokens", max_output_tokens)
        return _encode(body)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read a message object; one with an error in it, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("type") == "error" or answer.get("error"):
            return bad_of(answer.get("error"))
        content = [dict_of(block) for block in list_of(answer.get("content"))]
        stop = stop_of(answer.get("stop_reason"))
        used = usage_of(reported_in(answer.get("usage")))
        if not any(map(says_something, content)):
            return replace(REFUSED if stop is Stop.REFUSAL else NOTHING, usage=used)
        whole = PlainAnswer(
            id=text_of(answer.get("id")),
            model=text_of(answer.get("model")),
            text="".join(text_of(block.get("text")) for block in content),
            stop=stop,
        )
        return Answer(whole, used, 0 if used and not used.estimated else sum(map(characters_in, content)))

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"type": "error", "error": {...}}`; anything else is a message of its first 500 characters."""
        error = (object_of(body) or {}).get("error")
        return (
            error_of(status, error)
            if error
            else ProviderError(status, message=body[:2000].decode("utf-8", "replace")[:500])
        )

    def stream_reader(self, *, texts: bool) -> Reader:
        """Give a reader of message_start ... message_stop."""
        return Reader(texts=texts)

    def hides_usage(self, request: Request) -> bool:
        """Usage is a part of this dialect's own events, never a block of its own."""
        return False


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; a message of a shape that is not known counts as no text."""
    turns: list[Turn] = []
    has: set[str] = set()
    attachments = 0
    for message in filter(None, map(dict_of, fields["messages"])):
        texts: list[str] = []
        tool_texts: list[str] = []
        for kind, text in _blocks(message.get("content")):
            match kind:
                case "text":
                    texts.append(text)
                case "tool_use":
                    tool_texts.append(text)
                case "tool_results":
                    has.add(kind)
                    tool_texts.append(text)
                case _:
                    has.add(kind)
                    attachments += 1
        role = Role.ASSISTANT if message.get("role") == "assistant" else Role.USER
        turns.append(Turn(role, "\n".join(texts), "\n".join(tool_texts)))
    system = _text_within(fields.get("system"))
    tools = fields.get("tools")
    output = dict_of(fields.get("output_format")) or dict_of(dict_of(fields.get("output_config")).get("format"))
    marks = {
        "system": bool(system),
        "tools": bool(tools),
        "json_schema": output.get("type") == "json_schema",
        "thinking": dict_of(fields.get("thinking")).get("type") not in (None, "disabled"),
    }
    schemas = [part for part in (tools, output) if part]
    return Conversation(
        system=system,
        turns=tuple(turns),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
    )


def _blocks(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the blocks of a message as (kind, text); kind is `text`, `tool_use` or a word of the `has` condition.

    What a tool result holds beside text follows it.
    """
    if isinstance(content, str):
        yield "text", content
    for block in map(dict_of, list_of(content)):
        match text_of(block.get("type")):
            case "text":
                yield "text", text_of(block.get("text"))
            case "tool_use":
                yield "tool_use", _encode(block.get("input")).decode()
            case "tool_result":
                yield "tool_results", _text_within(block.get("content"))
                inner = [text_of(dict_of(part).get("type")) for part in list_of(block.get("content"))]
                yield from ((_KINDS[kind], "") for kind in inner if kind in _KINDS)
            case kind if kind in _KINDS:
                yield _KINDS[kind], ""
            case _:
                pass


def _text_within(content: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Give the text of a string or of a list of blocks."""
    if isinstance(content, str):
        return content
    texts = [text_of(block.get("text")) for block in map(dict_of, list_of(content)) if block.get("type") == "text"]
    return "\n".join(filter(None, texts))


def _plain(fields: Fields) -> PlainChat:
    """Give the plain text chat. Raises NotPlainError."""
    plain.only(fields, _CARRIED, "", _NEUTRAL)
    turns: list[Turn] = []
    for position, message in enumerate(fields["messages"]):
        where = f"messages[{position}]"
        if not isinstance(message, dict):
            raise plain.NotPlainError(where)
        plain.only(message, ("role", "content"), f"{where}.", {})
        text = plain.text(message.get("content"), f"{where}.content")
        match message.get("role"):
            case "user":
                turns.append(Turn(Role.USER, text))
            case "assistant":
                turns.append(Turn(Role.ASSISTANT, text))
            case _:
                raise plain.NotPlainError(f"{where}.role")
    return PlainChat(
        system=plain.text(fields.get("system"), "system"),
        turns=plain.turns(turns),
        stream=fields.get("stream") is True,
        max_tokens=plain.whole_number(fields, "max_tokens"),
        stop_sequences=plain.stop_sequences(fields, "stop_sequences"),
        sampling=plain.sampling(fields, "temperature", "top_p"),
    )


def _error(kind: str, message: str, blame: Blame, request_id: str) -> bytes:
    error = {"type": kind, "message": message, "rulegate": blame.shown()}
    return _encode({"type": "error", "error": error, "request_id": request_id})

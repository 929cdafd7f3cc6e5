"""The messages dialect of Anthropic.

Source: the API reference of `POST /v1/messages`, version 2023-06-01.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.dialects import edit, sse
from gateway.dialects.anthropic_stream import REASONS, STOPS, Reader, Writer, error_of, usage_object, usage_of
from gateway.dialects.base import About, Answer, Bad, Blame, Fields
from gateway.dialects.fields import metadata_of, prefer_of
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Conversation, PlainAnswer, PlainChat, Role, Stop, Turn
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Failure, Surface

VERSION = "2023-06-01"
_CARRIED = frozenset(
    {"model", "messages", "system", "stream", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences"}
)
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_PASSED_HEADERS = ("anthropic-version", "anthropic-beta")
_KINDS = {"image": "images", "document": "documents", "search_result": "documents"}
_encode = msgspec.json.encode
_decode = msgspec.json.decode


class AnthropicMessages:
    """Both sides of the dialect; it has no state."""

    name = Dialect.ANTHROPIC
    path = "/messages"

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        decoded = edit.decode_object(body)
        if isinstance(decoded, Refusal):
            return decoded
        model = edit.model_of(decoded, body)
        if isinstance(model, Refusal):
            return model
        if not isinstance(decoded.get("messages"), list):
            return Refusal(RefusalKind.INVALID_REQUEST, "messages: a list is required", "messages")
        most = decoded.get("max_tokens")
        return Request(
            surface=Surface.MESSAGES,
            model=model,
            stream=decoded.get("stream") is True,
            max_tokens=most if isinstance(most, int) else None,
            body=body,
            fields=decoded,
            read=lambda: conversation_of(decoded),
            prefer=prefer_of(headers),
            headers=headers,
            metadata=metadata_of(decoded),
        )

    def plain(self, fields: Fields) -> PlainChat | Refusal:
        """Give the plain text chat, or name the field that keeps it from being one."""
        for name, value in fields.items():
            if name not in _CARRIED and value not in (None, False, [], {}):
                return _not_carried(name)
        system = _plain_text(fields.get("system"))
        if system is None:
            return _not_carried("system")
        turns: list[Turn] = []
        for position, message in enumerate(fields["messages"]):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in ("user", "assistant"):
                return _not_carried(f"messages[{position}].role")
            text = _plain_text(message.get("content"))
            if text is None:
                return _not_carried(f"messages[{position}].content")
            turns.append(Turn(Role(role), text))
        most = fields.get("max_tokens")
        return PlainChat(
            system=system,
            turns=tuple(turns),
            stream=fields.get("stream") is True,
            max_tokens=most if isinstance(most, int) else None,
            stop_sequences=tuple(fields.get("stop_sequences") or ()),
            sampling={n: fields[n] for n in ("temperature", "top_p", "top_k") if fields.get(n) is not None},
        )

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
        return edit.pass_on(request.body, upstream_model, params, {})

    def write_request(self, chat: PlainChat, upstream_model: str, params: Params, max_output_tokens: int) -> bytes:
        """Give a messages request; `max_tokens` is required here, so the model's maximum stands in for none."""
        turns = [turn for turn in chat.turns if turn.text]
        body: dict[str, Any] = {
            "model": upstream_model,
            "max_tokens": chat.max_tokens or max_output_tokens,
            "messages": [{"role": turn.role.value, "content": turn.text} for turn in turns],
        }
        if chat.system:
            body["system"] = chat.system
        if chat.stream:
            body["stream"] = True
        if chat.stop_sequences:
            body["stop_sequences"] = list(chat.stop_sequences)
        body |= chat.sampling
        if "temperature" in body:
            body["temperature"] = min(body["temperature"], 1)  # this dialect ends at 1, OpenAI's at 2
        edit.apply(body, params)
        return _encode(body)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read a message object; one with an error in it, or with no content, is none."""
        try:
            answer = _decode(body)
        except (msgspec.DecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            return Bad(Failure.MALFORMED, ProviderError(200, message="the provider's answer is not a JSON object"))
        if answer.get("type") == "error" or answer.get("error"):
            return Bad(Failure.SERVER_ERROR, error_of(200, answer.get("error")))
        content = answer.get("content")
        if not isinstance(content, list) or not content:
            return Bad(Failure.EMPTY, ProviderError(200, message="the provider's answer has no content"))
        plain = PlainAnswer(
            id=str(answer.get("id", "")),
            model=str(answer.get("model", "")),
            text="".join(block.get("text") or "" for block in content if isinstance(block, dict)),
            stop=STOPS.get(answer.get("stop_reason") or "", Stop.END),
        )
        return Answer(plain, usage_of(answer.get("usage")))

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"type": "error", "error": {...}}`; anything else is a message of its first 500 characters."""
        try:
            decoded = _decode(body)
        except (msgspec.DecodeError, RecursionError):
            decoded = None
        error = decoded.get("error") if isinstance(decoded, dict) else None
        if error:
            return error_of(status, error)
        return ProviderError(status, message=body[:500].decode("utf-8", "replace"))

    def stream_reader(self) -> Reader:
        """Give a reader of message_start ... message_stop."""
        return Reader()

    def hides_usage(self, request: Request) -> bool:
        """Usage is a part of this dialect's own events, never a block of its own."""
        return False


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; a message of a shape that is not known counts as no text."""
    turns: list[Turn] = []
    has: set[str] = set()
    attachments = 0
    for message in fields["messages"]:
        if not isinstance(message, dict):
            continue
        texts: list[str] = []
        tool_texts: list[str] = []
        for kind, text in _blocks(message.get("content")):
            if kind == "text":
                texts.append(text)
            elif kind in ("tool_results", "tool_use"):
                tool_texts.append(text)
                has |= {"tool_results"} & {kind}
            else:
                has.add(kind)
                attachments += 1
        role = Role.ASSISTANT if message.get("role") == "assistant" else Role.USER
        turns.append(Turn(role, "\n".join(texts), "\n".join(tool_texts)))
    system = "\n".join(text for kind, text in _blocks(fields.get("system")) if kind == "text")
    tools = fields.get("tools")
    thinking = fields.get("thinking")
    output = fields.get("output_format") or fields.get("output_config")
    marks = {
        "system": bool(system),
        "tools": bool(tools),
        "json_schema": isinstance(output, dict) and "schema" in str(output),
        "thinking": isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled"),
    }
    return Conversation(
        system=system,
        turns=tuple(turns),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(tools).decode() if tools else "",
    )


def _blocks(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the blocks of a message as (kind, text); kind is `text`, `tool_use` or a word of the `has` condition."""
    if isinstance(content, str):
        yield "text", content
    elif isinstance(content, list):
        for block in content:
            if not isinstance(block, dict):
                continue
            match block.get("type"):
                case "text":
                    yield "text", str(block.get("text") or "")
                case "tool_use":
                    yield "tool_use", _encode(block.get("input")).decode()
                case "tool_result":
                    inner = "\n".join(text for kind, text in _blocks(block.get("content")) if kind == "text")
                    yield "tool_results", inner
                case kind if kind in _KINDS:
                    yield _KINDS[kind], ""
                case _:
                    pass


def _plain_text(content: Any) -> str | None:  # noqa: ANN401 - decoded JSON
    """Give a message's content where it is nothing but text, else None."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if _is_plain(part)]
    return "\n".join(texts) if len(texts) == len(content) else None


def _is_plain(part: Any) -> bool:  # noqa: ANN401 - decoded JSON
    return isinstance(part, dict) and set(part) == {"type", "text"} and isinstance(part["text"], str)


def _not_carried(name: str) -> Refusal:
    message = f"'{name}' cannot be carried over to a provider that does not speak the Anthropic dialect"
    return Refusal(RefusalKind.INVALID_REQUEST, message, name)


def _error(kind: str, message: str, blame: Blame, request_id: str) -> bytes:
    about = {"blame": blame.blame, "attempts": blame.attempts}
    error = {"type": kind, "message": message, "rulegate": about}
    return _encode({"type": "error", "error": error, "request_id": request_id})

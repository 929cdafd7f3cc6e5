"""The chat completions dialect of OpenAI and of the many who speak it.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.dialects import edit, sse
from gateway.dialects.base import About, Answer, Bad, Blame, Fields
from gateway.dialects.fields import created_at, metadata_of, prefer_of
from gateway.dialects.openai_stream import (
    FINISH,
    STOPS,
    Reader,
    Writer,
    error_of,
    says_something,
    usage_object,
    usage_of,
)
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Conversation, PlainAnswer, PlainChat, Role, Stop, Turn
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Failure, Surface

_CARRIED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
    }
)
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
_KINDS = {"image_url": "images", "input_audio": "audio", "file": "documents"}
_encode = msgspec.json.encode
_decode = msgspec.json.decode


class OpenAIChat:
    """Both sides of the dialect; it has no state."""

    name = Dialect.OPENAI
    path = "/chat/completions"

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
            return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'messages': a list", "messages")
        most = decoded.get("max_completion_tokens", decoded.get("max_tokens"))
        return Request(
            surface=Surface.CHAT,
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
            if name not in _CARRIED and value not in (None, False, [], {}) and (name, value) != ("n", 1):
                return _not_carried(name)
        system: list[str] = []
        turns: list[Turn] = []
        for position, message in enumerate(fields["messages"]):
            where = f"messages[{position}]"
            role = message.get("role") if isinstance(message, dict) else None
            text = _plain_text(message.get("content")) if isinstance(message, dict) else None
            if text is None:
                return _not_carried(f"{where}.content")
            if (
                extra := set(message)
                - {"role", "content", "name", "refusal"}
                - {k for k, v in message.items() if not v}
            ):
                return _not_carried(f"{where}.{min(extra)}")
            match role:
                case "system" | "developer":
                    system.append(text)
                case "user" | "assistant":
                    turns.append(Turn(Role(role), text))
                case _:
                    return _not_carried(f"{where}.role")
        stops = fields.get("stop") or ()
        most = fields.get("max_completion_tokens", fields.get("max_tokens"))
        return PlainChat(
            system="\n\n".join(system),
            turns=tuple(turns),
            stream=fields.get("stream") is True,
            max_tokens=most if isinstance(most, int) else None,
            stop_sequences=(stops,) if isinstance(stops, str) else tuple(stops),
            sampling={name: fields[name] for name in ("temperature", "top_p") if fields.get(name) is not None},
        )

    def write_answer(self, answer: PlainAnswer, used: Usage | None, about: About) -> bytes:
        """Give a chat.completion object."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[answer.stop]}
        body: dict[str, Any] = {
            "id": answer.id,
            "object": "chat.completion",
            "created": created_at(about.request_id),
            "model": answer.model,
            "choices": [choice],
        }
        if used is not None:
            body["usage"] = usage_object(used)
        return _encode(body)

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of chat.completion.chunk events."""
        options = fields.get("stream_options")
        return Writer(
            created_at(request_id), wants_usage=isinstance(options, dict) and bool(options.get("include_usage"))
        )

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give `{"error": {...}}` with OpenAI's words."""
        kind, code = _ERROR_TYPES.get(refusal.status, ("server_error", None))
        if refusal.kind is RefusalKind.NOT_FOUND:
            code = "unknown_url"
        return _error(kind, code, refusal.message, blame, refusal.param or None)

    def failure(self, status: int, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give `{"error": {...}}`, the provider's type and code where it gave some."""
        kind, code = _ERROR_TYPES.get(status, ("server_error", None))
        return _error(error.type or kind, error.code or code, error.message, blame)

    def error_event(self, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give a data event with an error object; no `[DONE]` follows it."""
        return sse.event(_error(error.type or "server_error", error.code or None, error.message, blame))

    # -- the provider's side

    def headers(self, secret: str | None, request: Request) -> dict[str, str]:
        """Give a bearer credential."""
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def pass_on(self, request: Request, upstream_model: str, params: Params) -> bytes:
        """Pass the body on; a stream is asked to report its usage."""
        extra: dict[str, Any] = {}
        if self.hides_usage(request):
            options = request.fields.get("stream_options")
            extra["stream_options"] = (
                {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
            )
        return edit.pass_on(request.body, upstream_model, params, extra)

    def write_request(self, chat: PlainChat, upstream_model: str, params: Params, max_output_tokens: int) -> bytes:
        """Give a chat completions request; without `max_tokens` the model's own maximum holds."""
        messages = [{"role": "system", "content": chat.system}] if chat.system else []
        messages += [{"role": turn.role.value, "content": turn.text} for turn in chat.turns]
        body: dict[str, Any] = {"model": upstream_model, "messages": messages}
        if chat.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if chat.max_tokens is not None:
            body["max_completion_tokens"] = chat.max_tokens
        if chat.stop_sequences:
            body["stop"] = list(chat.stop_sequences)
        body |= {name: value for name, value in chat.sampling.items() if name != "top_k"}
        edit.apply(body, params)
        return _encode(body)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read a chat.completion object; one with an error in it, or with no content, is none."""
        try:
            answer = _decode(body)
        except (msgspec.DecodeError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            return Bad(Failure.MALFORMED, ProviderError(200, message="the provider's answer is not a JSON object"))
        if answer.get("error"):
            return Bad(Failure.SERVER_ERROR, error_of(200, answer["error"]))
        choices = [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]
        message = choices[0].get("message") if choices else None
        if not isinstance(message, dict) or not says_something(message):
            return Bad(Failure.EMPTY, ProviderError(200, message="the provider's answer has no content"))
        text = message.get("content")
        plain = PlainAnswer(
            id=str(answer.get("id", "")),
            model=str(answer.get("model", "")),
            text=text if isinstance(text, str) else "",
            stop=STOPS.get(choices[0].get("finish_reason", ""), Stop.END),
        )
        return Answer(plain, usage_of(answer.get("usage"), answer.get("service_tier")))

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"error": {...}}`; anything else is a message of its first 500 characters."""
        try:
            decoded = _decode(body)
        except (msgspec.DecodeError, RecursionError):
            decoded = None
        error = decoded.get("error") if isinstance(decoded, dict) else None
        if error:
            return error_of(status, error)
        return ProviderError(status, message=body[:500].decode("utf-8", "replace"))

    def stream_reader(self) -> Reader:
        """Give a reader of chat.completion.chunk events."""
        return Reader()

    def hides_usage(self, request: Request) -> bool:
        """Say whether a stream did not ask for its usage block."""
        options = request.fields.get("stream_options")
        return request.stream and not (isinstance(options, dict) and options.get("include_usage"))


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see; a message of a shape that is not known counts as no text."""
    system: list[str] = []
    turns: list[Turn] = []
    has: set[str] = set()
    attachments = 0
    for message in fields["messages"]:
        if not isinstance(message, dict):
            continue
        texts = []
        for kind, text in _parts(message.get("content")):
            if kind == "text":
                texts.append(text)
            else:
                has.add(kind)
                attachments += 1
        text = "\n".join(texts)
        match message.get("role"):
            case "system" | "developer":
                system.append(text)
            case "tool" | "function":
                has.add("tool_results")
                turns.append(Turn(Role.USER, "", text))
            case "assistant":
                calls = message.get("tool_calls")
                turns.append(Turn(Role.ASSISTANT, text, _encode(calls).decode() if calls else ""))
            case _:
                turns.append(Turn(Role.USER, text))
    tools = fields.get("tools") or fields.get("functions")
    output = fields.get("response_format")
    marks = {
        "tools": bool(tools),
        "json_schema": isinstance(output, dict) and output.get("type") == "json_schema",
        "system": any(system),
        "thinking": fields.get("reasoning_effort") not in (None, "none"),
    }
    schemas = [part for part in (tools, output) if part]
    return Conversation(
        system="\n\n".join(system),
        turns=tuple(turns),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
    )


def _parts(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the parts of a message as (kind, text); kind is `text` or a word of the `has` condition."""
    if isinstance(content, str):
        yield "text", content
    elif isinstance(content, list):
        for part in content:
            if not isinstance(part, dict):
                continue
            if kind := _KINDS.get(part.get("type", "")):
                yield kind, ""
            elif isinstance(text := part.get("text", part.get("refusal")), str):
                yield "text", text


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
    message = f"'{name}' cannot be carried over to a provider that does not speak the OpenAI dialect"
    return Refusal(RefusalKind.INVALID_REQUEST, message, name)


def _error(kind: str, code: str | None, message: str, blame: Blame, param: str | None = None) -> bytes:
    about = {"blame": blame.blame, "attempts": blame.attempts}
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code, "rulegate": about}})

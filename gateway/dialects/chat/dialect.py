"""The chat completions dialect of OpenAI and of the many who speak it.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from math import ceil
from typing import Any

import msgspec

from gateway.dialects import edit, envelope, plain, sse
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields
from gateway.dialects.fields import created_at, dict_of, list_of, object_of, reported_in, text_of
from gateway.dialects.chat.stream import (
    FINISH,
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
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Conversation, PlainAnswer, PlainChat, Role, Stop, Turn
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Surface

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
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
}
"""Values of fields that are not carried over which ask for nothing that is not so anyway."""
LIMITS = ("max_completion_tokens", "max_tokens")
"""The names of the output limit; a body has one of them: the second is the older, which newer models refuse."""
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
_KINDS = {"image_url": "images", "input_audio": "audio", "file": "documents"}
_encode = msgspec.json.encode


class OpenAIChat:
    """Both sides of the dialect; it has no state."""

    name = Dialect.OPENAI
    path = "/chat/completions"

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        return envelope.read_chat(body, headers, Surface.CHAT, LIMITS, conversation_of)

    def plain(self, fields: Fields) -> PlainChat | Refusal:
        """Give the plain text chat, or name the field that keeps it from being one."""
        try:
            return _plain(fields)
        except plain.NotPlainError as error:
            return error.refusal("OpenAI")

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

    def limit_headers(self, standings: Mapping[LimitKind, Standing], now: datetime) -> dict[str, str]:
        """Give `x-ratelimit-*`; a reset is a duration such as `1m0s` or `20ms`."""
        headers = {}
        for kind, standing in standings.items():
            headers[f"x-ratelimit-limit-{kind}"] = str(standing.limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(standing.remaining)
            headers[f"x-ratelimit-reset-{kind}"] = _duration(standing.reset_s)
        return headers

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
        return edit.pass_on(request, upstream_model, params, extra, LIMITS)

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
        body |= chat.sampling
        edit.apply(body, params, LIMITS)
        return _encode(body)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read a chat.completion object; one with an error in it, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("error"):
            return bad_of(answer["error"])
        choices = [dict_of(choice) for choice in list_of(answer.get("choices"))] or [{}]
        stop = stop_of(choices[0].get("finish_reason"))
        messages = [dict_of(choice.get("message")) for choice in choices]
        used = usage_of(reported_in(answer.get("usage")), answer.get("service_tier"))
        if not (messages[0].get("content") or any(map(says_something, messages))):
            return replace(REFUSED if stop is Stop.REFUSAL else NOTHING, usage=used)
        refusal = text_of(messages[0].get("refusal"))
        whole = PlainAnswer(
            id=text_of(answer.get("id")),
            model=text_of(answer.get("model")),
            text=text_of(messages[0].get("content")) or refusal,
            stop=Stop.REFUSAL if refusal else stop,
        )
        return Answer(whole, used, 0 if used and not used.estimated else sum(map(characters_in, messages)))

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"error": {...}}`; anything else is a message of its first 500 characters."""
        error = (object_of(body) or {}).get("error")
        return (
            error_of(status, error)
            if error
            else ProviderError(status, message=body[:2000].decode("utf-8", "replace")[:500])
        )

    def stream_reader(self, *, texts: bool) -> Reader:
        """Give a reader of chat.completion.chunk events."""
        return Reader(texts=texts)

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
        if type(message) is not dict:
            continue
        text = message.get("content")
        if type(text) is not str:
            parts = list(_parts(text))
            others = [kind for kind, _ in parts if kind != "text"]
            has.update(others)
            attachments += len(others)
            text = "\n".join(part for kind, part in parts if kind == "text")
        match message.get("role"):
            case "system" | "developer":
                system.append(text)
            case "tool" | "function":
                has.add("tool_results")
                turns.append(Turn(Role.USER, "", text))
            case "assistant":
                calls = message.get("tool_calls") or message.get("function_call")
                turns.append(Turn(Role.ASSISTANT, text, _encode(calls).decode() if calls else ""))
            case _:
                turns.append(Turn(Role.USER, text))
    tools = fields.get("tools") or fields.get("functions")
    output = fields.get("response_format")
    marks = {
        "tools": bool(tools),
        "json_schema": dict_of(output).get("type") == "json_schema",
        "system": any(system),
        "thinking": fields.get("reasoning_effort") not in (None, "none"),
    }
    schemas = [part for part in (tools, output) if part]
    return Conversation(
        system="\n\n".join(filter(None, system)),
        turns=tuple(turns),
        has=frozenset(has | {name for name, present in marks.items() if present}),
        attachments=attachments,
        tools_text=_encode(schemas).decode() if schemas else "",
    )


def _parts(content: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - decoded JSON
    """Give the parts of a message as (kind, text); kind is `text` or a word of the `has` condition."""
    if isinstance(content, str):
        yield "text", content
    for part in map(dict_of, list_of(content)):
        if kind := _KINDS.get(text_of(part.get("type"))):
            yield kind, ""
        elif text := text_of(part.get("text")) or text_of(part.get("refusal")):
            yield "text", text


def _plain(fields: Fields) -> PlainChat:
    """Give the plain text chat. Raises NotPlainError."""
    plain.only(fields, _CARRIED, "", _NEUTRAL)
    system: list[str] = []
    turns: list[Turn] = []
    for position, message in enumerate(fields["messages"]):
        where = f"messages[{position}]"
        if not isinstance(message, dict):
            raise plain.NotPlainError(where)
        plain.only(message, ("role", "content", "refusal"), f"{where}.", {})
        text = plain.text(message.get("content"), f"{where}.content")
        match message.get("role"):
            case "system" | "developer":
                system.append(text)
            case "user":
                turns.append(Turn(Role.USER, text))
            case "assistant":
                turns.append(Turn(Role.ASSISTANT, text or plain.text(message.get("refusal"), f"{where}.refusal")))
            case _:
                raise plain.NotPlainError(f"{where}.role")
    limits = [most for name in LIMITS if (most := plain.whole_number(fields, name)) is not None]
    return PlainChat(
        system="\n\n".join(filter(None, system)),
        turns=plain.turns(turns),
        stream=fields.get("stream") is True,
        max_tokens=limits[0] if limits else None,
        stop_sequences=plain.stop_sequences(fields, "stop"),
        sampling=plain.sampling(fields, "temperature", "top_p"),
    )


def _duration(seconds: float) -> str:
    """Write a duration as OpenAI does, rounded up to a millisecond so that waiting it is enough."""
    milliseconds = ceil(seconds * 1000)
    if milliseconds < MINUTE_MS:
        return f"{milliseconds}ms" if milliseconds < SECOND_MS else f"{milliseconds / SECOND_MS:g}s"
    minutes, rest = divmod(milliseconds, MINUTE_MS)
    return f"{minutes}m{rest / SECOND_MS:g}s"


SECOND_MS, MINUTE_MS = 1_000, 60_000


def _error(kind: str, code: str | None, message: str, blame: Blame, param: str | None = None) -> bytes:
    return _encode(
        {"error": {"message": message, "type": kind, "param": param, "code": code, "rulegate": blame.shown()}}
    )

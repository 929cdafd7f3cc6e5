"""The chat completions dialect of OpenAI and of the many who speak it.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from math import ceil
from typing import Any

import msgspec

from gateway.dialects import edit, envelope, sse
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields, Outgoing
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.chat.answers import completion_of, reply_of
from gateway.dialects.chat.conversation import conversation_of
from gateway.dialects.chat.reading import LIMITS, chat_of
from gateway.dialects.chat.stream import (
    Reader,
    Writer,
    bad_of,
    characters_in,
    error_of,
    says_something,
    stop_of,
    usage_of,
)
from gateway.dialects.chat.writing import body_of, limit_name
from gateway.dialects.fields import created_at, dict_of, list_of, object_of, reported_in, text_of
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.message import Chat, Reply
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Surface

_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
NAMES = {
    "effort": "reasoning_effort",
    "stop_sequences": "stop",
    "output": "response_format",
    "schema": "response_format.json_schema.schema",
    "thinking": "messages.reasoning_content",
    "arguments": "messages.tool_calls.function.arguments",
    "detail": "messages.content.image_url.detail",
    "strict": "tools.function.strict",
    "citations": "messages.annotations",
}
"""This dialect's names of what another one may leave out."""
_encode = msgspec.json.encode


class OpenAIChat:
    """Both sides of the dialect; it has no state."""

    name = Dialect.OPENAI
    path = "/chat/completions"
    id_header = "x-request-id"
    overloaded = 503
    names: Mapping[str, str] = NAMES

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        return envelope.read_chat(body, headers, Surface.CHAT, LIMITS, conversation_of)

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give the request in no dialect, or name the field that keeps it from crossing dialects."""
        try:
            return chat_of(fields)
        except CannotCarryError as error:
            return error.refusal()

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Give a chat.completion object."""
        return _encode(completion_of(reply, used, created_at(about.request_id)))

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of chat.completion.chunk events."""
        options = fields.get("stream_options")
        return Writer(
            created_at(request_id), wants_usage=isinstance(options, dict) and bool(options.get("include_usage"))
        )

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give `{"error": {...}}` with OpenAI's words."""
        kind, code = _type_of(refusal.status)
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
        kind, code = _type_of(status)
        return _error(error.type or kind, error.code or code, error.message, blame)

    def error_event(self, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give a data event with an error object; no `[DONE]` follows it."""
        return sse.event(_error(error.type or "server_error", error.code or None, error.message, blame))

    # -- the provider's side

    def headers(self, secret: str | None, request: Request) -> dict[str, str]:
        """Give a bearer credential, and the betas that the caller of this dialect asked for."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        if request.surface is Surface.CHAT and "openai-beta" in request.headers:
            headers["openai-beta"] = request.headers["openai-beta"]
        return headers

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Pass the body on; a stream is asked to report its usage, and a limit on the output is not needed."""
        extra: dict[str, Any] = {}
        if self.hides_usage(request):
            options = request.fields.get("stream_options")
            extra["stream_options"] = (
                {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
            )
        return edit.pass_on(request, model, params, extra, LIMITS)

    def mended(self, body: bytes, error: ProviderError) -> Outgoing | None:
        """Give None: no part of a request of this dialect is signed by its provider."""
        return None

    def write_request(self, chat: Chat, model: Model, params: Params, max_output_tokens: int) -> Outgoing | Refusal:
        """Give a chat completions request; without a limit on the output the model's own maximum holds."""
        lost = Lost(chat.lost)
        try:
            body = body_of(chat, model, lost)
        except CannotCarryError as error:
            return error.refusal()
        edit.apply(body, params, (limit_name(model),))
        edit.withhold(body, model, LIMITS, lost)
        return Outgoing(_encode(body), lost.names)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Look through a chat.completion object; one with an error in it, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("error"):
            return bad_of(answer["error"])
        choices = [dict_of(choice) for choice in list_of(answer.get("choices"))] or [{}]
        messages = [dict_of(choice.get("message")) for choice in choices]
        used = usage_of(reported_in(answer.get("usage")), answer.get("service_tier"))
        if not (messages[0].get("content") or any(map(says_something, messages))):
            refused = stop_of(choices[0].get("finish_reason")) is Stop.REFUSAL
            return replace(REFUSED if refused else NOTHING, usage=used)
        characters = 0 if used and not used.estimated else sum(map(characters_in, messages))
        return Answer(text_of(answer.get("model")), used, answer, characters)

    def reply(self, answer: Answer) -> Reply:
        """Give what a chat.completion object says."""
        return reply_of(answer.fields)

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"error": {...}}`; anything else is a message of its first 500 characters."""
        error = (object_of(body) or {}).get("error")
        return (
            error_of(status, error)
            if error
            else ProviderError(status, message=body[:2000].decode("utf-8", "replace")[:500])
        )

    def stream_reader(self, *, pieces: bool) -> Reader:
        """Give a reader of chat.completion.chunk events."""
        return Reader(pieces=pieces)

    def hides_usage(self, request: Request) -> bool:
        """Say whether a stream did not ask for its usage block."""
        options = request.fields.get("stream_options")
        return request.stream and not (isinstance(options, dict) and options.get("include_usage"))


def _type_of(status: int) -> tuple[str, str | None]:
    """Give the type and the code that go with a status."""
    other = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return _ERROR_TYPES.get(status, (other, None))


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

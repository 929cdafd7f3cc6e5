"""The messages dialect of Anthropic.

Source: the API reference of `POST /v1/messages`, version 2023-06-01.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from msgspec import structs

from gateway.dialects import edit, envelope, sse
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields, Outgoing
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.fields import dict_of, list_of, object_of, reported_in, text_of
from gateway.dialects.messages.answers import message_of, reply_of
from gateway.dialects.messages.conversation import conversation_of
from gateway.dialects.messages.reading import LIMITS, chat_of
from gateway.dialects.messages.stream import (
    Reader,
    Writer,
    bad_of,
    characters_in,
    error_of,
    says_something,
    stop_of,
    usage_of,
)
from gateway.dialects.messages.thoughts import Without, has_unsigned, turned_down, without_thoughts
from gateway.dialects.messages.writing import body_of, fit_thinking
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.message import Chat, Reply
from gateway.domain.refusal import Refusal
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Surface

VERSION = "2023-06-01"
OVERLOADED = 529
"""A status that this dialect alone has, for which its clients have a class of their own."""
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
_PASSED_HEADERS = ("anthropic-version", "anthropic-beta")
NAMES = {
    "effort": "thinking",
    "stop": "stop_sequences",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "output": "output_config.format",
    "thinking": "messages.content.thinking",
    "cache_control": "cache_control",
    "is_error": "messages.content.is_error",
    "title": "messages.content.title",
    "citations": "messages.content.citations",
}
"""This dialect's names of what another one may leave out."""
_encode = msgspec.json.encode


class AnthropicMessages:
    """Both sides of the dialect; it has no state."""

    name = Dialect.ANTHROPIC
    path = "/messages"
    id_header = "request-id"
    overloaded = OVERLOADED
    keepalive = sse.event(b'{"type": "ping"}', "ping")
    names: Mapping[str, str] = NAMES

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        return envelope.read_chat(body, headers, Surface.MESSAGES, LIMITS, conversation_of)

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give the request in no dialect, or name the field that keeps it from crossing dialects."""
        try:
            return chat_of(fields)
        except CannotCarryError as error:
            return error.refusal()

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Give a message object; what a model thought is in it where the caller asked it to think."""
        return _encode(message_of(reply, used or Usage(), thoughts=_thinks(fields)))

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of message_start ... message_stop."""
        return Writer(thoughts=_thinks(fields))

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give `{"type": "error", ...}` with Anthropic's words."""
        return _error(_type_of(refusal.status_where(self.overloaded)), refusal.message, blame, request_id)

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
        return _error(_type_of(status), error.message, blame, request_id)

    def error_event(self, error: ProviderError, blame: Blame, request_id: str, sent: int = 0) -> bytes:
        """Give an error event; no `message_stop` follows it."""
        usual = _type_of(error.status) if error.status >= 400 else "api_error"
        kind = error.type if error.type.endswith("_error") else usual
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

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Pass the body on; usage is always reported, and a limit on the output is always needed."""
        ours = None
        if request.fields.get("max_tokens") is None or "max_tokens" in params.drop:
            ours = None if edit.limits_output(params) else max_output_tokens
            params = _limited(params, max_output_tokens)
        passed = edit.pass_on(request, model, params, {}, LIMITS)
        if has_unsigned(request.fields, request.body):
            without = without_thoughts(passed.body, signed=False)
            lost = {*passed.lost, *(NAMES[name] for name in _lost(without))}
            passed = Outgoing(without.body, tuple(sorted(lost)))
        return passed if ours is None else structs.replace(passed, defaulted=ours)

    def mended(self, body: bytes, error: ProviderError) -> Outgoing | None:
        """Give a request without the thoughts that the provider did not take back."""
        if not turned_down(error):
            return None
        without = without_thoughts(body, signed=True)
        return Outgoing(without.body, _lost(without)) if without.thoughts or without.asked else None

    def write_request(self, chat: Chat, model: Model, params: Params, max_output_tokens: int) -> Outgoing | Refusal:
        """Give a messages request; `max_tokens` is required here, so the model's maximum stands in for none."""
        lost = Lost(chat.lost)
        try:
            body = body_of(chat, model, max_output_tokens, lost)
        except CannotCarryError as error:
            return error.refusal()
        ours = chat.max_tokens is None and not edit.limits_output(params)
        edit.apply(body, _limited(params, max_output_tokens), LIMITS)
        edit.withhold(body, model, LIMITS, lost)
        fit_thinking(body, lost)
        return Outgoing(_encode(body), lost.names, max_output_tokens if ours else None)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Look through a message object; one with an error in it, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("type") == "error" or answer.get("error"):
            return bad_of(answer.get("error"))
        content = [dict_of(block) for block in list_of(answer.get("content"))]
        used = usage_of(reported_in(answer.get("usage")))
        if not any(map(says_something, content)):
            refused = stop_of(answer.get("stop_reason")) is Stop.REFUSAL
            return replace(REFUSED if refused else NOTHING, usage=used)
        characters = 0 if used and not used.estimated else sum(map(characters_in, content))
        return Answer(text_of(answer.get("model")), used, answer, characters)

    def reply(self, answer: Answer) -> Reply:
        """Give what a message object says."""
        return reply_of(answer.fields)

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read `{"type": "error", "error": {...}}`; anything else is a message of its first 500 characters."""
        error = (object_of(body) or {}).get("error")
        return (
            error_of(status, error)
            if error
            else ProviderError(status, message=body[:2000].decode("utf-8", "replace")[:500])
        )

    def stream_reader(self, *, pieces: bool) -> Reader:
        """Give a reader of message_start ... message_stop."""
        return Reader(pieces=pieces)

    def hides_usage(self, request: Request) -> bool:
        """Usage is a part of this dialect's own events, never a block of its own."""
        return False


def _type_of(status: int) -> str:
    """Give the type that goes with a status."""
    return _ERROR_TYPES.get(status, "invalid_request_error" if 400 <= status < 500 else "api_error")


def _lost(without: Without) -> tuple[str, ...]:
    """Name what a body is without, in our words."""
    return (*(("thinking",) if without.thoughts else ()), *(("effort",) if without.asked else ()))


def _limited(params: Params, most_tokens: int) -> Params:
    """Give edits that end in a limit on the output, which this dialect needs; one that a rule gives comes before it."""
    return replace(params, default={**params.default, "max_tokens": params.default.get("max_tokens", most_tokens)})


def _thinks(fields: Fields) -> bool:
    """Say whether a request asks the model to think."""
    return dict_of(fields.get("thinking")).get("type") in ("enabled", "adaptive")


def _error(kind: str, message: str, blame: Blame, request_id: str) -> bytes:
    error = {"type": kind, "message": message, "rulegate": blame.shown()}
    return _encode({"type": "error", "error": error, "request_id": request_id})

"""The responses dialect of OpenAI, without its stored state.

Source: the API reference of `POST /v1/responses`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import structs

from gateway.dialects import edit, envelope, sse
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields, Outgoing
from gateway.dialects.carry import CannotCarryError
from gateway.dialects.fields import (
    count_of,
    created_at,
    list_of,
    metadata_of,
    object_of,
    prefer_of,
    reported_in,
    text_of,
)
from gateway.dialects.openai import OpenAI, bad_of, event_words
from gateway.dialects.responses.answers import characters_in, response_of, says_something, stop_of, usage_of
from gateway.dialects.responses.conversation import conversation_of
from gateway.dialects.responses.placing import placed
from gateway.dialects.responses.reading import LIMITS, chat_of
from gateway.dialects.responses.sealing import is_ours
from gateway.dialects.responses.state import stateful
from gateway.dialects.responses.stream import Reader, Writer
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.message import Chat, Reply
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Surface

NEEDS_INPUT = "a request needs 'input': a text or a list of items"
NAMES = {
    "effort": "reasoning.effort",
    "output": "text.format",
    "thinking": "input.reasoning",
    "arguments": "input.arguments",
    "detail": "input.content.detail",
    "title": "input.content.filename",
    "strict": "tools.strict",
    "citations": "input.content.annotations",
    "verbosity": "text.verbosity",
    "logprobs": "include",
}
"""This dialect's names of what another one may leave out."""
_FAILED = ("failed", "cancelled")
_encode = msgspec.json.encode


class OpenAIResponses(OpenAI):
    """The side that faces callers, and of the other what passes bodies and answers on; it has no state."""

    path = "/responses"
    names: Mapping[str, str] = NAMES

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body; one that means something stored is refused."""
        opened = envelope.opened(body)
        if isinstance(opened, Refusal):
            return opened
        fields = opened.fields
        refused = stateful(fields)
        if refused is not None:
            return refused
        if not isinstance(fields.get("input"), str | list):
            return Refusal(RefusalKind.INVALID_REQUEST, NEEDS_INPUT, "input")
        return Request(
            surface=Surface.RESPONSES,
            model=opened.model,
            stream=fields.get("stream") is True,
            max_tokens=count_of(fields.get(LIMITS[0])),
            body=opened.body,
            fields=fields,
            read=lambda: conversation_of(fields),
            prefer=prefer_of(headers),
            headers=headers,
            metadata=metadata_of(fields),
            dropped=opened.dropped,
        )

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give the request in no dialect, or name the field that keeps it from crossing dialects."""
        try:
            return chat_of(fields)
        except CannotCarryError as error:
            return error.refusal()

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Give a response object."""
        return _encode(response_of(reply, used, fields, about.request_id, created_at(about.request_id)))

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of response.created ... response.completed."""
        return Writer(fields, request_id, created_at(request_id))

    def error_event(self, error: ProviderError, blame: Blame, request_id: str, sent: int = 0) -> bytes:
        """Give an error event; no `response.completed` follows it.

        Its words stand in it twice: at the top as the API reference says, and under `error`, without which the official
        client goes on as if nothing had happened.
        """
        words = event_words(error, blame)
        about = {name: words[name] for name in ("code", "message", "param")}
        return sse.event(_encode({"type": "error", "sequence_number": sent, **about, "error": words}), "error")

    # -- the provider's side

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Pass the body on; nothing is to be stored, and thoughts that another provider sealed stay behind."""
        extra: dict[str, Any] = {} if request.fields.get("store") is False else {"store": False}
        left = any(map(is_ours, list_of(request.fields.get("input"))))
        if left:
            extra["input"] = [raw for raw, item in _items(request) if not is_ours(item)]
        params, within = placed(params, request.fields)
        passed = edit.pass_on(request, model, params, extra | within, LIMITS)
        return structs.replace(passed, lost=tuple(sorted((*passed.lost, NAMES["thinking"])))) if left else passed

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Look through a response object; one that failed, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("error") or answer.get("status") in _FAILED:
            return bad_of(answer.get("error") or {})
        used = usage_of(answer, reported_in(answer.get("usage")))
        if not says_something(answer):
            return replace(REFUSED if stop_of(answer) is Stop.REFUSAL else NOTHING, usage=used)
        characters = 0 if used and not used.estimated else characters_in(answer)
        return Answer(text_of(answer.get("model")), used, answer, characters)

    def stream_reader(self, *, pieces: bool) -> Reader:
        """Give a reader of response.created ... response.completed; it gives no pieces."""
        return Reader()

    def hides_usage(self, request: Request) -> bool:
        """Usage is a part of this dialect's last event, never a block of its own."""
        return False


def _items(request: Request) -> list[tuple[msgspec.Raw, Any]]:
    """Give the items of the input, each as its bytes and decoded."""
    raw = msgspec.json.decode(request.body, type=_Body).input
    return list(zip(raw, request.fields["input"], strict=True))


class _Body(msgspec.Struct):
    input: list[msgspec.Raw]

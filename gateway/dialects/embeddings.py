"""Embeddings as OpenAI's API has them: texts or token ids in, vectors out, as numbers or as base64.

A request goes to providers that speak the same, byte for byte but for the model name and the rule's edits; so does the
answer come back. Source: the API reference of `POST /v1/embeddings`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gateway.dialects import edit, envelope, usage
from gateway.dialects.base import NOT_JSON, About, Answer, Bad, Fields, Outgoing
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.chat.stream import Writer
from gateway.dialects.fields import UNREADABLE, metadata_of, prefer_of, reported_in, text_of
from gateway.dialects.openai import bad_of
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.message import Chat, Reply
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Surface

NEEDS_INPUT = "a request needs 'input': a text, a list of texts, a list of token ids, or a list of lists of them"
NOTHING = Bad(Failure.EMPTY, ProviderError(200, message="the provider's answer has no embeddings"))
_NO_VECTORS = frozenset({b"[]", b'""', b"null"})


class Embeddings(OpenAIChat):
    """The caller's side; its errors have OpenAI's shape."""

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request; what it holds beside model and input is the provider's to judge."""
        opened = envelope.opened(body)
        if isinstance(opened, Refusal):
            return opened
        fields = opened.fields
        if not _is_input(fields.get("input")):
            return Refusal(RefusalKind.INVALID_REQUEST, NEEDS_INPUT, "input")
        return Request(
            surface=Surface.EMBEDDINGS,
            model=opened.model,
            stream=False,
            max_tokens=None,
            body=opened.body,
            fields=fields,
            read=lambda: conversation_of(fields),
            prefer=prefer_of(headers),
            headers=headers,
            metadata=metadata_of(fields),
            dropped=opened.dropped,
        )

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Refuse: a provider of another dialect has nothing like it."""
        return Refusal(RefusalKind.INVALID_REQUEST, "this provider has no embeddings", "model")

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Never called: an answer is passed on as it came."""
        raise TypeError("embeddings are passed on as they came")

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Never called: this surface has no streams."""
        raise TypeError("the embeddings surface has no streams")


class EmbeddingsUpstream(OpenAIChat):
    """The provider's side, for one request: what is wanted is known, and so whether an answer has all of it."""

    path = "/embeddings"

    def __init__(self, request: Request) -> None:
        self._wanted = len(inputs_of(request.fields["input"]))

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Pass the body on; there is no output whose length a rule or a budget could limit."""
        return edit.pass_on(request, model, params, {}, ())

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read a list of embeddings; one with an error in it, or without a vector for each input, is none."""
        try:
            answer = _decode(body)
        except UNREADABLE:
            return NOT_JSON
        if answer.error:
            return bad_of(answer.error)
        used = _usage_of(answer.usage)
        given = sum(map(_is_vector, answer.data or ()))
        if not given:
            return replace(NOTHING, usage=used)
        if given != self._wanted:
            words = f"the provider gave {given} embeddings for {self._wanted} inputs"
            return Bad(Failure.MALFORMED, ProviderError(200, message=words), used)
        return Answer(text_of(answer.model), used, {})


def inputs_of(value: Any) -> Sequence[Any]:  # noqa: ANN401 - decoded JSON
    """Give what a vector is wanted for, each: a list of numbers is the tokens of one text."""
    return (value,) if type(value) is str or type(value[0]) is int else value


def conversation_of(fields: Fields) -> Conversation:
    """Give what conditions see: each text as a turn of the user's, so that the last is the one that is looked at."""
    inputs = inputs_of(fields["input"])
    turns = tuple(Turn(Role.USER, text_of(each)) for each in inputs)
    return Conversation("", turns, token_ids=sum(len(each) for each in inputs if type(each) is list))


def _is_input(value: Any) -> bool:  # noqa: ANN401 - decoded JSON
    return type(value) is str or (type(value) is list and bool(value))


def _usage_of(reported: Any) -> Usage | None:  # noqa: ANN401 - decoded JSON
    """Give what a provider reported, None where it reported nothing; vectors are no output."""
    counters = reported_in(reported)
    if "prompt_tokens" not in counters:
        counters = {**counters, "prompt_tokens": counters.get("total_tokens")}
    return usage.openai_chat(counters) if usage.counts(counters, ("prompt_tokens",)) else None


class _Vector(msgspec.Struct):
    """One vector, left as it came: there may be millions of numbers."""

    embedding: msgspec.Raw = msgspec.Raw(b"null")


class _Vectors(msgspec.Struct):
    data: list[_Vector] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


def _is_vector(item: _Vector) -> bool:
    """Say whether an item holds anything; long ones are not looked through."""
    raw = memoryview(item.embedding)
    return raw.nbytes > _SHORT_BYTES or bytes(raw).translate(None, b" \t\r\n") not in _NO_VECTORS


_SHORT_BYTES = 64
_decode = msgspec.json.Decoder(_Vectors).decode

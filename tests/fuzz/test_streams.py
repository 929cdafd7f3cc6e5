"""Streams in process: whatever a provider sends, the caller gets events of its own dialect, and an end or a Failure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.base import Bad, CallerDialect
from gateway.dialects.relay import Relay
from gateway.domain.words import Surface
from gateway.wiring.surfaces import SURFACES
from tests.dialects.exchanges import ABOUT, BLAME, ID
from tests.dialects.portions import portions
from tests.dialects.streams import CONTENT, PREAMBLE
from tests.fuzz.odd import bodies, edited, spoiled, written
from tests.fuzz.running import Fuzz
from tests.fuzz.seeds import ANSWERS, EVENTS, PASSED_ON, PROVIDERS, REQUESTS, STREAMED

providers = pytest.mark.parametrize("provider", PROVIDERS)


class Cut(NamedTuple):
    """A stream, and the lengths of the portions in which it comes."""

    stream: bytes
    lengths: list[int]


@st.composite
def events(draw: st.DrawFn, known: Sequence[bytes]) -> bytes:
    """Give one event: as it was, with its JSON edited, or spoiled."""
    raw = draw(st.sampled_from(known))
    kind = draw(st.sampled_from(["plain"] + ["edited"] * 6 + ["spoiled"]))
    if kind == "spoiled":
        return draw(spoiled(raw))
    name, data = sse.fields(raw)
    if kind == "plain" or not data.startswith(b"{"):
        return raw
    try:
        fields = json.loads(data)
    except ValueError:
        return raw
    return sse.event(written(draw(edited(fields)), plain=draw(st.booleans())), name)


@st.composite
def streams(draw: st.DrawFn, provider: str) -> Cut:
    """Give events in any order, mostly after a right beginning, with any line ends, perhaps with bytes between them."""
    begun = b"".join((*PREAMBLE[provider], CONTENT[provider][0])) if draw(st.integers(0, 3)) else b""
    event = events(EVENTS[provider])
    data = begun + b"".join(draw(st.lists(st.one_of(event, event, event, st.binary(max_size=3)), max_size=12)))
    data = data.replace(b"\n", draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])))
    return Cut(data, draw(st.lists(st.integers(1, 400), min_size=1, max_size=5)))


def relayed(relay: Relay, parts: Iterator[bytes]) -> tuple[bytes, tuple[Any, ...]]:
    """Give what came out, and what the relay came to."""
    out = b"".join([*(relay.feed(part) for part in parts), relay.end()])
    assert relay.closed != (relay.bad is not None)
    assert relay.committed or not out
    assert relay.garbage >= 0 <= relay.characters
    return out, (relay.closed, relay.bad, relay.committed, relay.garbage, relay.characters, relay.usage, relay.model)


def readable(out: bytes) -> None:
    """Check that a stream of ours holds whole events, of JSON objects or the word that ends it."""
    splitter = sse.Splitter()
    for event in splitter.feed(out):
        _, data = sse.fields(event)
        assert data == b"[DONE]" or isinstance(json.loads(data), dict)
    assert splitter.end() == b""


@providers
@pytest.mark.parametrize("surface", [None, *(surface for surface in SURFACES if surface in STREAMED)], ids=str)
def test_any_stream_is_an_answer_or_a_failure(fuzz: Fuzz, provider: str, surface: Surface | None) -> None:
    """U-06 U-08 U-40: with every reader and every writer; where the network cut makes no difference."""

    def relay() -> Relay:
        reader = PROVIDERS[provider].stream_reader(pieces=surface is not None)
        writer = None if surface is None else SURFACES[surface].stream_writer({**REQUESTS[surface], "stream": True}, ID)
        return Relay(reader, writer, hide_usage=surface is None)

    def check(cut: Cut) -> None:
        out, end = relayed(relay(), portions(cut.stream, cut.lengths))
        assert (out, end) == relayed(relay(), iter([cut.stream]))
        if surface is not None:
            readable(out)

    fuzz.run(check, streams(provider), most=120)


@providers
def test_any_answer_is_one_or_a_failure(fuzz: Fuzz, provider: str) -> None:
    """U-08 U-14: and what is an answer can be written on every surface."""

    def written_as(dialect: CallerDialect, surface: Surface, answer: Any) -> None:  # noqa: ANN401 - read above
        body = dialect.write_answer(PROVIDERS[provider].reply(answer), answer.usage, ABOUT, REQUESTS[surface])
        assert isinstance(json.loads(body), dict)

    def check(body: bytes) -> None:
        answer = PROVIDERS[provider].read_answer(body)
        if isinstance(answer, Bad):
            return
        for surface, dialect in SURFACES.items():
            if surface not in PASSED_ON:
                written_as(dialect, surface, answer)

    fuzz.run(check, bodies(ANSWERS[provider]))


@providers
def test_any_error_has_words(fuzz: Fuzz, provider: str) -> None:
    """U-61: whatever a provider sends with a status that is none of success can be told."""

    def check(body: bytes) -> None:
        error = PROVIDERS[provider].read_error(500, body)
        for word in (error.message, error.type, error.code):
            assert isinstance(word, str)
        for dialect in SURFACES.values():
            from_us = json.loads(dialect.failure(502, error, BLAME, ID))
            assert isinstance(from_us["error"], dict)

    fuzz.run(check, bodies(ANSWERS[provider]))

"""The streams of a provider of responses: passed on byte for byte, metered, and told from what is none."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.base import Kind
from gateway.dialects.relay import Relay
from gateway.dialects.responses.stream import Reader, plain_text
from gateway.domain.chat import Stop
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.dialects.portions import cuts, halves, portions
from tests.dialects.responses.asking import USED, event, message, response

BEGUN = response(status="in_progress", usage=None)
OPENING = (
    event("response.created", response=BEGUN),
    event("response.in_progress", response=BEGUN),
    event("response.output_item.added", output_index=0, item={"type": "reasoning", "summary": []}),
    event("response.output_item.added", output_index=1, item={"type": "message", "content": []}),
    event("response.content_part.added", part={"type": "output_text", "text": ""}),
    event("response.output_text.delta", delta=""),
)
CONTENT = (
    event("response.output_text.delta", delta="Hé"),
    event("response.function_call_arguments.delta", delta='{"a":1}'),
    event("response.reasoning_summary_text.delta", delta="Hm 🙂"),
    event("response.output_item.added", output_index=2, item={"type": "web_search_call"}),
    event("response.output_item.done", output_index=1, item=message("Hé")),
)
END = event("response.completed", response=response(message("Hé"), usage=USED, service_tier="default"))
STREAM = b"".join((*OPENING, *CONTENT, END))
SPENT = Usage(fresh_input_tokens=5, cache_read_tokens=4, output_tokens=5, reasoning_tokens=2)


def relay() -> Relay:
    return Relay(Reader(), None, hide_usage=False)


def passed(relay: Relay, parts: Iterable[bytes]) -> bytes:
    return b"".join([*(relay.feed(part) for part in parts), relay.end()])


def facts(relay: Relay) -> tuple[object, ...]:
    return (
        *(relay.closed, relay.bad, relay.committed, relay.garbage, relay.characters, relay.sent),
        *(relay.usage, relay.model),
    )


def test_a_cut_at_any_offset_passes_the_same_bytes_on() -> None:
    """U-40 and U-42: what comes out is what came in, and its last event says what it used."""
    for parts in halves(STREAM):
        cut = relay()
        assert passed(cut, parts) == STREAM
        assert facts(cut) == (True, None, True, 0, len('Hé{"a":1}Hm 🙂'), 12, SPENT, "gpt")


EVENTS = (
    *(*OPENING, *CONTENT, END, b": ping\n\n", b"data: {\n\n", b"data: [5]\n\n", event("error", message="x")),
    event("response.failed", response=response(status="failed", error={"code": "server_error"}, usage=USED)),
    event("response.incomplete", response=response(incomplete_details={"reason": "max_output_tokens"}, usage=USED)),
)


@given(st.lists(st.sampled_from(EVENTS), max_size=10), cuts())
def test_any_portions_of_any_stream_come_to_the_same(chosen: list[bytes], lengths: list[int]) -> None:
    """U-40."""
    stream = b"".join(chosen)
    cut, whole = relay(), relay()
    assert passed(cut, portions(stream, lengths)) == passed(whole, [stream])
    assert facts(cut) == facts(whole)


@given(text=st.text(alphabet=st.sampled_from('ab"\\{}:,ü漢\n[]'), max_size=12), ascii_only=st.booleans())
def test_a_plain_delta_is_counted_as_if_it_were_decoded(text: str, *, ascii_only: bool) -> None:
    """Whatever is in the text, and however it is escaped."""
    fields = {"type": "response.output_text.delta", "item_id": "m", "delta": text, "logprobs": [], "sequence_number": 4}
    data = json.dumps(fields, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    raw = sse.event(data, "response.output_text.delta")
    [block] = Reader().feed(raw)
    assert (block.kind, block.characters) == (Kind.CONTENT if text else Kind.PREAMBLE, len(text))
    if text and '"' not in text and not text.endswith("\\"):
        assert plain_text(raw) == len(text), "else there would be nothing gained"
    assert plain_text(raw.replace(b"output_text", b"refusal")) == 0
    assert plain_text(raw[:-1]) == 0


def test_nothing_is_passed_on_before_the_first_content() -> None:
    """So that another model may still answer; what was held back comes with it, in its order."""
    for content in CONTENT[:4]:
        held = relay()
        assert held.feed(b"".join(OPENING)) == b""
        assert not held.committed
        assert held.feed(content) == b"".join((*OPENING, content))


@pytest.mark.parametrize(
    ("last", "failure"),
    [
        (event("error", code="rate_limit_exceeded", message="x", param=None), Failure.RATE_LIMITED),
        (event("error", error={"type": "invalid_request_error", "message": "x"}), Failure.BAD_REQUEST),
        (event("error", message="x"), Failure.SERVER_ERROR),
        (event("response.failed", response=response(error={"code": "server_error"})), Failure.SERVER_ERROR),
        (event("response.failed", response=response(error={"code": "rate_limit_exceeded"})), Failure.RATE_LIMITED),
        (event("response.failed"), Failure.SERVER_ERROR),
        (b'data: {"error": {"code": "insufficient_quota"}}\n\n', Failure.QUOTA),
        (b"", Failure.TRUNCATED),
    ],
)
@pytest.mark.parametrize("content", [True, False])
def test_a_stream_that_fails_is_bad_and_its_failure_is_no_callers_event(
    last: bytes, failure: Failure, *, content: bool
) -> None:
    """U-38: what is passed on ends before it, and never as if it were whole."""
    before = b"".join((*OPENING, *CONTENT)) if content else b"".join(OPENING)
    broken = relay()
    assert passed(broken, [before + last]) == (before if content else b"")
    assert broken.bad is not None
    assert broken.bad.failure is (Failure.EMPTY if not content and not last else failure)
    assert not broken.closed


def test_the_type_of_an_error_event_is_no_type_of_an_error() -> None:
    """U-61: the event's own type says that it is one, and nothing of what went wrong."""
    broken = relay()
    passed(broken, [b"".join(OPENING) + event("error", code="server_error", message="x")])
    assert broken.bad is not None
    assert (broken.bad.error.type, broken.bad.error.code, broken.bad.error.message) == ("", "server_error", "x")


@pytest.mark.parametrize(
    ("reason", "kind", "failure"),
    [
        (None, "response.completed", Failure.EMPTY),
        ("max_output_tokens", "response.incomplete", Failure.EMPTY),
        ("content_filter", "response.incomplete", Failure.CONTENT_FILTER),
    ],
)
def test_an_end_without_content_is_no_answer(reason: str | None, kind: str, failure: Failure) -> None:
    details = None if reason is None else {"reason": reason}
    empty = relay()
    end = event(kind, response=response(incomplete_details=details, usage=USED))
    assert passed(empty, [*OPENING, end]) == b""
    assert empty.bad is not None
    assert empty.bad.failure is failure
    assert empty.usage == SPENT


@pytest.mark.parametrize(
    ("output", "details", "stop"),
    [
        ((message("x"),), None, Stop.END),
        (({"type": "function_call"},), None, Stop.TOOL_USE),
        ((message("x"),), {"reason": "max_output_tokens"}, Stop.LENGTH),
        ((message("x"),), {"reason": "content_filter"}, Stop.REFUSAL),
    ],
)
def test_why_it_ended_stands_in_the_last_event(output: tuple[Any, ...], details: Any, stop: Stop) -> None:  # noqa: ANN401 - JSON
    """U-44."""
    reader = Reader()
    kind = "response.completed" if details is None else "response.incomplete"
    [block] = reader.feed(event(kind, response=response(*output, incomplete_details=details)))
    assert (block.kind, reader.stop) == (Kind.END, stop)


def test_usage_that_is_told_in_parts_is_joined() -> None:
    """U-32: the last value of each counter that is not null."""
    first = response(usage={"input_tokens": 9, "output_tokens": None})
    last = response(usage={"input_tokens": None, "output_tokens": 5})
    reader = Reader()
    list(reader.feed(event("response.created", response=first) + event("response.completed", response=last)))
    assert reader.usage == Usage(fresh_input_tokens=9, output_tokens=5)

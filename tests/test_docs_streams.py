"""docs/streams.md says what holds: the bounds it names are those of the code."""

from pathlib import Path

import pytest

from gateway.adapters import http1, transport
from gateway.dialects import relay, sse
from gateway.runtime import leftovers
from gateway.wiring.surfaces import ANTHROPIC, OPENAI

MIB = 1024 * 1024
TEXT = (Path(__file__).resolve().parent.parent / "docs" / "streams.md").read_text(encoding="utf-8")
PAGE = " ".join(TEXT.split())
ROWS = [line for line in TEXT.splitlines() if line.startswith("|")]


def test_the_bounds_of_what_is_read_for_nobody_are_told() -> None:
    """U-37: in time and in number."""
    assert f"{leftovers.LONGEST_S:.0f} seconds for each, and {leftovers.MOST} at once" in PAGE


BOUNDS = {
    "the head of a reply": f"{http1.LONGEST_HEAD_BYTES // 1024} KiB",
    "the line before a chunk": f"{http1.LONGEST_CHUNK_LINE_BYTES // 1024} KiB",
    "one event of a stream": f"{sse.LIMIT_BYTES // MIB} MiB",
    "what comes of a stream before": f"{relay.MOST_HELD_EVENTS} events, {relay.MOST_HELD_BYTES // MIB} MiB",
    "a stream that is written anew": f"{relay.MOST_TRANSLATED_BYTES // MIB} MiB",
    "a whole answer": f"{transport.LARGEST_ANSWER_BYTES // MIB} MiB",
}


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_is_told_as_it_is(what: str) -> None:
    """U-113: each with its row."""
    (row,) = (row for row in ROWS if row.startswith(f"| {what}"))
    assert row.split(" | ")[1] == BOUNDS[what]


def test_the_time_that_a_connection_may_be_idle_is_told() -> None:
    assert f"idle for {transport.KEEP_ALIVE_S:.0f} seconds is closed" in PAGE


def test_the_signs_of_life_are_told() -> None:
    """U-39: as they are on the wire."""
    assert f"`{OPENAI.keepalive.decode().strip()}`" in PAGE
    assert ANTHROPIC.keepalive.startswith(b"event: ping\n")
    assert "an event `ping`" in PAGE

"""When a caller is too slow, as a fold over looks: whoever moves on is left alone, who does not is closed in time."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.load import Cut, Doing, Look, Patience, Seen
from gateway.engine.patience import SLOWEST_BODY, too_slow, watched

PATIENCE = Patience(read_header_s=10.0, read_body_s=60.0, write_s=30.0, idle_s=900.0)


def first_cut(looks: Iterable[Look]) -> tuple[int, Cut] | None:
    """Give the second in which a connection is closed that is looked at each second, and for what."""
    seen: Seen | None = None
    for second, look in enumerate(looks):
        seen = watched(seen, look, float(second))
        if (why := too_slow(seen, float(second), PATIENCE)) is not None:
            return second, why
    return None


def still(doing: Doing, *, unsent: int = 0) -> list[Look]:
    return [Look(doing, 1, 100, unsent, 0)] * 1000


CASES = {
    "a head that does not end": (still(Doing.HEADER), (10, Cut.READ_HEADER)),
    "a body that stands still": (still(Doing.BODY), (60, Cut.READ_BODY)),
    "an answer that takes its time": (still(Doing.ANSWER), None),
    "an answer that nobody reads": (still(Doing.ANSWER, unsent=9), (30, Cut.WRITE)),
    "an answer that nobody reads, closed": (still(Doing.CLOSING, unsent=9), (30, Cut.WRITE)),
    "a connection that is closed": (still(Doing.CLOSING), None),
    "nothing asked": (still(Doing.IDLE), (900, Cut.IDLE)),
    "a head a byte at a time": ([Look(Doing.HEADER, 0, at, 0, 0) for at in range(99)], (10, Cut.READ_HEADER)),
    "a body a byte at a time": ([Look(Doing.BODY, 1, at, 0, 0) for at in range(99)], (61, Cut.READ_BODY)),
    "a body that stops": ([Look(Doing.BODY, 1, min(at, 9) * 99_000, 0, 0) for at in range(999)], (69, Cut.READ_BODY)),
    "an answer read a byte at a time": ([Look(Doing.ANSWER, 1, 0, 9, at) for at in range(999)], None),
    "a new request each second": ([Look(Doing.HEADER, at, at, 0, 0) for at in range(999)], None),
    "a new body each second": ([Look(Doing.BODY, at, 0, 0, 0) for at in range(999)], None),
    "an idle one that asks now and then": (
        [Look(Doing.ANSWER if at % 500 == 0 else Doing.IDLE, at // 500, at // 500, 0, 0) for at in range(1999)],
        None,
    ),
    "what was not read before goes on counting": (
        [Look(Doing.ANSWER if at < 20 else Doing.CLOSING, 1, 0, 9, 0) for at in range(99)],
        (30, Cut.WRITE),
    ),
}


@pytest.mark.parametrize(("looks", "cut"), CASES.values(), ids=CASES.keys())
def test_a_connection_is_closed_when_its_caller_is_too_slow(looks: list[Look], cut: tuple[int, Cut] | None) -> None:
    assert first_cut(looks) == cut


@given(st.lists(st.integers(SLOWEST_BODY, 10_000_000), min_size=200, max_size=200))
def test_a_body_that_comes_fast_enough_may_take_as_long_as_it_takes(pieces: list[int]) -> None:
    received, looks = 0, []
    for piece in pieces:
        looks.append(Look(Doing.BODY, 1, received, 0, 0))
        received += piece
    assert first_cut(looks) is None


@given(st.lists(st.integers(0, SLOWEST_BODY // 2), min_size=400, max_size=400))
def test_a_body_that_trickles_ends_in_time_however_it_is_cut(pieces: list[int]) -> None:
    """At half the least rate it ends before twice the limit."""
    received, looks = 0, []
    for piece in pieces:
        looks.append(Look(Doing.BODY, 1, received, 0, 0))
        received += piece
    cut = first_cut(looks)
    assert cut is not None
    assert cut[0] <= 2 * PATIENCE.read_body_s
    assert cut[1] is Cut.READ_BODY

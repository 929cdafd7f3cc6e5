"""Limits on their way: what a request takes when it comes and what it has used when it ends, kept over reloads."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.attempt import Attempt
from gateway.domain.caller import Caller
from gateway.domain.limit import LimitKind, Limits, Standing
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from gateway.engine.explain import ASSUMED_OUTPUT_TOKENS
from gateway.runtime.exchange import Active, Arrived, Exchange, begin
from gateway.runtime.limits import Admitted, LimitBoard, Turned
from tests.fakes.values import request_of, snapshot_of

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Stands where it is put."""

    at_s: float = 1_000.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.at_s)

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


def snapshot() -> Snapshot:
    return snapshot_of("rules: [{name: all, route: [small]}]")


def exchange(limits: Limits, name: str = "bot", max_tokens: int | None = None) -> Exchange:
    asked = structs.replace(request_of("hello"), caller=Caller(name, limits=limits), max_tokens=max_tokens)
    begun = begin(Arrived("0192f0c4-7000", AT, 0.0, Active(snapshot(), {}, AT)), 0.0, asked, OpenAIChat())
    assert isinstance(begun, Exchange)
    return begun


def used(tokens: int, failure: Failure | None = None) -> Attempt:
    usage = Usage(fresh_input_tokens=tokens // 2, output_tokens=tokens - tokens // 2)
    return Attempt(0, "small", "local", failure, usage=usage)


def admitted(board: LimitBoard, limits: Limits, name: str = "bot") -> Admitted:
    verdict = board.admit(exchange(limits, name))
    assert isinstance(verdict, Admitted), verdict
    return verdict


def turned(board: LimitBoard, limits: Limits, name: str = "bot") -> Turned:
    verdict = board.admit(exchange(limits, name))
    assert isinstance(verdict, Turned), verdict
    return verdict


def test_whoever_waits_as_long_as_told_comes_in() -> None:
    """U-122: the wait is true, and each caller has its own."""
    clock = Clock()
    board, two = LimitBoard(clock), Limits(requests=2)
    for _ in range(2):
        admitted(board, two)
        clock.at_s += 7.3
    away = turned(board, two)
    assert away.refusal.message == "caller 'bot' has used up its 2 requests a minute: come again in 46 s"
    assert (away.refusal.status, away.retry_after_s, away.final) == (429, 46, False)
    admitted(board, two, "another")
    clock.at_s += 46
    admitted(board, two)
    turned(board, two)


def test_a_request_that_can_never_come_in_is_told_so() -> None:
    """U-122: no wait would be true, and trying again helps nobody."""
    board = LimitBoard(Clock())
    asked = exchange(Limits()).features["estimated_tokens"] + ASSUMED_OUTPUT_TOKENS
    away = turned(board, Limits(tokens=100))
    assert away.refusal.message == (
        f"this request alone takes about {asked} tokens, and caller 'bot' may use 100 a minute"
    )
    assert (away.retry_after_s, away.final) == (None, True)


def test_a_seat_is_free_again_once_the_request_has_ended() -> None:
    """U-113: one too many is told what it is; the end of another lets it in, and counts once."""
    board, one = LimitBoard(Clock()), Limits(concurrent=1)
    first = admitted(board, one)
    away = turned(board, one)
    assert away.refusal.message == "caller 'bot' has 1 requests running, and may have no more at a time"
    assert (away.retry_after_s, away.final) == (None, False)
    first.ended()
    second = admitted(board, one)
    first.ended()
    turned(board, one)
    second.ended()
    admitted(board, one)
    turned(board, one)


def test_what_was_used_replaces_what_was_expected() -> None:
    """All attempts count, the failed ones too, and a request that used nothing gives everything back."""
    board, limits = LimitBoard(Clock()), Limits(tokens=1_100)

    def left() -> int:
        return board.standings(Caller("bot", limits=limits))[LimitKind.TOKENS].remaining

    for attempts, remains in (((), 1_100), ((used(40),), 1_060), ((used(30, Failure.TRUNCATED), used(30)), 1_000)):
        one = exchange(limits)
        before = left() if attempts else 1_100
        verdict = board.admit(one)
        assert isinstance(verdict, Admitted)
        assert before - left() == one.features["estimated_tokens"] + ASSUMED_OUTPUT_TOKENS
        one.history.extend(attempts)
        verdict.ended()
        assert left() == remains
    turned(board, replace(limits, tokens=600))


@pytest.mark.parametrize(("max_tokens", "taken"), [(None, 500), (64_000, 500), (20, 20), (0, 0), (-5, 0)])
def test_an_output_limit_counts_as_far_as_answers_usually_go(max_tokens: int | None, taken: int) -> None:
    board = LimitBoard(Clock())
    one = exchange(Limits(tokens=1_000), max_tokens=max_tokens)
    board.admit(one)
    left = board.standings(one.request.caller)[LimitKind.TOKENS].remaining
    assert 1_000 - left == one.features["estimated_tokens"] + taken


def test_limits_that_change_hold_at_once_and_what_was_used_stays() -> None:
    """A reload brings other limits, and no fresh start."""
    board = LimitBoard(Clock())
    for _ in range(3):
        admitted(board, Limits(requests=3))
    turned(board, Limits(requests=3))
    admitted(board, Limits(requests=4))
    turned(board, Limits(requests=2))


def test_a_caller_without_limits_is_never_counted() -> None:
    board, free = LimitBoard(Clock()), Limits()
    for _ in range(1_000):
        admitted(board, free)
    assert board.standings(Caller("bot", limits=free)) == {}
    assert board.standings(Caller("stranger", limits=Limits(requests=1))) == {}


def test_a_caller_stands_where_its_requests_have_left_it() -> None:
    clock = Clock()
    board, limits = LimitBoard(clock), Limits(requests=3, concurrent=9)
    admitted(board, limits)
    clock.at_s += 15
    assert board.standings(Caller("bot", limits=limits)) == {LimitKind.REQUESTS: Standing(3, 2, 45.0)}


ends = st.lists(st.tuples(st.booleans(), st.integers(0, 900), st.sampled_from([0.0, 0.3, 20.0])), max_size=30)


@given(ends)
def test_at_rest_nothing_is_held(requests: list[tuple[bool, int, float]]) -> None:
    """Whatever came and however it ended, in any order: no seat is taken, and no token counts that was not used."""
    clock = Clock()
    board, limits = LimitBoard(clock), Limits(tokens=2_000, concurrent=3)
    admitted(board, limits).ended()
    running: list[tuple[Exchange, Admitted, int]] = []
    for ends_first, tokens, passes_s in requests:
        clock.at_s += passes_s
        one = exchange(limits)
        verdict = board.admit(one)
        if isinstance(verdict, Admitted):
            running.append((one, verdict, tokens))
        if running and ends_first:
            ended, admitted_, spent = running.pop(0)
            ended.history.append(used(spent))
            admitted_.ended()
    for _, left, _ in running:
        left.ended()
    clock.at_s += 61
    whole = Limits(tokens=2_000, concurrent=3)
    assert board.standings(Caller("bot", limits=whole))[LimitKind.TOKENS] == Standing(2_000, 2_000, 0.0)
    for _ in range(3):
        admitted(board, whole)
    turned(board, whole)

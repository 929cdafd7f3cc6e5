"""Waiting for a place, on a clock that the test moves: in turn, no longer than may be, and never for nothing."""

import asyncio

import pytest

from gateway.domain.limit import Gate, GateKind
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.rule import Chain, Step
from gateway.engine.chain import Wait
from gateway.runtime.gates import GateBoard, Place
from tests.fakes.clock import HandClock

GATE = Gate(GateKind.MODEL, "small", 1, queue=2, wait_s=5.0)
CHAIN = Chain((Step("large"), Step("small", gates=(GATE,))))
WAIT = Wait((1,), 60.0)


def board() -> tuple[GateBoard, HandClock, list[None]]:
    clock, turned = HandClock(), list[None]()
    return GateBoard(clock, lambda: turned.append(None)), clock, turned


def crowd(gates: GateBoard) -> tuple[int, int]:
    (only,) = gates.crowds()
    return only.there, only.waiting


async def test_whoever_waits_gets_the_place_of_who_leaves() -> None:
    gates, clock, turned = board()
    held = gates.enter(CHAIN.steps[1])
    assert held is not None
    assert gates.full(CHAIN) == {1}
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(gates.wait(CHAIN, WAIT)) for _ in range(2)]
        await asyncio.sleep(0)
        assert crowd(gates) == (1, 2)
        held.leave()
        held.leave()
        position, place = await got(waits[0])
        assert (position, waits[1].done(), crowd(gates)) == (1, False, (1, 1))
        place.leave()
        (await got(waits[1]))[1].leave()
    assert (crowd(gates), turned, clock.pending) == ((0, 0), [], 0)


async def got(wait: "asyncio.Task[tuple[int, Place] | Refusal]") -> tuple[int, Place]:
    given = await wait
    assert not isinstance(given, Refusal), given
    return given


async def test_whoever_waits_too_long_is_told_how_long_it_would_take() -> None:
    """The place is taken for 5 s by then, so the next turn may come after as long; nobody stays in line."""
    gates, clock, turned = board()
    held = gates.enter(CHAIN.steps[1])
    async with asyncio.TaskGroup() as tasks:
        wait = tasks.create_task(gates.wait(CHAIN, WAIT))
        await clock.waits_until(clock.monotonic() + 5.0)
        clock.advance(5.0)
        refusal = await wait
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.retry_after_s) == (RefusalKind.OVERLOADED, 5)
    assert "'small'), and there was no room within 5 s" in refusal.message
    assert (crowd(gates), len(turned), clock.pending) == ((1, 0), 1, 0)
    assert held is not None


async def test_a_line_that_is_full_turns_away_at_once() -> None:
    gates, _, turned = board()
    gates.enter(CHAIN.steps[1])
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(gates.wait(CHAIN, WAIT)) for _ in range(2)]
        await asyncio.sleep(0)
        refusal = await gates.wait(CHAIN, WAIT)
        for wait in waits:
            wait.cancel()
    assert isinstance(refusal, Refusal)
    assert "as many wait as may" in refusal.message
    assert (crowd(gates), len(turned)) == ((1, 0), 1)


@pytest.mark.parametrize("called", [False, True], ids=["in line", "when its turn has come"])
async def test_a_caller_who_leaves_while_waiting_leaves_nothing_behind(*, called: bool) -> None:
    gates, clock, turned = board()
    held = gates.enter(CHAIN.steps[1])
    assert held is not None
    async with asyncio.TaskGroup() as tasks:
        wait = tasks.create_task(gates.wait(CHAIN, WAIT))
        await asyncio.sleep(0)
        if called:
            held.leave()
        wait.cancel()
    held.leave()
    assert (crowd(gates), turned, clock.pending) == ((0, 0), [], 0)


async def test_a_place_that_is_given_in_the_last_moment_is_had() -> None:
    """The time is over and the turn has come in the same turn of the loop: the request goes on."""
    gates, clock, turned = board()
    held = gates.enter(CHAIN.steps[1])
    assert held is not None
    async with asyncio.TaskGroup() as tasks:
        wait = tasks.create_task(gates.wait(CHAIN, WAIT))
        await clock.waits_until(clock.monotonic() + 5.0)
        held.leave()
        clock.advance(5.0)
        (await got(wait))[1].leave()
    assert (crowd(gates), turned) == ((0, 0), [])

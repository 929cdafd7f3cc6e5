"""The next step of a chain as a function of what has happened so far."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.rule import Chain, Route, Split, Step
from gateway.domain.words import Failure, Outcome, Skip

SAME_STEP_AGAIN = frozenset(
    {
        Failure.RATE_LIMITED,
        Failure.OVERLOADED,
        Failure.TIMEOUT,
        Failure.CONNECT,
        Failure.SERVER_ERROR,
        Failure.TRUNCATED,
        Failure.EMPTY,
        Failure.MALFORMED,
    }
)
"""Failures that a second try at the same step may cure; `tries` counts only these."""


@dataclass(frozen=True, slots=True)
class Try:
    """Make an attempt at this place of the chain, within what is left of the deadline."""

    position: int
    left_s: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave this place of the chain out, for this reason."""

    position: int
    skip: Skip


@dataclass(frozen=True, slots=True)
class Halt:
    """Go no further."""

    outcome: Outcome


def next_step(chain: Chain, history: Sequence[Event], elapsed_s: float) -> Try | Pass | Halt:
    """Decide the next step; the same history always gives the same step.

    `history` holds every attempt and skip so far, in order; `elapsed_s` is what has passed of the chain's deadline.
    Holds to the end: each call after its Try or Pass was carried out brings the chain closer to a Halt.
    """
    if not history:
        return _go_to(chain, 0, elapsed_s)
    last = history[-1]
    match last:
        case Skipped():
            return _go_on(chain, history, last.position + 1, elapsed_s)
        case Attempt():
            return _after(chain, history, last, elapsed_s)
        case _:
            assert_never(last)


def _after(chain: Chain, history: Sequence[Event], last: Attempt, elapsed_s: float) -> Try | Pass | Halt:
    if last.failure is None:
        return Halt(Outcome.ANSWERED if len(history) == 1 else Outcome.ANSWERED_AFTER_FALLBACK)
    if last.failure is Failure.CANCELLED:
        return Halt(Outcome.CANCELLED)
    if last.committed:
        return Halt(Outcome.INTERRUPTED)  # the caller already holds part of this answer
    if last.failure not in chain.fall_back_on:
        return Halt(Outcome.FAILED)
    tried = sum(1 for event in history if isinstance(event, Attempt) and event.position == last.position)
    if last.failure in SAME_STEP_AGAIN and tried < chain.steps[last.position].tries:
        return _go_to(chain, last.position, elapsed_s)
    return _go_on(chain, history, last.position + 1, elapsed_s)


def _go_on(chain: Chain, history: Sequence[Event], position: int, elapsed_s: float) -> Try | Pass | Halt:
    """Take the place at `position` unless its window is known to be no larger than one that was too small."""
    if position >= len(chain.steps):
        return Halt(Outcome.FAILED)
    window = chain.steps[position].window_tokens
    too_small = [
        chain.steps[event.position].window_tokens or 0
        for event in history
        if isinstance(event, Attempt) and event.failure is Failure.CONTEXT_LENGTH
    ]
    if too_small and window is not None and window <= max(too_small):
        return Pass(position, Skip.INCAPABLE)
    return _go_to(chain, position, elapsed_s)


def _go_to(chain: Chain, position: int, elapsed_s: float) -> Try | Halt:
    left_s = chain.deadline_s - elapsed_s
    if left_s <= 0 or position >= len(chain.steps):
        return Halt(Outcome.FAILED)
    return Try(position, left_s)


def settle(route: Route, conversation_hash: int) -> tuple[Chain, dict[int, str]]:
    """Settle the splits of a route for one conversation; the same hash always takes the same arms.

    The hash has 64 bits. Each split of a chain draws from other bits, so that two splits do not move together.
    Gives the chain and the model that each split took, by place.
    """
    steps: list[Step] = []
    taken: dict[int, str] = {}
    for place, step in enumerate(route.places):
        match step:
            case Step():
                steps.append(step)
            case Split():
                arm = _arm(step, conversation_hash, place)
                taken[place] = arm.model
                steps.append(arm)
            case _:
                assert_never(step)
    return Chain(tuple(steps), route.deadline_s, route.fall_back_on), taken


def settle_again(route: Route, taken: Mapping[int, str]) -> tuple[Chain, dict[int, str]]:
    """Settle the splits of a route as they were settled before; a model that is no arm now gives way to the first."""
    steps = []
    for place, step in enumerate(route.places):
        arms = [step] if isinstance(step, Step) else [arm for arm, _ in step.arms]
        steps.append(next((arm for arm in arms if arm.model == taken.get(place)), arms[0]))
    return Chain(tuple(steps), route.deadline_s, route.fall_back_on), dict(taken)


def _arm(split: Split, conversation_hash: int, place: int) -> Step:
    seed = conversation_hash.to_bytes(8, "big") + place.to_bytes(2, "big")
    draw = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest(), "big") / 2**64
    total = sum(weight for _, weight in split.arms)
    below = 0.0
    *others, (last, _) = split.arms
    for step, weight in others:
        below += weight / total
        if draw < below:
            return step
    return last

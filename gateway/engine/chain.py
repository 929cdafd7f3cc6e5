"""The next step of a chain as a function of what has happened so far."""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.health import Rest
from gateway.domain.rule import Chain, Route, Split, Step
from gateway.domain.words import Failure, Outcome, Skip
from gateway.engine.effects import EFFECTS

Settled = tuple[Chain, dict[int, str]]
"""The chain of a route whose splits are settled, and the model that each split took, by place."""
NONE_RESTS: Mapping[str, Rest] = {}
RECOVERED = Rest(Failure.OVERLOADED, 0.0, last_resort=True, mild=True)
"""A model that was passed over and may be asked by now."""


class Try(NamedTuple):
    """Make an attempt at this place of the chain, within what is left of the deadline."""

    position: int
    left_s: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave this place of the chain out, for this reason."""

    position: int
    skip: Skip


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the first of these places of the chain has room, within what is left of the deadline."""

    positions: tuple[int, ...]
    left_s: float


@dataclass(frozen=True, slots=True)
class Halt:
    """Go no further."""

    outcome: Outcome


class Away(NamedTuple):
    """What should not be asked: models that rest, places whose models cannot serve the request, and full places.

    `sparing` says that no place should be tried again that was tried: the budget for that is used up.
    """

    resting: Mapping[str, Rest] = NONE_RESTS
    unfit: Container[int] = ()
    full: Container[int] = ()
    sparing: bool = False


NOBODY_AWAY = Away()
Next = Try | Pass | Wait | Halt


def next_step(chain: Chain, history: Sequence[Event], elapsed_s: float, away: Away = NOBODY_AWAY) -> Next:
    """Decide the next step; the same history always gives the same step.

    `history` holds every attempt and skip so far, in order; `elapsed_s` is what has passed of the chain's deadline.
    Where nothing else is left to try, places are waited for that were full, once each. Where there is none, and all
    models rest that may serve the request, the one that recovers first is tried all the same, if that is its last
    resort, and nothing after it. One that rests mildly is passed over only while a better one is left,
    and comes after those have failed.
    Holds to the end: each call after its Try or Pass was carried out brings the chain closer to a Halt.
    """
    if not history:
        return _go_to(chain, history, 0, elapsed_s, away)
    last = history[-1]
    match last:
        case Skipped():
            if _went_back(history):
                return _wait(chain, history, elapsed_s) or Halt(Outcome.FAILED)
            return _go_on(chain, history, elapsed_s, away)
        case Attempt():
            return _after(chain, history, last, elapsed_s, away)
        case _:
            assert_never(last)


def _after(chain: Chain, history: Sequence[Event], last: Attempt, elapsed_s: float, away: Away) -> Next:
    if last.failure is None or last.failure is Failure.CANCELLED or last.committed:
        return Halt(outcome_of(history, last))
    if last.hedged and _beside(history, last).failure not in chain.fall_back_on:
        return Halt(Outcome.FAILED)
    here = [event for event in history if isinstance(event, Attempt) and event.position == last.position]
    left_s = chain.deadline_s - elapsed_s
    if last.again and sum(event.again for event in here) == 1:
        return Try(last.position, left_s) if left_s > 0 else Halt(Outcome.FAILED)
    if last.failure not in chain.fall_back_on:
        return Halt(Outcome.FAILED)
    if _went_back(history):
        return _wait(chain, history, elapsed_s) or Halt(Outcome.FAILED)
    tried = sum(not event.again for event in here)
    again = EFFECTS[last.failure].again and tried < chain.steps[last.position].tries
    if again and not away.sparing and last.model not in away.resting:
        return _go_to(chain, history, last.position, elapsed_s, away)
    return _go_on(chain, history, elapsed_s, away)


def is_again(history: Sequence[Event], step: Try) -> bool:
    """Say whether a step is tried once more that was tried just now, and not because something can be left out."""
    last = history[-1] if history else None
    return isinstance(last, Attempt) and last.position == step.position and not last.again


def outcome_of(history: Sequence[Event], ended: Attempt) -> Outcome:
    """Say how a request ends with the attempt that answered it, broke off in the middle, or was left by its caller.

    What comes after that attempt in the history was begun beside it, and lost.
    """
    if ended.failure is Failure.CANCELLED:
        return Outcome.CANCELLED
    if ended.failure is not None:
        return Outcome.INTERRUPTED  # the caller already holds part of this answer
    for event in history:
        if event is ended:
            break
        if not _is_no_fallback(event, ended.position):
            return Outcome.ANSWERED_AFTER_FALLBACK
    return Outcome.ANSWERED


def next_hedge(
    chain: Chain, history: Sequence[Event], position: int, elapsed_s: float, away: Away = NOBODY_AWAY
) -> Try | Pass | None:
    """Decide which step is asked beside one that is slow, looking on from a place of the chain; None for no other.

    `position` is that of the slow one, then that of each Pass. A resting model is no last resort here: the slow one is.
    """
    step = _after_place(chain, history, position, elapsed_s, away) if position + 1 < len(chain.steps) else None
    return None if isinstance(step, Halt) else step


def _beside(history: Sequence[Event], hedge: Attempt) -> Attempt:
    """Give the attempt beside which the last one was begun: history is in the order in which attempts began."""
    earlier = (event for event in reversed(history[:-1]) if isinstance(event, Attempt))
    return next(earlier, hedge)


def _is_no_fallback(before: Event, position: int) -> bool:
    """Say whether an event leaves the answer at a place the first that was asked for: it was only waited for."""
    waited = isinstance(before, Skipped) and before.skip is Skip.FULL and before.position > position
    return waited or (isinstance(before, Skipped) and before.position == position)


def _went_back(history: Sequence[Event]) -> bool:
    """Say whether the last event went back to a place that had been passed over."""
    here = history[-1].position
    return any(isinstance(event, Skipped) and event.position >= here for event in history[:-1])


def _go_on(chain: Chain, history: Sequence[Event], elapsed_s: float, away: Away) -> Next:
    if history[-1].position + 1 >= len(chain.steps):
        return _wait(chain, history, elapsed_s) or _last_resort(chain, history, elapsed_s, away)
    return _after_place(chain, history, history[-1].position, elapsed_s, away)


def _after_place(
    chain: Chain, history: Sequence[Event], position: int, elapsed_s: float, away: Away
) -> Try | Pass | Halt:
    """Take the place after one unless its window is known to be no larger than one that was too small."""
    window = chain.steps[position + 1].window_tokens
    too_small = [
        chain.steps[event.position].window_tokens or 0
        for event in history
        if isinstance(event, Attempt) and event.failure is Failure.CONTEXT_LENGTH
    ]
    if too_small and window is not None and window <= max(too_small):
        return Pass(position + 1, Skip.INCAPABLE)
    return _go_to(chain, history, position + 1, elapsed_s, away)


def _go_to(chain: Chain, history: Sequence[Event], position: int, elapsed_s: float, away: Away) -> Try | Pass | Halt:
    left_s = chain.deadline_s - elapsed_s
    if left_s <= 0 or position >= len(chain.steps):
        return Halt(Outcome.FAILED)
    if position in away.unfit:
        return Pass(position, Skip.INCAPABLE)
    rest = away.resting.get(chain.steps[position].model) if away.resting else None
    if rest is not None and (not rest.mild or _is_better_left(chain, history, away)):
        return Pass(position, Skip.COOLING)
    if position in away.full:
        return Pass(position, Skip.FULL)
    return Try(position, left_s)


def _wait(chain: Chain, history: Sequence[Event], elapsed_s: float) -> Wait | None:
    """Give the places that were passed over as full, of which nothing has come since."""
    left_s = chain.deadline_s - elapsed_s
    last = {event.position: place for place, event in enumerate(history)}
    full = (
        position
        for position, place in last.items()
        if isinstance(event := history[place], Skipped)
        and event.skip is Skip.FULL
        and not _went_back(history[: place + 1])
    )
    positions = tuple(sorted(full))
    return Wait(positions, left_s) if positions and left_s > 0 else None


def _is_better_left(chain: Chain, history: Sequence[Event], away: Away) -> bool:
    """Say whether a step has not been come to that can serve the request, has room, and whose model does not rest."""
    been = {event.position for event in history}
    return any(
        place not in been and place not in away.unfit and place not in away.full and step.model not in away.resting
        for place, step in enumerate(chain.steps)
    )


def _last_resort(chain: Chain, history: Sequence[Event], elapsed_s: float, away: Away) -> Try | Halt:
    """Where nothing was asked because all rest, take the place that recovers first, if it may be asked once more.

    Where better models have failed, that is one that answers, although not as it used to, or that rests no more.
    """
    left_s = chain.deadline_s - elapsed_s
    cooling = [event.position for event in history if isinstance(event, Skipped) and event.skip is Skip.COOLING]
    if left_s <= 0:
        return Halt(Outcome.FAILED)
    rests = [(away.resting.get(chain.steps[position].model, RECOVERED), position) for position in cooling]
    if any(isinstance(event, Attempt) for event in history):
        rests = [each for each in rests if each[0].mild]
    rest, position = min(rests, key=lambda each: each[0].recovers_in_s, default=(None, 0))
    return Try(position, left_s) if rest is not None and rest.last_resort else Halt(Outcome.FAILED)


def settle(route: Route, conversation_hash: int, pin: str | None = None) -> Settled:
    """Settle the splits of a route for one conversation; the same hash always takes the same arms.

    The hash has 64 bits. Each split of a chain draws from other bits, so that two splits do not move together. Where
    `pin`, the model that answered the conversation, would be in no step, the first split takes it that has it.
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
    if pin is not None and all(step.model != pin for step in steps):
        for place, there in enumerate(route.places):
            arms = there.arms if isinstance(there, Split) else ()
            if (kept := next((arm for arm, _ in arms if arm.model == pin), None)) is not None:
                steps[place], taken[place] = kept, pin
                break
    return route.over(tuple(steps)), taken


def settle_again(route: Route, taken: Mapping[int, str]) -> Settled:
    """Settle the splits of a route as they were settled before; a model that is no arm now gives way to the first."""
    steps = []
    for place, step in enumerate(route.places):
        arms = [step] if isinstance(step, Step) else [arm for arm, _ in step.arms]
        steps.append(next((arm for arm in arms if arm.model == taken.get(place)), arms[0]))
    return route.over(tuple(steps)), dict(taken)


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

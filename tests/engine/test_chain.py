"""What a chain promises: the next step is a function of the history, every walk ends, and a split stays put."""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain as joined
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.health import Ailment, Rest
from gateway.domain.rule import Chain, Route, Split, Step
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Failure, Outcome, Skip
from gateway.engine.chain import (
    NONE_RESTS,
    Away,
    Halt,
    Pass,
    Try,
    Wait,
    is_again,
    next_hedge,
    next_step,
    outcome_of,
    settle,
)
from tests import strategies
from tests.fakes.values import attempt, counted, within

ALL = frozenset(Failure) - {Failure.CANCELLED}
Ending = tuple[Failure | None, bool] | Skip
"""How a Try ends: a failure or None, and whether the caller holds a part by then; or a skip in its place."""


def drive(
    chain: Chain,
    endings: Iterable[Ending],
    seconds_each: float = 0.0,
    resting: Mapping[str, Rest] = NONE_RESTS,
    unfit: Container[int] = (),
    full: Container[int] = (),
) -> tuple[list[Event], Halt]:
    """Walk a chain as the executor does, until it halts; a walk longer than any may be fails.

    Of places that are waited for the last one has room first, and none where the ending is that it is full.
    """
    history: list[Event] = []
    ends: Iterator[Ending] = iter(endings)
    longest = sum(step.tries for step in chain.steps) + 2 * len(chain.steps) + 1  # to wait for, and a last resort
    for passed in range(longest + 1):
        step = next_step(chain, tuple(history), passed * seconds_each, Away(resting, unfit, full))
        match step:
            case Halt():
                return history, step
            case Pass(position, skip):
                history.append(Skipped(position, chain.steps[position].model, skip))
            case Try() | Wait():
                end = next(ends)
                if isinstance(step, Wait) and end is Skip.FULL:
                    return history, Halt(Outcome.FAILED)
                position = step.positions[-1] if isinstance(step, Wait) else step.position
                if isinstance(end, Skip):
                    history.append(Skipped(position, chain.steps[position].model, end))
                else:
                    history.append(attempt(position, end[0], committed=end[1]))
    raise AssertionError(f"no end after {longest} events: {history}")


def always(failure: Failure) -> Iterable[Ending]:
    return repeat((failure, False))


def steps_of(*windows: int | None, tries: int = 1) -> tuple[Step, ...]:
    return tuple(Step(f"model-{place}", tries=tries, window_tokens=each) for place, each in enumerate(windows))


def positions(history: Sequence[Event]) -> list[int]:
    return [event.position for event in history]


endings = st.tuples(st.none() | strategies.failures, st.booleans()) | st.sampled_from(Skip)


@given(st.data(), st.floats(0, 120))
def test_the_same_history_always_gives_the_same_step(data: st.DataObject, elapsed_s: float) -> None:
    """Pure and total over every Failure, every Skip and every history, also those that cannot come about."""
    chain = data.draw(strategies.chains)
    history = data.draw(strategies.histories(chain))
    step = next_step(chain, history, elapsed_s)
    assert step == next_step(chain, list(history), elapsed_s)
    assert isinstance(step, Try | Pass | Wait | Halt)


@given(strategies.chains, st.lists(endings, max_size=30), st.sampled_from([0.0, 7.0]), st.sets(st.integers(0, 5)))
def test_every_walk_halts_within_the_tries_of_its_steps(
    chain: Chain, ends: list[Ending], seconds_each: float, full: set[int]
) -> None:
    """U-22: whatever happens, the attempts are bounded by the sum of the tries.

    The walk goes forward, and then back to places that it passed over: to each full one once, or to one that rested.
    """
    history, _ = drive(chain, joined(ends, always(Failure.TIMEOUT)), seconds_each, full=full)
    tried = [event.position for event in history if not isinstance(event, Skipped)]
    assert all(tried.count(place) <= step.tries for place, step in enumerate(chain.steps))
    forward = 1 + next((at for at in range(len(history) - 1) if went_back(history[: at + 2])), len(history))
    assert positions(history[:forward]) == sorted(positions(history[:forward]))
    back = history[forward:]
    passed = {event.position: event.skip for event in history[:forward] if isinstance(event, Skipped)}
    assert {passed[event.position] for event in back} <= {Skip.FULL, Skip.COOLING}
    assert len(set(positions(back))) == len(back)


def went_back(history: Sequence[Event]) -> bool:
    """Say whether the last event is at a place, or before one, that was passed over."""
    return any(isinstance(event, Skipped) and event.position >= history[-1].position for event in history[:-1])


@given(strategies.chains, st.data())
def test_full_places_are_passed_over_and_waited_for_once_nothing_else_is_left(
    chain: Chain, data: st.DataObject
) -> None:
    """Each that is not full has had its tries by then; the wait is for all full ones, and within the deadline."""
    full = data.draw(st.sets(st.integers(0, len(chain.steps) - 1), min_size=1))
    chain = replace(chain, fall_back_on=ALL, steps=tuple(replace(step, window_tokens=None) for step in chain.steps))
    history: list[Event] = []
    while not isinstance(step := next_step(chain, history, 0.25, Away(full=full)), Wait | Halt):
        assert (step.position in full) == isinstance(step, Pass)
        model = chain.steps[step.position].model
        history.append(
            Skipped(step.position, model, Skip.FULL)
            if isinstance(step, Pass)
            else attempt(step.position, Failure.TIMEOUT)
        )
    assert step == Wait(tuple(sorted(full)), chain.deadline_s - 0.25)
    tried = [event.position for event in history if not isinstance(event, Skipped)]
    assert tried == [place for place, each in enumerate(chain.steps) if place not in full for _ in range(each.tries)]
    assert next_step(chain, history, chain.deadline_s, Away(full=full)) == Halt(Outcome.FAILED)


def test_a_place_that_was_waited_for_and_failed_leads_to_the_others_that_were_full() -> None:
    chain = Chain(steps_of(None, None, None, tries=2), 60.0, ALL)
    history, halt = drive(chain, [(Failure.TIMEOUT, False), Skip.OVER_BUDGET, (None, False)], full={0, 1, 2})
    assert positions(history) == [0, 1, 2, 2, 1, 0]
    assert halt == Halt(Outcome.ANSWERED_AFTER_FALLBACK)


def test_what_is_full_is_waited_for_before_a_resting_model_is_a_last_resort() -> None:
    chain = Chain(steps_of(None, None), 60.0, ALL)
    history, halt = drive(chain, [(None, False)], resting={"model-0": rest(5.0)}, full={0, 1})
    assert [(event.position, isinstance(event, Skipped)) for event in history] == [(0, True), (1, True), (1, False)]
    assert halt == Halt(Outcome.ANSWERED_AFTER_FALLBACK)


def test_the_first_choice_is_no_fallback_because_it_was_waited_for() -> None:
    """The steps behind it were full as well, and nobody was asked there."""
    chain = Chain(steps_of(None, None), 60.0, ALL)
    step = next_step(chain, (full_at(0), full_at(1), attempt(0, None)), 0.0)
    assert step == Halt(Outcome.ANSWERED)
    assert next_step(chain, (full_at(0), attempt(1, None)), 0.0) == Halt(Outcome.ANSWERED_AFTER_FALLBACK)


def test_a_last_resort_that_is_full_is_not_waited_for() -> None:
    chain = Chain(steps_of(None), 60.0, ALL)
    history = (Skipped(0, "model-0", Skip.COOLING), full_at(0))
    assert next_step(chain, history, 0.0, Away({"model-0": rest(5.0)}, full={0})) == Halt(Outcome.FAILED)


def full_at(position: int) -> Skipped:
    return Skipped(position, f"model-{position}", Skip.FULL)


@given(strategies.chains)
def test_a_chain_that_only_fails_visits_every_try_in_order(chain: Chain) -> None:
    history, halt = drive(replace(chain, fall_back_on=ALL), always(Failure.TIMEOUT))
    assert positions(history) == [place for place, step in enumerate(chain.steps) for _ in range(step.tries)]
    assert halt == Halt(Outcome.FAILED)


@given(strategies.chains, st.sampled_from(Skip))
def test_a_chain_that_is_only_passed_over_visits_every_step_once(chain: Chain, skip: Skip) -> None:
    """And then the first one once more, where it was passed over as resting and rests no longer.

    Where they are full and stay so, nobody waits for them twice.
    """
    history, halt = drive(chain, repeat(skip))
    assert positions(history) == [*range(len(chain.steps)), *([0] if skip is Skip.COOLING else [])]
    assert halt == Halt(Outcome.FAILED)


def rest(recovers_in_s: float, *, last_resort: bool = True) -> Rest:
    return Rest(Failure.RATE_LIMITED, recovers_in_s, last_resort)


@given(st.lists(st.none() | st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=5))
def test_resting_models_are_passed_over_and_one_is_a_last_resort(rests: list[tuple[float, bool] | None]) -> None:
    """U-19: only where nothing else could be asked; the one that recovers first, if it may be asked once more."""
    chain = Chain(steps_of(*[None] * len(rests)), 60.0, ALL)
    resting = {f"model-{at}": rest(each[0], last_resort=each[1]) for at, each in enumerate(rests) if each}
    history, halt = drive(chain, always(Failure.TIMEOUT), resting=resting)
    assert halt == Halt(Outcome.FAILED)
    tried = [event.position for event in history if not isinstance(event, Skipped)]
    well = [at for at, each in enumerate(rests) if each is None]
    first = min(range(len(rests)), key=lambda at: (rests[at] or (0.0, True))[0])
    allowed = (rests[first] or (0.0, True))[1]
    assert tried == (well or ([first] if allowed else []))
    assert [event.position for event in history if isinstance(event, Skipped)] == [
        at for at, each in enumerate(rests) if each
    ]


@given(strategies.chains, st.lists(endings, max_size=30), st.sets(st.integers(0, 5)))
def test_a_place_that_cannot_serve_is_passed_over_once_and_never_tried(
    chain: Chain, ends: list[Ending], unfit: set[int]
) -> None:
    """U-15: as incapable, also where its model rests, and not as a last resort either."""
    resting = {step.model: rest(5.0) for step in chain.steps[::2]}
    history, _ = drive(chain, joined(ends, always(Failure.TIMEOUT)), resting=resting, unfit=unfit)
    here = [event for event in history if event.position in unfit]
    assert all(isinstance(event, Skipped) and event.skip is Skip.INCAPABLE for event in here)
    assert len({event.position for event in here}) == len(here)


@given(chain=strategies.chains, tries=st.integers(0, 3), rests=st.booleans())
def test_a_step_that_turned_down_what_can_be_left_out_is_asked_once_more(
    chain: Chain, tries: int, *, rests: bool
) -> None:
    """U-48: whatever the rule falls back on, also where the model rests, and it takes none of the step's tries."""
    refused = structs.replace(attempt(0, Failure.BAD_REQUEST), again=True)
    resting = {chain.steps[0].model: rest(5.0)} if rests else NONE_RESTS
    assert next_step(chain, (refused,), 1.0, Away(resting)) == Try(0, chain.deadline_s - 1.0)
    assert next_step(chain, (refused,), chain.deadline_s) == Halt(Outcome.FAILED)
    step = next_step(chain, (refused, refused), 0.0)
    assert step == next_step(chain, (attempt(0, Failure.BAD_REQUEST),), 0.0)
    fails = (attempt(0, Failure.TIMEOUT),) * (tries + 1)
    assert next_step(chain, (refused, *fails), 0.0) == next_step(chain, fails, 0.0)


def test_a_second_try_is_for_models_that_do_not_rest() -> None:
    chain = Chain(steps_of(None, None, tries=2), 60.0, ALL)
    history = (attempt(0, Failure.OVERLOADED),)
    assert next_step(chain, history, 0.0) == Try(0, 60.0)
    assert next_step(chain, history, 0.0, Away({"model-0": rest(5.0)})) == Try(1, 60.0)


def test_a_last_resort_that_answers_is_no_fallback() -> None:
    chain = Chain(steps_of(None), 60.0, ALL)
    history, halt = drive(chain, [(None, True)], resting={"model-0": rest(5.0)})
    assert positions(history) == [0, 0]
    assert halt == Halt(Outcome.ANSWERED)


def mild(recovers_in_s: float = 5.0) -> Rest:
    return Rest(Ailment.SLOW, recovers_in_s, last_resort=True, mild=True)


@given(strategies.chains, st.lists(endings, max_size=30), st.sets(st.integers(0, 5)))
def test_a_chain_whose_models_are_all_slow_goes_on_as_if_none_was(
    chain: Chain, ends: list[Ending], unfit: set[int]
) -> None:
    """U-19: being slow counts against others alone; the network may be ours."""
    chain = replace(chain, steps=tuple(replace(step, tries=1) for step in chain.steps))
    all_of_them = {step.model: mild() for step in chain.steps}
    ends = [end for end in ends if end is not Skip.COOLING]
    assert drive(chain, joined(ends, always(Failure.TIMEOUT)), resting=all_of_them, unfit=unfit) == drive(
        chain, joined(ends, always(Failure.TIMEOUT)), unfit=unfit
    )


models = st.lists(st.sampled_from(["well", "slow", "closed", "unfit"]), min_size=1, max_size=6)


@given(models)
def test_a_slow_model_comes_after_the_others_and_before_nobody(states: list[str]) -> None:
    """U-19: it is passed over while a better one is left, and tried when that has failed."""
    chain = Chain(steps_of(*[None] * len(states)), 60.0, ALL)
    closed = Rest(Failure.RATE_LIMITED, 9.0, last_resort=False)
    rests = {"slow": mild(), "closed": closed}
    resting = {f"model-{place}": rests[state] for place, state in enumerate(states) if state in rests}
    unfit = {place for place, state in enumerate(states) if state == "unfit"}
    history, halt = drive(chain, always(Failure.SERVER_ERROR), resting=resting, unfit=unfit)
    assert halt == Halt(Outcome.FAILED)
    tried = [states[event.position] for event in history if not isinstance(event, Skipped)]
    assert set(tried) <= {"well", "slow"}
    assert tried[: 1 if "well" in states else 0] in ([], ["well"])
    assert tried.count("well") == states.count("well")
    last_well = max((place for place, state in enumerate(states) if state == "well"), default=-1)
    waiting = {place for place, state in enumerate(states[: last_well + 1]) if state == "slow"}
    assert tried.count("slow") == states[last_well + 1 :].count("slow") + bool(waiting)
    passed = {event.position for event in history if isinstance(event, Skipped)}
    assert passed == waiting | {place for place, state in enumerate(states) if state in {"closed", "unfit"}}


def test_a_slow_model_that_answers_after_the_others_failed_is_a_fallback() -> None:
    chain = Chain(steps_of(None, None), 60.0, ALL)
    history, halt = drive(chain, [(Failure.TIMEOUT, False), (None, True)], resting={"model-0": mild()})
    assert (positions(history), halt) == ([0, 1, 0], Halt(Outcome.ANSWERED_AFTER_FALLBACK))
    history, _ = drive(chain, [Skip.OVER_BUDGET, (None, True)], resting={"model-0": mild()})
    assert positions(history) == [0, 1, 0]


def test_a_model_that_rests_no_more_by_the_time_that_the_others_have_failed_is_asked() -> None:
    """Its rest was over while another one let the request wait."""
    chain = Chain(steps_of(None, None), 60.0, ALL)
    history = (Skipped(0, "model-0", Skip.COOLING), attempt(1, Failure.TIMEOUT))
    assert next_step(chain, history, 30.0) == Try(0, 30.0)
    assert next_step(chain, history, 30.0, Away({"model-0": rest(5.0)})) == Halt(Outcome.FAILED)


def test_a_chain_without_steps_has_failed() -> None:
    assert next_step(Chain((), 60.0, ALL), (), 0.0) == Halt(Outcome.FAILED)


@given(st.data(), st.floats(60, 1000))
def test_nothing_is_tried_beyond_the_deadline(data: st.DataObject, elapsed_s: float) -> None:
    """U-22: one deadline spans all attempts."""
    chain = data.draw(strategies.chains)
    assert not isinstance(next_step(chain, data.draw(strategies.histories(chain)), elapsed_s), Try)


@given(st.floats(0, 59.9))
def test_a_try_has_what_is_left_of_the_deadline(elapsed_s: float) -> None:
    chain = Chain(steps_of(None, None), 60.0, ALL)
    assert next_step(chain, (), elapsed_s) == Try(0, 60.0 - elapsed_s)
    assert next_step(chain, (attempt(0, Failure.CONNECT),), elapsed_s) == Try(1, 60.0 - elapsed_s)


BY_DEFAULT = {
    Failure.RATE_LIMITED: True,
    Failure.OVERLOADED: True,
    Failure.TIMEOUT: True,
    Failure.CONNECT: True,
    Failure.SERVER_ERROR: True,
    Failure.AUTH: True,
    Failure.QUOTA: True,
    Failure.BAD_REQUEST: False,
    Failure.NOT_FOUND: True,
    Failure.CONTEXT_LENGTH: True,
    Failure.CONTENT_FILTER: False,
    Failure.TRUNCATED: True,
    Failure.EMPTY: True,
    Failure.MALFORMED: True,
    Failure.CANCELLED: False,
}
CURED_BY_A_SECOND_TRY = {
    Failure.OVERLOADED,
    Failure.TIMEOUT,
    Failure.CONNECT,
    Failure.SERVER_ERROR,
    Failure.TRUNCATED,
    Failure.EMPTY,
    Failure.MALFORMED,
}


@pytest.mark.parametrize("failure", Failure)
def test_by_default_a_chain_goes_on_after_these_failures_and_no_others(failure: Failure) -> None:
    """U-09, U-10, U-11, U-13: a fault of the request, refused content and a caller who left end the chain."""
    step = next_step(Chain(steps_of(None, None), 60.0, DEFAULT_FALL_BACK_ON), (attempt(0, failure),), 0.0)
    ended = Halt(Outcome.CANCELLED if failure is Failure.CANCELLED else Outcome.FAILED)
    assert step == (Try(1, 60.0) if BY_DEFAULT[failure] else ended)


@pytest.mark.parametrize("failure", Failure)
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
@pytest.mark.parametrize("tries", [1, 2])
def test_a_chain_goes_on_after_the_failures_that_its_rule_lists(failure: Failure, tries: int, *, listed: bool) -> None:
    """U-13: refused content goes on only where the rule says so; a second try is for what it may cure."""
    fall_back_on = frozenset({failure}) if listed else frozenset(Failure) - {failure}
    chain = Chain(steps_of(None, None, tries=tries), 60.0, fall_back_on)
    history, halt = drive(chain, always(failure))
    again = tries if failure in CURED_BY_A_SECOND_TRY else 1
    goes_on = listed and failure is not Failure.CANCELLED
    assert positions(history) == ([0] * again + [1] * again if goes_on else [0])
    assert halt == Halt(Outcome.CANCELLED if failure is Failure.CANCELLED else Outcome.FAILED)


@pytest.mark.parametrize("failure", Failure)
def test_no_other_model_goes_on_with_an_answer_that_the_caller_holds_a_part_of(failure: Failure) -> None:
    """U-07: committed is final, whatever the rule lists."""
    chain = Chain(steps_of(None, None, tries=3), 60.0, frozenset(Failure))
    _, halt = drive(chain, [(failure, True)])
    assert halt == Halt(Outcome.CANCELLED if failure is Failure.CANCELLED else Outcome.INTERRUPTED)


ANSWERS: dict[str, tuple[list[Ending], Outcome]] = {
    "the first try": ([(None, False)], Outcome.ANSWERED),
    "a stream that was begun": ([(None, True)], Outcome.ANSWERED),
    "the second try of a step": ([(Failure.TIMEOUT, False), (None, False)], Outcome.ANSWERED_AFTER_FALLBACK),
    "the next step": ([(Failure.AUTH, False), (None, True)], Outcome.ANSWERED_AFTER_FALLBACK),
    "after a step was passed over": ([Skip.COOLING, (None, False)], Outcome.ANSWERED_AFTER_FALLBACK),
}


@pytest.mark.parametrize(("ends", "outcome"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_ends_the_chain_and_says_whether_it_was_the_first_choice(
    ends: list[Ending], outcome: Outcome
) -> None:
    assert drive(Chain(steps_of(None, None, tries=2), 60.0, ALL), ends)[1] == Halt(outcome)


WINDOWS: dict[str, tuple[tuple[int | None, ...], list[int]]] = {
    "to a larger one": ((1000, 2000), [0, 1]),
    "past a smaller and an equal one": ((1000, 500, 1000, 2000), [0, 3]),
    "to one that is not known": ((1000, None), [0, 1]),
    "from one that is not known to any": ((None, 10), [0, 1]),
    "never back below the largest that was too small": ((1000, None, 900, 4000, 3000), [0, 1, 3]),
    "nowhere when all are smaller": ((1000, 900, 800), [0]),
}


@pytest.mark.parametrize(("windows", "tried"), WINDOWS.values(), ids=WINDOWS.keys())
def test_a_full_window_leads_to_larger_or_unknown_ones_only(windows: tuple[int | None, ...], tried: list[int]) -> None:
    """U-12: a step whose window is known to be too small is passed over as incapable."""
    history, halt = drive(Chain(steps_of(*windows), 60.0, ALL), always(Failure.CONTEXT_LENGTH))
    assert [event.position for event in history if not isinstance(event, Skipped)] == tried
    assert {event.skip for event in history if isinstance(event, Skipped)} <= {Skip.INCAPABLE}
    assert positions(history) == list(range(len(windows)))
    assert halt == Halt(Outcome.FAILED)


mostly_too_long = st.sampled_from([Failure.CONTEXT_LENGTH, Failure.CONTEXT_LENGTH, Failure.TIMEOUT])


@given(st.lists(strategies.windows, min_size=1, max_size=6), st.lists(mostly_too_long, min_size=6, max_size=6))
def test_no_window_is_tried_that_is_no_larger_than_one_that_was_too_small(
    windows: list[int | None], failures: list[Failure]
) -> None:
    """U-12, with other failures between."""
    history, _ = drive(Chain(steps_of(*windows), 60.0, ALL), [(failure, False) for failure in failures])
    too_small = 0
    for event in history:
        window = windows[event.position]
        if isinstance(event, Skipped):
            assert window is not None
            assert window <= too_small
        else:
            assert window is None or window > too_small
            if event.failure is Failure.CONTEXT_LENGTH:
                too_small = max(too_small, window or 0)


# -- splits

DRAWS = [int.from_bytes(hashlib.blake2b(str(n).encode(), digest_size=8).digest(), "big") for n in range(10_000)]
hashes = st.integers(0, 2**64 - 1)


def split_of(**weights: float) -> Split:
    return Split(tuple((Step(name), float(weight)) for name, weight in weights.items()))


def route_of(*places: Step | Split) -> Route:
    return Route("", places, 60.0, ALL)


def at_place(route: Route, place: int = 0) -> Callable[[int], str]:
    return lambda draw: settle(route, draw)[0].steps[place].model


splits = st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 100), min_size=1).map(lambda arms: split_of(**arms))


@given(st.lists(splits | strategies.steps, min_size=1, max_size=4), hashes)
def test_a_conversation_always_takes_the_same_arms(places: list[Step | Split], draw: int) -> None:
    """U-53: settling is a function of the hash; places without a split stay as they are."""
    route = route_of(*places)
    chain, taken = settle(route, draw)
    assert (chain, taken) == settle(route, draw)
    assert (chain.deadline_s, chain.fall_back_on) == (route.deadline_s, route.fall_back_on)
    for place, (step, written) in enumerate(zip(chain.steps, places, strict=True)):
        if isinstance(written, Split):
            assert step in [arm for arm, _ in written.arms]
            assert taken[place] == step.model
        else:
            assert step is written
            assert place not in taken


@pytest.mark.parametrize(
    "weights", [{"a": 90, "b": 10}, {"a": 1, "b": 1, "c": 2}, {"a": 0.5}, {"a": 1, "b": 999}], ids=str
)
def test_a_split_gives_each_arm_its_share_of_ten_thousand_conversations(weights: dict[str, float]) -> None:
    """The counts are within five standard deviations of a binomial draw, and `share` says the same share."""
    route = route_of(split_of(**weights))
    counts = counted(at_place(route), DRAWS)
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert route.share(0, name) == pytest.approx(share)
        assert within(counts.get(name, 0), len(DRAWS), share), counts


def test_two_splits_of_a_chain_do_not_move_together() -> None:
    """Each pair of arms has the product of their shares."""
    route = route_of(split_of(a=70, b=30), Step("between"), split_of(a=70, b=30))
    pairs = counted(lambda draw: at_place(route, 0)(draw) + at_place(route, 2)(draw), DRAWS)
    for pair, share in {"aa": 0.49, "ab": 0.21, "ba": 0.21, "bb": 0.09}.items():
        assert within(pairs[pair], len(DRAWS), share), pairs


# -- hedges: two at a time


@given(strategies.chains, st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.integers(0, 5))
def test_a_hedge_goes_to_the_first_later_place_that_can_be_asked(
    chain: Chain, unfit: set[int], resting: set[int], position: int
) -> None:
    """Never to an earlier one, to one that rests or to one that cannot serve, not even as a last resort."""
    models = {step.model: rest(5.0) for place, step in enumerate(chain.steps) if place in resting}
    away, place = Away(models, unfit), position
    while isinstance(step := next_hedge(chain, (), place, 0.0, away), Pass):
        assert step.position == place + 1
        place = step.position
    free = [at for at, each in enumerate(chain.steps) if at > position and at not in unfit and each.model not in models]
    assert step == (Try(free[0], chain.deadline_s) if free else None)


def test_no_hedge_is_begun_once_the_deadline_has_passed_or_in_a_window_that_was_too_small() -> None:
    chain = Chain(steps_of(8, 8, 9), 60.0, ALL)
    assert next_hedge(chain, (), 0, 60.0) is None
    too_small = (attempt(0, Failure.CONTEXT_LENGTH),)
    assert next_hedge(chain, too_small, 0, 0.0) == Pass(1, Skip.INCAPABLE)
    assert next_hedge(chain, too_small, 1, 0.0) == Try(2, 60.0)


def hedged(position: int, failure: Failure | None, *, lost: bool = False, committed: bool = False) -> Attempt:
    return structs.replace(attempt(position, failure, committed=committed), hedged=True, lost=lost)


@given(strategies.failures, strategies.failures, st.sets(strategies.failures), st.integers(0, 1))
def test_two_that_have_failed_go_on_behind_the_second_where_both_failures_do(
    first: Failure, second: Failure, fall_back_on: set[Failure], passed: int
) -> None:
    chain = Chain(steps_of(None, None, None, None), 60.0, frozenset(fall_back_on))
    between = (Skipped(1, "model-1", Skip.COOLING),) if passed else ()
    history = (attempt(0, first), *between, hedged(1 + passed, second))
    step = next_step(chain, history, 0.0)
    if second is Failure.CANCELLED:
        assert step == Halt(Outcome.CANCELLED)
    elif {first, second} <= fall_back_on:
        assert step == Try(2 + passed, 60.0)
    else:
        assert step == Halt(Outcome.FAILED)


OVERTAKEN = structs.replace(attempt(0, Failure.CANCELLED), lost=True)
PASSED = Skipped(1, "model-1", Skip.COOLING)
FALLEN_BACK = (attempt(0, Failure.TIMEOUT), attempt(1, None), hedged(2, Failure.CANCELLED, lost=True))


@pytest.mark.parametrize(
    ("history", "place", "outcome"),
    [
        ((attempt(0, None),), 0, Outcome.ANSWERED),
        ((attempt(0, None), PASSED, hedged(2, Failure.CANCELLED, lost=True)), 0, Outcome.ANSWERED),
        ((attempt(0, None), hedged(1, Failure.SERVER_ERROR)), 0, Outcome.ANSWERED),
        ((OVERTAKEN, hedged(1, None)), 1, Outcome.ANSWERED_AFTER_FALLBACK),
        ((attempt(0, Failure.TIMEOUT), hedged(1, None)), 1, Outcome.ANSWERED_AFTER_FALLBACK),
        (FALLEN_BACK, 1, Outcome.ANSWERED_AFTER_FALLBACK),
        ((OVERTAKEN, hedged(1, Failure.TRUNCATED, committed=True)), 1, Outcome.INTERRUPTED),
        ((OVERTAKEN, hedged(1, Failure.CANCELLED, committed=True)), 1, Outcome.CANCELLED),
    ],
)
def test_the_outcome_is_that_of_the_attempt_whose_content_the_caller_has(
    history: tuple[Event, ...], place: int, outcome: Outcome
) -> None:
    """Where the first step has won, it has answered, whoever was asked beside it."""
    ended = history[place]
    assert isinstance(ended, Attempt)
    assert outcome_of(history, ended) is outcome


@given(strategies.chains, strategies.failures, st.integers(1, 9))
def test_where_the_budget_is_used_up_no_place_is_tried_again(chain: Chain, failure: Failure, tries: int) -> None:
    """U-22: and the chain goes on to the next one, as without another try."""
    once = replace(chain, steps=tuple(replace(step, tries=1) for step in chain.steps))
    often = replace(chain, steps=tuple(replace(step, tries=tries) for step in chain.steps))
    history = (attempt(0, failure),)
    sparing = next_step(often, history, 0.0, Away(sparing=True))
    assert sparing == next_step(once, history, 0.0)
    assert not (isinstance(sparing, Try) and is_again(history, sparing))
    usual = next_step(often, history, 0.0)
    assert (isinstance(usual, Try) and is_again(history, usual)) or usual == sparing

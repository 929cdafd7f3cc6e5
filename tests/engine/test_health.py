"""A model is judged by its own traffic alone: rests begin, last and end as promised, whatever order things come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.health import WELL, Ailment, Health, HealthState
from gateway.domain.words import Failure
from gateway.engine import health as rules
from gateway.engine.effects import EFFECTS, Cools
from gateway.engine.health import answered, failed, rest_of, state_of, tried
from tests import strategies

AT_ONCE = [failure for failure in Failure if EFFECTS[failure].cools is Cools.AT_ONCE]
COUNTED = [failure for failure in Failure if EFFECTS[failure].cools is Cools.COUNTED]
NEVER = [failure for failure in Failure if EFFECTS[failure].cools is Cools.NEVER]
waits = st.none() | st.floats(0, 10_000)
ends = st.tuples(st.none() | strategies.failures, waits, st.floats(0, 100), st.booleans())


def noted(health: Health, failure: Failure | None, wait_s: float | None, now_s: float, *, trial: bool) -> Health:
    """Note an end, whichever it is."""
    if failure is None:
        return answered(health, now_s, trial=trial)
    return failed(health, failure, wait_s, now_s, trial=trial)


def after(*failures: Failure | None, health: Health = WELL, start_s: float = 0.0) -> Health:
    """Note ends that come a tenth of a second apart."""
    for place, failure in enumerate(failures):
        health = noted(health, failure, None, start_s + place / 10, trial=False)
    return health


def test_every_failure_has_an_effect() -> None:
    assert EFFECTS.keys() == set(Failure)


@pytest.mark.parametrize("failure", AT_ONCE)
def test_one_limit_or_refused_account_is_enough(failure: Failure) -> None:
    """U-17: the exceptions from the minimum sample."""
    health = after(failure)
    assert state_of(health, 0.1) is HealthState.COOLING
    assert health.reason is failure


@pytest.mark.parametrize("failure", COUNTED)
def test_a_few_failures_cool_nothing_and_five_in_a_row_do(failure: Failure) -> None:
    """U-17: fewer than the minimum sample say nothing."""
    assert state_of(after(*[failure] * rules.FEW), 0.5) is HealthState.OK
    assert state_of(after(*[failure] * (rules.FEW + 1)), 0.5) is HealthState.COOLING


@pytest.mark.parametrize("failure", COUNTED)
def test_five_in_a_row_do_however_slow_the_traffic(failure: Failure) -> None:
    health = WELL
    for day in range(rules.FEW + 1):
        health = noted(health, failure, None, day * 86_400.0, trial=False)
    assert state_of(health, rules.FEW * 86_400.0) is HealthState.COOLING


def test_half_of_the_recent_attempts_cool_and_a_fifth_degrade() -> None:
    half = after(None, None, None, Failure.TIMEOUT, Failure.TIMEOUT, Failure.TIMEOUT)
    fifth = after(None, None, None, None, Failure.TIMEOUT)
    assert state_of(half, 0.6) is HealthState.COOLING
    assert state_of(fifth, 0.6) is HealthState.DEGRADED
    assert rest_of(fifth, 0.6) is None
    assert state_of(fifth, 600.0) is HealthState.OK, "old failures are forgotten"


@given(st.lists(st.tuples(st.sampled_from(NEVER), waits, st.floats(0, 100)), max_size=20), ends)
def test_what_the_request_or_its_caller_did_changes_nothing(
    bystanders: list[tuple[Failure, float | None, float]], first: tuple[Failure | None, float | None, float, bool]
) -> None:
    """U-12 U-18: a full window, a bad request, refused content and a caller who leaves."""
    before = health = noted(WELL, first[0], first[1], first[2], trial=False)
    for failure, wait_s, at_s in bystanders:
        health = noted(health, failure, wait_s, first[2] + at_s, trial=False)
    assert health == before


@given(st.floats(0, 100_000), st.floats(0, 100_000))
def test_a_rest_is_what_the_provider_asks_and_a_longer_one_extends_it(first_s: float, second_s: float) -> None:
    """U-16: capped; a later, longer value extends, a shorter one does not shorten."""
    health = noted(WELL, Failure.RATE_LIMITED, first_s, 0.0, trial=False)
    assert health.until_s == min(first_s, rules.LONGEST_ASKED_S)
    again = noted(health, Failure.RATE_LIMITED, second_s, 1.0, trial=False)
    assert again.until_s == max(health.until_s, 1.0 + min(second_s, rules.LONGEST_ASKED_S))


def test_an_overloaded_provider_that_says_when_is_left_alone_until_then() -> None:
    """U-16: 503 with Retry-After as much as 429."""
    assert rest_of(noted(WELL, Failure.OVERLOADED, 7.0, 0.0, trial=False), 1.0) is not None
    assert rest_of(noted(WELL, Failure.OVERLOADED, None, 0.0, trial=False), 1.0) is None


@pytest.mark.parametrize("asked_s", [None, 20.0])
def test_while_it_rests_last_resorts_are_let_through_one_at_a_time(asked_s: float | None) -> None:
    """U-19: a provider that asked to be left alone is tried once, and if that fails too not before the rest is over."""
    health = noted(WELL, Failure.RATE_LIMITED, asked_s, 0.0, trial=False)
    rest = rest_of(health, 1.0)
    assert rest is not None
    assert (rest.last_resort, rest.recovers_in_s) == (True, (asked_s or rules.REST_S) - 1.0)
    health = tried(health, 1.0)
    assert (rest := rest_of(health, 1.0)) is not None
    assert not rest.last_resort
    health = noted(health, Failure.RATE_LIMITED, asked_s, 2.0, trial=True)
    assert (rest := rest_of(health, 2.0)) is not None
    assert (rest.last_resort, rest.recovers_in_s) == (asked_s is None, asked_s or 2 * rules.REST_S)


def test_after_a_rest_one_request_finds_out_and_the_others_wait_a_while() -> None:
    health = after(Failure.AUTH)
    end_s = health.until_s
    assert state_of(health, end_s) is HealthState.HALF_OPEN
    assert rest_of(health, end_s) is None
    health = tried(health, end_s)
    assert (rest := rest_of(health, end_s + 1.0)) is not None
    assert (rest.last_resort, rest.recovers_in_s) == (False, rules.TRIAL_S - 1.0)
    assert rest_of(health, end_s + rules.TRIAL_S) is None, "a trial that hangs does not keep others away for ever"
    healed = noted(health, None, None, end_s + 2.0, trial=True)
    assert replace(healed, past_seen=0.0, past_failed=0.0) == Health(seen=1.0, at_s=end_s + 2.0)
    assert rest_of(noted(health, Failure.BAD_REQUEST, None, end_s + 2.0, trial=True), end_s + 2.0) is None


@given(st.integers(1, 12))
def test_each_trial_that_fails_doubles_the_rest_up_to_the_longest(failures: int) -> None:
    health, now_s = after(Failure.RATE_LIMITED), 0.0
    for count in range(1, failures + 1):
        assert health.until_s - now_s == min(rules.REST_S * 2 ** (count - 1), rules.LONGEST_REST_S)
        now_s = health.until_s
        health = noted(tried(health, now_s), Failure.TIMEOUT, None, now_s, trial=True)


def test_an_answer_that_was_on_its_way_does_not_end_a_rest() -> None:
    health = after(Failure.RATE_LIMITED)
    assert noted(health, None, None, 1.0, trial=False).reason is Failure.RATE_LIMITED
    assert noted(health, None, None, 1.0, trial=True).reason is None


@given(st.lists(ends, max_size=60))
def test_whatever_happens_a_rest_ends_and_an_answer_heals(
    history: list[tuple[Failure | None, float | None, float, bool]],
) -> None:
    """There is always a way back: no rest outlasts what may be asked for, and a trial that answers is the end of it."""
    health, now_s = WELL, 0.0
    for failure, wait_s, later_s, trial in history:
        now_s += later_s
        going = trial and health.reason is not None
        health = noted(tried(health, now_s) if going else health, failure, wait_s, now_s, trial=going)
        assert health.until_s <= now_s + rules.LONGEST_ASKED_S
        assert (health.reason is None) == (state_of(health, now_s) in {HealthState.OK, HealthState.DEGRADED})
        assert (rest_of(health, now_s) is None) or health.reason is not None
    end_s = max(now_s, health.until_s) + rules.TRIAL_S
    assert rest_of(health, end_s) is None
    healed = noted(tried(health, end_s), None, None, end_s, trial=True)
    assert rest_of(healed, end_s) is None
    assert healed.reason is None


@given(st.lists(ends, max_size=30), st.floats(0, 1000))
def test_only_the_time_since_matters(
    history: list[tuple[Failure | None, float | None, float, bool]], shift_s: float
) -> None:
    """The same traffic later is judged the same."""

    def run(start_s: float) -> list[HealthState]:
        health, now_s, states = WELL, start_s, []
        for failure, wait_s, later_s, _ in history:
            now_s += round(later_s)
            health = noted(health, failure, None if wait_s is None else float(round(wait_s)), now_s, trial=False)
            states.append(state_of(health, now_s + 0.5))
        return states

    assert run(0.0) == run(float(round(shift_s)))


def test_a_clock_that_stands_still_is_no_trouble() -> None:
    health = replace(WELL, at_s=100.0)
    assert noted(health, Failure.TIMEOUT, None, 99.0, trial=False).seen == 1.0


def slowly(count: int, health: Health = WELL, start_s: float = 0.0) -> Health:
    """Note slow answers that come a tenth of a second apart."""
    for place in range(count):
        health = answered(health, start_s + place / 10, trial=False, slow=True)
    return health


def test_a_few_slow_answers_cool_nothing_and_five_in_a_row_do_mildly() -> None:
    """U-17: whoever has no better model left asks it as ever, any number of them."""
    assert state_of(slowly(rules.FEW), 0.5) is HealthState.OK
    health = slowly(rules.FEW + 1)
    assert (state_of(health, 0.5), health.reason) == (HealthState.COOLING, Ailment.SLOW)
    rest = rest_of(tried(health, 0.5), 0.5)
    assert rest is not None
    assert (rest.mild, rest.last_resort, rest.reason) == (True, True, Ailment.SLOW)


def test_slow_answers_now_and_then_degrade_and_half_of_them_cool() -> None:
    health = after(*[None] * 8)
    assert state_of(slowly(1, health, 1.0), 1.1) is HealthState.OK
    assert state_of(slowly(2, health, 1.0), 1.2) is HealthState.DEGRADED
    mixed = health
    for place in range(20):
        mixed = answered(mixed, 1.0 + place / 10, trial=False, slow=place % 4 != 0)
    assert (mixed.reason, mixed.mild) == (Ailment.SLOW, True)


def test_a_slow_model_comes_back_with_the_first_request_that_is_fast_again() -> None:
    """U-123: a request finds out, nothing is asked for that alone; each time that was too soon, it waits longer."""
    health, now_s = slowly(rules.FEW + 1), 0.4
    for spell in range(1, 6):
        assert health.until_s - now_s == pytest.approx(min(rules.REST_S * 2 ** (spell - 1), rules.LONGEST_REST_S))
        assert answered(health, now_s + 1.0, trial=True, slow=True).until_s == health.until_s, "that was not over yet"
        now_s = health.until_s
        assert state_of(health, now_s) is HealthState.HALF_OPEN
        assert rest_of(health, now_s) is None
        health = tried(health, now_s)
        assert (rest := rest_of(health, now_s)) is not None
        assert (rest.mild, rest.last_resort) == (True, True)
        before = answered(health, now_s, trial=False, slow=True)
        assert (before.reason, before.spells) == (Ailment.SLOW, spell), "it was on its way before"
        health = answered(health, now_s, trial=True, slow=True)
    healed = answered(tried(health, now_s + 1.0), now_s + 1.0, trial=True, slow=False)
    assert (healed.reason, healed.mild, state_of(healed, now_s + 1.0)) == (None, False, HealthState.OK)


def test_a_model_that_stays_slow_is_well_after_half_an_hour() -> None:
    """What lasts is no outlier: the work may have changed as well as the model."""
    health, now_s, trials = slowly(rules.FEW + 1), 0.4, 0
    while health.reason is not None:
        now_s, trials = health.until_s, trials + 1
        health = answered(tried(health, now_s), now_s, trial=True, slow=True)
    assert trials == rules.MOST_SPELLS_SLOW
    assert 25 * 60 < now_s < 35 * 60
    assert state_of(health, now_s) is HealthState.OK


@pytest.mark.parametrize(("usual", "rests"), [(200, True), (10, False), (50, True), (0, True)])
def test_a_model_that_suddenly_fails_far_more_often_rests_mildly(usual: int, *, rests: bool) -> None:
    """A fourth of its attempts, where it was 1 of `usual`; 1 of 10 is too near to be another state of things."""
    health, now_s = WELL, 0.0
    for place in range(3000):
        now_s += 0.5
        failure = Failure.SERVER_ERROR if usual and place % usual == 0 else None
        health = noted(health, failure, None, now_s, trial=False)
    assert health.reason is None
    for place in range(600):
        now_s += 0.5
        health = noted(health, None if place % 4 else Failure.SERVER_ERROR, None, now_s, trial=False)
        if health.reason is not None:
            break
    assert (health.reason, health.mild) == ((Failure.SERVER_ERROR, True) if rests else (None, False))


def test_of_a_model_that_is_not_known_yet_no_share_of_failures_is_unusual() -> None:
    for before in (0, rules.PAST_ENOUGH - 10, rules.PAST_ENOUGH + 40):
        health, now_s = after(*[None] * before), 600.0
        for place in range(2 * rules.PAST_ENOUGH):
            now_s += 0.01
            health = noted(health, None if place % 4 else Failure.SERVER_ERROR, None, now_s, trial=False)
        assert (health.reason is None) is (before < rules.PAST_ENOUGH), "what is recent is no past"


def test_what_is_usual_is_remembered_over_a_rest() -> None:
    """A model that fails a fourth again when it is back rests again."""
    health, now_s, rests = after(*[None] * 600), 600.0, 0
    for place in range(2 * rules.PAST_ENOUGH):
        now_s += 0.1
        health = noted(health, None if place % 4 else Failure.SERVER_ERROR, None, now_s, trial=False)
        if health.reason is not None:
            rests, now_s = rests + 1, health.until_s
            health = answered(tried(health, now_s), now_s, trial=True)
    assert rests > 3


def test_a_mild_rest_turns_into_a_real_one_when_nothing_is_answered_any_more() -> None:
    """U-17: and one failure of the request that finds out is no more than that."""
    health = slowly(rules.FEW + 1)
    once = failed(tried(health, 20.0), Failure.TIMEOUT, None, 20.0, trial=True)
    assert (once.mild, once.reason, once.spells) == (True, Ailment.SLOW, 2)
    for place in range(rules.FEW + 1):
        health = failed(health, Failure.TIMEOUT, None, 0.5 + place / 10, trial=False)
    assert (health.mild, health.reason, health.spells) == (False, Failure.TIMEOUT, 1)
    limited = failed(slowly(rules.FEW + 1), Failure.RATE_LIMITED, 30.0, 1.0, trial=False)
    assert (limited.mild, limited.reason, limited.until_s) == (False, Failure.RATE_LIMITED, 31.0)


events = st.tuples(st.none() | strategies.failures, waits, st.floats(0, 30), st.booleans())


@given(st.lists(events, max_size=80))
def test_whatever_happens_a_mild_rest_keeps_nobody_from_a_last_resort(
    history: list[tuple[Failure | None, float | None, float, bool]],
) -> None:
    """U-19: a model that answers is never closed; and being slow alone never closes one for real."""
    health, now_s, failures = WELL, 0.0, 0
    for failure, wait_s, later_s, slow in history:
        now_s += later_s
        trial = health.reason is not None and rest_of(health, now_s) is None
        health = tried(health, now_s) if trial else health
        if failure is None:
            health = answered(health, now_s, trial=trial, slow=slow)
        else:
            health, failures = failed(health, failure, wait_s, now_s, trial=trial), failures + 1
        rest = rest_of(health, now_s)
        assert rest is None or rest.recovers_in_s > 0
        assert rest is None or not rest.mild or rest.last_resort
        assert health.mild <= (health.reason is not None)
        assert health.reason is None or health.mild or failures
        assert health.reason is not Ailment.SLOW or health.mild
    end_s = max(now_s, health.until_s) + rules.TRIAL_S
    assert rest_of(health, end_s) is None
    assert answered(tried(health, end_s), end_s, trial=True).reason is None

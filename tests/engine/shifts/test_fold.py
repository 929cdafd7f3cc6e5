"""Shifts are told once, with their cause, and nothing else is."""

import json
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gateway.domain.alert import Severity
from gateway.domain.shift import Channel, Direction, Edit, Notice, SpendEvent, Status
from gateway.engine.shifts.fold import OTHERS, Fold
from gateway.engine.shifts.terms import DAY_S, Terms
from tests.engine.shifts.streams import (
    DIMENSIONS,
    TERMS,
    Call,
    Change,
    events,
    notices_of,
    since,
    with_model,
)
from tests.engine.shifts.streams import call as another

ONSET = 8.5
DAYS = 10.0
PER_HOUR = 120.0


def fired(notices: Iterable[Notice]) -> list[str]:
    return [notice.cause.name for notice in notices if notice.status is Status.FIRING]


def dearer(call: Call, chance: random.Random) -> Call:
    return with_model(call, "large") if call.rule == "r-code" and chance.random() < 0.5 else call


def cheaper(call: Call, _: random.Random) -> Call:
    return with_model(call, "small") if call.rule == "r-code" else call


def loop(call: Call, chance: random.Random) -> Iterable[Call]:
    """A small team asks thirty times as often for ten hours."""
    if call.team == "ops" and ONSET * DAY_S <= call.ts < (ONSET + 0.4) * DAY_S:
        return [replace(call, ts=call.ts + chance.random()) for _ in range(30)]
    return (call,)


def storm(call: Call, chance: random.Random) -> Call:
    if call.model != "middle" or chance.random() > 0.9:
        return call
    return replace(call, model="large", fallback_from="middle")


def lost(call: Call, kind: str) -> Call:
    """Every other attempt of a rule is one in vain, of the same size."""
    if call.rule != "r-code":
        return call
    return replace(call, hedges=1) if kind == "hedges" else replace(call, retries=1)


CHANGES: dict[str, tuple[Change, str, Channel]] = {
    "a price": (
        since(ONSET, lambda call, _: replace(call, times_the_price=2) if call.model == "middle" else call),
        "model=middle",
        Channel.PRICE,
    ),
    "a rule": (since(ONSET, dearer), "rule=r-code", Channel.CHOICE),
    "a loop": (loop, "team=ops", Channel.VOLUME),
    "fallbacks": (since(ONSET, storm, ONSET + 0.5), "model=large", Channel.FALLBACK),
    "hedges": (since(ONSET, lambda call, _: lost(call, "hedges"), ONSET + 0.5), "rule=r-code", Channel.HEDGES),
    "retries": (since(ONSET, lambda call, _: lost(call, "retries"), ONSET + 0.5), "rule=r-code", Channel.RETRIES),
    "prompts": (
        since(ONSET, lambda call, _: replace(call, tokens_in=4 * call.tokens_in) if call.team == "web" else call),
        "team=web",
        Channel.TOKENS_IN,
    ),
    "answers": (
        since(ONSET, lambda call, _: replace(call, tokens_out=4 * call.tokens_out) if call.model == "middle" else call),
        "model=middle",
        Channel.TOKENS_OUT,
    ),
    "a cache": (since(ONSET, lambda call, _: replace(call, tokens_cached=0)), "category=code", Channel.CACHE),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_shift_is_told_once_with_its_cause_and_its_step(name: str) -> None:
    change, cause, channel = CHANGES[name]
    notices = [each for each in notices_of(events(DAYS, PER_HOUR, change)) if each.status is Status.FIRING]
    assert [notice.cause.channel for notice in notices] == [channel]
    assert [notice.direction for notice in notices] == [Direction.UP]
    if channel is not Channel.CACHE:  # the models of that category lose just as much
        assert fired(notices) == [cause]
    assert notices[0].ts < (ONSET + 0.5) * DAY_S
    assert notices[0].nano_usd_per_day > 0
    assert notices[0].sentence.count("\n") == 0
    assert str(notices[0].cause.value) in notices[0].sentence


def test_an_edit_is_named_with_its_place_and_its_moment() -> None:
    edit = Edit(ONSET * DAY_S, "r-code", "g7", "rules.d/10-code.yaml:12")
    notices = notices_of(events(DAYS, PER_HOUR, since(ONSET, dearer)), [edit])
    assert fired(notices) == ["rule=r-code"]
    assert (notices[0].edit, notices[0].since) == (edit, edit.ts)
    assert "rules.d/10-code.yaml:12" in notices[0].sentence
    assert "'large'" in notices[0].sentence


def test_an_edit_that_changes_nothing_is_not_told() -> None:
    assert notices_of(events(DAYS, PER_HOUR), [Edit(ONSET * DAY_S, "r-code")]) == []


def test_a_drop_is_information() -> None:
    notices = notices_of(events(DAYS, PER_HOUR, since(ONSET, cheaper)), [Edit(ONSET * DAY_S, "r-code")])
    assert [(each.severity, each.direction, each.cause.name) for each in notices if each.status is Status.FIRING] == [
        (Severity.INFO, Direction.DOWN, "rule=r-code")
    ]


@pytest.mark.parametrize("growth", [0.0, 0.05])
def test_a_launch_and_growth_in_which_all_take_part_are_not_told(growth: float) -> None:
    """U-81: what is to be expected comes from everyone else's traffic."""

    def launch(call: Call, chance: random.Random) -> Iterable[Call]:
        times = 4.0 if growth == 0.0 and ONSET * DAY_S <= call.ts < (ONSET + 1) * DAY_S else 1.0
        times *= (1 + growth) ** (call.ts / DAY_S)
        whole = int(times) + (chance.random() < times - int(times))
        return [another(call.ts + chance.random(), call.team, chance) for _ in range(whole)]

    assert notices_of(events(DAYS, PER_HOUR, launch)) == []


def test_four_weeks_of_days_nights_and_weekends_are_not_told() -> None:
    """U-84: history has a weekday and weekend pattern and no shift."""
    assert notices_of(events(28, 40.0), terms=Terms(dimensions=DIMENSIONS, warm_up_days=3.0)) == []


def test_nothing_is_told_while_it_warms_up() -> None:
    """U-81."""
    change = CHANGES["a price"][0]
    assert notices_of(events(DAYS, PER_HOUR, change), terms=replace(TERMS, warm_up_days=11.0)) == []


def test_what_stays_becomes_normal_and_what_ends_is_over() -> None:
    stays = CHANGES["a price"][0]
    notices = notices_of(events(13, 60.0, stays))
    assert [each.status for each in notices] == [Status.FIRING, Status.RESOLVED]
    assert notices[1].reason == "it is the new normal"
    ended = notices_of(events(DAYS, PER_HOUR, CHANGES["fallbacks"][0]))
    assert [each.status for each in ended] == [Status.FIRING, Status.RESOLVED]
    assert ended[1].reason == "it is over"


def test_any_portions_give_the_same_notices() -> None:
    stream = events(DAYS, PER_HOUR, CHANGES["a loop"][0])
    fold, found = Fold(TERMS), []
    for number, event in enumerate(stream):
        if number % 7 == 0:
            found += fold.advance(event.ts)
        found += fold.add(event)
    found += fold.advance(stream[-1].ts + 600)
    assert found == notices_of(stream)
    assert found


@pytest.mark.parametrize("name", ["a loop", "a price", "fallbacks", "a rule"])
def test_a_state_that_was_kept_goes_on_as_if_nothing_had_been(name: str) -> None:
    """Through JSON before, at the beginning of and in an incident: nothing is repeated or lost."""
    stream = events(DAYS, PER_HOUR, CHANGES[name][0])
    edits = [Edit(ONSET * DAY_S, "r-code")] if name == "a rule" else []
    fold, found, waiting = Fold(TERMS), [], list(edits)
    cuts = [5.3 * DAY_S, ONSET * DAY_S + 700, (ONSET + 0.2) * DAY_S, 9 * DAY_S]
    for event in stream:
        while cuts and cuts[0] <= event.ts:
            cuts.pop(0)
            fold = Fold(TERMS, json.loads(json.dumps(fold.to_plain())))
        while waiting and waiting[0].ts <= event.ts:
            found += fold.edit(waiting.pop(0))
        found += fold.add(event)
    found += fold.advance(stream[-1].ts + 600)
    assert found == notices_of(stream, edits)
    assert found


def test_a_state_of_another_version_or_other_dimensions_is_refused() -> None:
    kept = Fold(TERMS).to_plain()
    with pytest.raises(ValueError, match="version 0"):
        Fold(TERMS, kept | {"version": 0})
    with pytest.raises(ValueError, match="other dimensions"):
        Fold(Terms(), kept)


def test_memory_is_bounded_however_many_callers_there_are() -> None:
    fold = Fold(replace(TERMS, most_values=20))
    for number in range(3000):
        fold.add(SpendEvent(number * 30.0, (f"t{number}", "r", "c", "m"), 100, 0, 10, 1000))
    fold.advance(2 * DAY_S)
    text = json.dumps(fold.to_plain())
    assert OTHERS in text
    assert '"t19"' in text
    assert '"t20"' not in text

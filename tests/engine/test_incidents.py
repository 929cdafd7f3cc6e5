"""What incidents promise: one message for each thing that is news, none for anything else, over any restart."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import Alert, AlertKind, Fact, Phase, Severity
from gateway.engine.incidents import (
    Accepted,
    Event,
    Level,
    Open,
    Quiet,
    Reading,
    Said,
    Silence,
    State,
    Waiting,
    Watch,
    fold,
    from_json,
    step,
    to_json,
)

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
WATCH = Watch("spend", AlertKind.SPEND_SHIFT, {"rule": "code"})
INFO, WARNING, CRITICAL = Severity
OK = Reading(Level.OK, WARNING, "as usual")
HOLD = Reading(Level.HOLD, WARNING, "a little more than usual")
FIRES = Reading(Level.FIRING, WARNING, "much more than usual", facts=(Fact("Excess", "$3"),), data={"excess": 3})
WORSE = replace(FIRES, severity=CRITICAL, summary="far too much")
MINUTE = timedelta(minutes=1)
NOTHING_SAID = Said()


@dataclass
class Told:
    """Folds readings a minute apart, and keeps what was said."""

    watch: Watch = WATCH
    state: State = field(default_factory=Quiet)
    now: datetime = START
    events: list[Event] = field(default_factory=list)

    def see(self, *readings: Reading, said: Said = NOTHING_SAID, every: timedelta = MINUTE) -> "Told":
        for reading in readings:
            taken = step(self.watch, self.state, reading, said, self.now, f"id-{self.now:%d%H%M}")
            self.state = taken.state
            if taken.event:
                self.events.append(taken.event)
            self.now += every
        return self

    @property
    def sent(self) -> list[Alert]:
        return [event.alert for event in self.events if not event.silenced]

    @property
    def stored(self) -> list[Alert]:
        return [event.alert for event in self.events if event.silenced]


def phases(alerts: Iterable[Alert]) -> list[str]:
    return [alert.phase.value for alert in alerts]


def test_a_condition_that_stays_true_for_ten_thousand_readings_is_one_message() -> None:
    """U-80: exactly one firing message, one resolved when it clears, and a new incident when it happens again."""
    told = Told().see(*[FIRES] * 10_000)
    assert phases(told.sent) == ["firing"]
    told.see(OK, OK, FIRES, OK)
    assert phases(told.sent) == ["firing", "resolved", "firing", "resolved"]
    first, ended, second, _ = told.sent
    assert first.incident_id == ended.incident_id != second.incident_id
    assert not told.stored


def test_reminders_come_at_their_interval_and_not_one_more() -> None:
    """U-80: optional reminders at a set interval."""
    told = Told(replace(WATCH, repeat_s=3_600)).see(*[FIRES] * 10_000)
    assert [alert.reminder for alert in told.sent] == list(range(10_000 // 60 + 1))
    gaps = {later.at - earlier.at for earlier, later in zip(told.sent, told.sent[1:], strict=False)}
    assert gaps == {timedelta(hours=1)}
    assert len({alert.message_id for alert in told.sent}) == len(told.sent)


def test_after_two_days_of_silence_one_reminder_is_due_not_many() -> None:
    told = Told(replace(WATCH, repeat_s=3_600)).see(FIRES)
    told.now += timedelta(days=2)
    assert [alert.reminder for alert in told.see(FIRES, FIRES).sent] == [0, 1]


def test_a_message_says_what_the_reading_says() -> None:
    (alert,) = Told().see(FIRES).sent
    assert (alert.alert, alert.kind, alert.scope) == ("spend", AlertKind.SPEND_SHIFT, {"rule": "code"})
    assert (alert.summary, alert.facts, alert.data) == (FIRES.summary, FIRES.facts, FIRES.data)
    assert (alert.severity, alert.started_at, alert.at) == (WARNING, START, START)


LEVELS: dict[str, tuple[list[Reading], list[str]]] = {
    "nothing": ([OK, HOLD, OK], []),
    "hold does not begin one": ([HOLD, HOLD], []),
    "hold does not end one": ([FIRES, HOLD, HOLD, FIRES, HOLD], ["firing"]),
    "hold then clear": ([FIRES, HOLD, OK], ["firing", "resolved"]),
    "worse": ([FIRES, WORSE, WORSE], ["firing", "escalated"]),
    "worse, better, worse": ([FIRES, WORSE, FIRES, WORSE, OK], ["firing", "escalated", "resolved"]),
    "bad from the start": ([WORSE, FIRES, WORSE], ["firing"]),
    "each severity once": (
        [replace(FIRES, severity=INFO), FIRES, WORSE, FIRES, WORSE],
        ["firing", "escalated", "escalated"],
    ),
    "worse while it holds is not worse": ([FIRES, replace(HOLD, severity=CRITICAL)], ["firing"]),
    "each stage once": (
        [replace(FIRES, stage=stage) for stage in (50, 50, 80, 50, 80, 90, 80)],
        ["firing", "escalated", "escalated"],
    ),
    "a stage of a lesser severity is not worse": ([WORSE, replace(FIRES, stage=90)], ["firing"]),
}


@pytest.mark.parametrize(("readings", "expected"), LEVELS.values(), ids=LEVELS)
def test_hysteresis_and_escalation(readings: list[Reading], expected: list[str]) -> None:
    """U-80: ok, firing, escalated, resolved; what wavers is said once."""
    told = Told().see(*readings)
    assert phases(told.sent) == expected
    assert len({alert.message_id for alert in told.sent}) == len(told.sent)


def test_an_escalation_says_what_it_was_before_and_so_does_the_end() -> None:
    _, escalated, resolved = Told().see(FIRES, WORSE, FIRES, OK).sent
    assert (escalated.severity, escalated.raised_from) == (CRITICAL, WARNING)
    assert (resolved.severity, resolved.raised_from) == (CRITICAL, WARNING)


def test_a_worse_stage_of_the_same_severity_says_no_severity_before() -> None:
    """Receivers that go by the severity must not take it for the end of what goes on."""
    told = Told().see(FIRES, WORSE, replace(WORSE, stage=100))
    assert [alert.raised_from for alert in told.sent] == [None, WARNING, None]
    assert [alert.message_id for alert in told.sent][1:] == [
        "id-231200-escalated-critical",
        "id-231200-escalated-critical-s100",
    ]


def test_a_condition_must_hold_as_long_as_the_terms_say() -> None:
    told = Told(replace(WATCH, for_s=120)).see(FIRES, FIRES)
    assert told.state == Waiting(START)
    assert not told.events
    (alert,) = told.see(FIRES).sent
    assert (alert.started_at, alert.at) == (START, START + 2 * MINUTE)


@pytest.mark.parametrize("gap", [OK, HOLD])
def test_a_gap_makes_the_wait_begin_anew(gap: Reading) -> None:
    assert not Told(replace(WATCH, for_s=120)).see(FIRES, FIRES, gap, FIRES, FIRES, gap).events


def test_a_condition_must_be_gone_as_long_as_the_terms_say() -> None:
    told = Told(replace(WATCH, clear_for_s=180)).see(FIRES, OK, OK, HOLD, OK, OK, FIRES, OK, OK, OK)
    assert phases(told.sent) == ["firing"]
    resolved = told.see(OK).sent[-1]
    assert (resolved.ended_at, resolved.at) == (START + 7 * MINUTE, START + 10 * MINUTE)


def test_no_reminder_while_it_is_clearing() -> None:
    told = Told(replace(WATCH, clear_for_s=3_600, repeat_s=120)).see(FIRES, *[OK] * 10)
    assert phases(told.sent) == ["firing"]


# -- silences


def silence(minutes: float, **matcher: str) -> Said:
    return Said((Silence(matcher or {"rule": "code"}, START + timedelta(minutes=minutes)),))


MATCHES: dict[str, tuple[dict[str, str], bool]] = {
    "a label of the scope": ({"rule": "code"}, True),
    "another value": ({"rule": "other"}, False),
    "the alert": ({"alert": "spend"}, True),
    "the kind": ({"kind": "spend_shift"}, True),
    "the severity": ({"severity": "warning"}, True),
    "another severity": ({"severity": "critical"}, False),
    "this incident": ({"incident_id": "id-231200"}, True),
    "all labels": ({"rule": "code", "alert": "spend"}, True),
    "one label of two": ({"rule": "code", "alert": "other"}, False),
    "a label that it does not have": ({"budget": "growth"}, False),
}


@pytest.mark.parametrize(("matcher", "silenced"), MATCHES.values(), ids=MATCHES)
def test_a_silence_is_for_what_has_all_its_labels(matcher: dict[str, str], *, silenced: bool) -> None:
    (event,) = Told().see(FIRES, said=Said((Silence(matcher, START + MINUTE),))).events
    assert event.silenced is silenced


def test_a_silence_without_labels_is_refused() -> None:
    """It would silence everything, the alert that says so included."""
    with pytest.raises(ValueError, match="at least one label"):
        Silence({}, START)


def test_a_silenced_incident_is_stored_and_not_sent() -> None:
    told = Told().see(FIRES, FIRES, WORSE, WORSE, FIRES, OK, said=silence(60))
    assert not told.sent
    assert phases(told.stored) == ["firing", "escalated", "resolved"]
    escalated = told.stored[1]
    assert (escalated.severity, escalated.raised_from) == (CRITICAL, WARNING)


def test_what_still_goes_on_when_a_silence_is_over_is_told_once() -> None:
    told = Told().see(*[FIRES] * 6, said=silence(2.5))
    (alert,) = told.sent
    assert (alert.phase, alert.started_at, alert.at) == (Phase.FIRING, START, START + 3 * MINUTE)


def test_what_got_worse_in_a_silence_is_told_when_it_is_over() -> None:
    told = Told().see(FIRES).see(WORSE, FIRES, HOLD, FIRES, said=silence(2.5)).see(OK)
    assert phases(told.sent) == ["firing", "escalated", "resolved"]
    assert told.sent[1].raised_from is WARNING


def test_who_was_told_of_the_beginning_is_told_of_the_end_in_a_silence_too() -> None:
    """Otherwise what a firing message has opened at a receiver stays open for ever."""
    told = Told().see(FIRES).see(WORSE, OK, said=silence(60))
    assert phases(told.sent) == ["firing", "resolved"]
    assert told.sent[-1].severity is WARNING
    assert phases(told.stored) == ["escalated"]


def test_the_end_is_as_bad_as_people_were_told() -> None:
    """A receiver that knows of a warning is not told of the end of something else."""
    told = Told().see(replace(FIRES, stage=50)).see(WORSE, OK, said=silence(60))
    assert (told.sent[-1].severity, told.sent[-1].stage) == (WARNING, 50)


def test_a_silence_of_one_severity_lets_a_worse_one_through() -> None:
    told = Told().see(FIRES, WORSE, said=silence(60, severity="warning"))
    assert [(alert.phase, alert.severity) for alert in told.sent] == [(Phase.FIRING, CRITICAL)]


def test_reminders_are_silenced_and_not_caught_up() -> None:
    told = Told(replace(WATCH, repeat_s=120)).see(FIRES).see(*[FIRES] * 5, said=silence(60))
    assert [alert.reminder for alert in told.sent] == [0]
    assert not told.stored
    assert [alert.reminder for alert in told.see(FIRES, FIRES, FIRES).sent] == [0, 1, 2]


# -- the new normal


def accepted(told: Told) -> Said:
    assert isinstance(told.state, Open)
    return Said(new_normal=frozenset({told.state.incident_id}))


def test_what_is_accepted_ends_at_once_and_says_why() -> None:
    told = Told().see(FIRES)
    told.see(FIRES, said=accepted(told))
    resolved = told.sent[-1]
    assert (resolved.phase, resolved.ended_at) == (Phase.RESOLVED, START + MINUTE)
    assert resolved.facts[-1] == Fact("Accepted", "this is the new normal")
    assert resolved.data == {"excess": 3, "accepted": True}


def test_what_is_accepted_does_not_fire_again_before_it_has_cleared() -> None:
    told = Told().see(FIRES)
    told.see(*[FIRES] * 50, HOLD, FIRES, said=accepted(told))
    assert phases(told.sent) == ["firing", "resolved"]
    assert phases(told.see(OK, FIRES).sent) == ["firing", "resolved", "firing"]


def test_what_is_worse_than_what_was_accepted_is_a_new_incident() -> None:
    told = Told().see(FIRES)
    told.see(FIRES, WORSE, said=accepted(told))
    assert phases(told.sent) == ["firing", "resolved", "firing"]
    assert told.sent[-1].incident_id != told.sent[0].incident_id


def test_a_worse_stage_than_what_was_accepted_is_a_new_incident() -> None:
    told = Told().see(replace(FIRES, stage=50))
    told.see(FIRES, replace(FIRES, stage=50), replace(FIRES, stage=80), said=accepted(told))
    assert phases(told.sent) == ["firing", "resolved", "firing"]


def test_accepting_another_incident_changes_nothing() -> None:
    assert phases(Told().see(FIRES).see(FIRES, said=Said(new_normal=frozenset({"another"}))).sent) == ["firing"]


# -- windows


def test_what_began_in_an_earlier_window_ends_before_anything_else_begins() -> None:
    """U-80: keyed by the window too, though no reading of the time between them said that it was over."""
    opened = Told(replace(WATCH, clear_for_s=600)).see(WORSE)
    later = replace(opened.watch, not_before=START + MINUTE)
    folded = fold(later, opened.state, FIRES, NOTHING_SAID, START + MINUTE, "id-next")
    ended, begun = (event.alert for event in folded.events)
    assert (ended.phase, ended.incident_id, ended.severity) == (Phase.RESOLVED, opened.sent[0].incident_id, CRITICAL)
    assert (begun.phase, begun.incident_id, begun.severity) == (Phase.FIRING, "id-next", WARNING)
    assert isinstance(folded.state, Open)
    assert fold(later, folded.state, FIRES, NOTHING_SAID, START + 2 * MINUTE, "id").events == ()


def test_what_began_in_this_window_goes_on() -> None:
    opened = Told(replace(WATCH, not_before=START)).see(FIRES)
    taken = fold(opened.watch, opened.state, FIRES, NOTHING_SAID, START + MINUTE, "id")
    assert (taken.state, taken.events) == (opened.state, ())


# -- the clock


def test_a_clock_that_was_set_back_makes_waits_begin_anew() -> None:
    told = Told(replace(WATCH, for_s=120)).see(FIRES)
    told.now = START - timedelta(days=1)
    assert phases(told.see(FIRES, FIRES, FIRES).sent) == ["firing"]
    told.watch = replace(WATCH, repeat_s=120)
    told.now -= timedelta(days=1)
    assert [alert.reminder for alert in told.see(FIRES, FIRES, FIRES).sent] == [0, 1]
    told.now -= timedelta(days=1)
    ended = told.see(OK).sent[-1]
    assert ended.ended_at == ended.started_at


# -- any history

levels = st.sampled_from([Level.OK, Level.HOLD, Level.FIRING, Level.FIRING])
readings = st.builds(
    lambda level, severity, stage: Reading(level, severity, level, stage),
    levels,
    st.sampled_from(Severity),
    st.sampled_from([0, 0, 50, 80]),
)
terms = st.builds(
    Watch,
    st.just("spend"),
    st.just(AlertKind.SPEND_SHIFT),
    st.just({"rule": "code"}),
    st.sampled_from([0.0, 120.0]),
    st.sampled_from([0.0, 120.0]),
    st.sampled_from([None, 120.0]),
)
asides = st.sampled_from(["", "", "", "silence", "accept"])
runs = st.builds(lambda reading, aside, times: [(reading, aside)] * times, readings, asides, st.integers(1, 7))
histories = st.lists(runs, max_size=12).map(lambda runs: [each for run in runs for each in run])


def said_about(told: Told, aside: str) -> Said:
    if aside == "silence":
        return Said((Silence({"rule": "code"}, told.now + MINUTE),))
    return accepted(told) if aside == "accept" and isinstance(told.state, Open) else NOTHING_SAID


@given(terms, histories)
def test_every_incident_is_told_in_order_once_and_to_its_end(watch: Watch, history: list[tuple[Reading, str]]) -> None:
    """U-80: one firing, one escalation a severity and stage, one resolved, of one incident at a time."""
    told = Told(watch)
    for reading, aside in history:
        told.see(reading, said=said_about(told, aside))
    names = [alert.message_id for alert in told.sent]
    assert len(set(names)) == len(names)
    by_incident: dict[str, list[Alert]] = {}
    for alert in told.sent:
        by_incident.setdefault(alert.incident_id, []).append(alert)
    assert [alert for alerts in by_incident.values() for alert in alerts] == told.sent
    open_id = told.state.incident_id if isinstance(told.state, Open) else None
    for incident_id, alerts in by_incident.items():
        assert (alerts[0].phase, alerts[0].reminder) == (Phase.FIRING, 0)
        assert (alerts[-1].phase is Phase.RESOLVED) is (incident_id != open_id)
        assert [alert for alert in alerts if alert.phase is Phase.RESOLVED] in ([], [alerts[-1]])
        bad = [(alert.severity.rank, alert.stage) for alert in alerts if not alert.reminder]
        assert bad == sorted(bad)
        ended = alerts[-1].ended_at
        assert ended is None or alerts[-1].started_at <= ended <= alerts[-1].at


@given(terms, histories, st.data())
def test_a_restart_in_the_middle_repeats_nothing_and_loses_nothing(
    watch: Watch, history: list[tuple[Reading, str]], data: st.DataObject
) -> None:
    """U-80: the state that is kept says all there is to know."""
    steady, restarted = Told(watch), Told(watch)
    for reading, aside in history:
        said = said_about(steady, aside)
        steady.see(reading, said=said)
        restarted.see(reading, said=said)
        if data.draw(st.booleans()):
            restarted.state = from_json(json.loads(json.dumps(to_json(restarted.state))))
    assert restarted.state == steady.state
    assert restarted.events == steady.events


def expected(levels: list[Level], for_readings: int, clear_readings: int) -> list[tuple[int, str]]:
    """Say by looking back, not by a state, at which readings something is said: the oracle."""
    said: list[tuple[int, str]] = []
    for place in range(len(levels)):
        since = said[-1][0] + 1 if said else 0
        is_open = bool(said) and said[-1][1] == "firing"
        need, level = (clear_readings, Level.OK) if is_open else (for_readings, Level.FIRING)
        if place - need >= since and set(levels[place - need : place + 1]) == {level}:
            said.append((place, "resolved" if is_open else "firing"))
    return said


@given(
    st.lists(st.sampled_from([Level.OK, Level.HOLD, Level.FIRING]), max_size=40), st.integers(0, 3), st.integers(0, 3)
)
def test_a_condition_fires_and_clears_exactly_when_it_has_held(levels: list[Level], waits: int, clears: int) -> None:
    """U-80: with an oracle that knows no states."""
    watch = replace(WATCH, for_s=60 * waits, clear_for_s=60 * clears)
    told = Told(watch).see(*[replace(FIRES, level=level) for level in levels])
    said = [(int((alert.at - START) / MINUTE), alert.phase.value) for alert in told.sent]
    assert said == expected(levels, waits, clears)


STATES = [
    Quiet(),
    Waiting(START),
    Accepted(CRITICAL, 80),
    Open("id", START, WARNING),
    Open("id", START, CRITICAL, 80, Phase.ESCALATED, CRITICAL, 50, START, WARNING, 3, START + MINUTE),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_a_state_can_be_kept_as_json(state: State) -> None:
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


def test_a_state_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(ValueError, match="no state 'asleep'"):
        from_json({"state": "asleep"})

"""Marks of a chart: each incident about money once, by what is kept of its messages, in its time."""

from dataclasses import replace
from datetime import timedelta

from gateway.domain.alert import AlertKind, Severity
from gateway.domain.spending import Mark
from gateway.domain.window import Window
from gateway.engine.marks import marks
from tests.fakes.alerts import ESCALATED, FIRING, RESOLVED, STARTED

HOUR = timedelta(hours=1)
DAY = Window(STARTED - 2 * HOUR, STARTED + 22 * HOUR)
ENDED = RESOLVED.ended_at
OPEN = Mark("open", "burning", AlertKind.BURN_RATE, {"budget": "all"}, Severity.WARNING, "Fast", STARTED + HOUR)


def test_an_incident_is_one_mark_from_its_beginning_to_its_end() -> None:
    """The words are the first ones, the severity the worst, in whatever order the messages come."""
    (mark,) = marks([RESOLVED, ESCALATED, FIRING], [], DAY)
    assert mark == Mark(
        FIRING.incident_id,
        FIRING.alert,
        FIRING.kind,
        FIRING.scope,
        Severity.CRITICAL,
        FIRING.summary,
        STARTED,
        ENDED,
    )
    (mark,) = marks([FIRING], [], DAY)
    assert mark.ended_at is None


def test_only_incidents_about_money_are_marked() -> None:
    others = [replace(FIRING, kind=kind, incident_id=kind.value) for kind in AlertKind]
    found = {mark.kind for mark in marks(others, [replace(OPEN, kind=AlertKind.UNPRICED)], DAY)}
    assert found == {AlertKind.SPEND_SHIFT, AlertKind.BURN_RATE, AlertKind.PRICE_CHANGE}


def test_an_incident_is_marked_where_it_was_open() -> None:
    assert ENDED is not None
    for window, count in (
        (Window(STARTED - HOUR, STARTED), 0),
        (Window(STARTED - HOUR, STARTED + timedelta(seconds=1)), 1),
        (Window(ENDED, ENDED + HOUR), 1),
        (Window(ENDED + timedelta(seconds=1), ENDED + HOUR), 0),
    ):
        assert len(marks([FIRING, RESOLVED], [], window)) == count


def test_what_is_open_is_marked_without_a_message_and_once_with_one() -> None:
    assert marks([], [OPEN], DAY) == [OPEN]
    known = replace(OPEN, id=FIRING.incident_id, summary="as it is now")
    (mark,) = marks([FIRING], [known], DAY)
    assert mark.summary == FIRING.summary
    assert [mark.id for mark in marks([FIRING], [OPEN], DAY)] == [FIRING.incident_id, "open"]

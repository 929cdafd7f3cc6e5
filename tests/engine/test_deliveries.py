"""What deliveries promise: nothing lost while there is hope, nothing tried without, nothing said that is overtaken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import Alert, Phase, ReceiverKind
from gateway.domain.delivery import Response
from gateway.engine.deliveries import (
    JITTER,
    LATE_S,
    SCHEDULE_S,
    Disable,
    Done,
    GiveUp,
    Pending,
    Reason,
    Retry,
    Verdict,
    collapse,
    verdict,
)
from tests.fakes.alerts import ESCALATED, FIRING, NOW, RESOLVED

GENERIC, SLACK, TEAMS, DISCORD, PAGERDUTY = (
    ReceiverKind.GENERIC,
    ReceiverKind.SLACK,
    ReceiverKind.TEAMS,
    ReceiverKind.DISCORD,
    ReceiverKind.PAGERDUTY,
)
API, WEBHOOK = ReceiverKind.ALERTMANAGER_API, ReceiverKind.ALERTMANAGER_WEBHOOK
FIVE_S, FIVE_MIN = 5.0, 300.0


def judge(kind: ReceiverKind, response: Response | None, attempts: int = 1, chance: float = 0.0) -> Verdict:
    return verdict(kind, response, attempts, NOW, chance)


def later(reason: Reason, after_s: float = FIVE_S, *, slows: bool = False) -> Retry:
    return Retry(after_s, slows, reason)


CASES: dict[str, tuple[set[ReceiverKind], int | None, Verdict]] = {
    "200": (set(ReceiverKind), 200, Done()),
    "202, as PagerDuty and Teams say it": (set(ReceiverKind), 202, Done()),
    "204, as Discord says it": (set(ReceiverKind), 204, Done()),
    "299": (set(ReceiverKind), 299, Done()),
    "no answer": (set(ReceiverKind), None, later(Reason.NO_ANSWER)),
    "a redirect": (set(ReceiverKind), 301, later(Reason.REDIRECT)),
    "another redirect": (set(ReceiverKind), 308, later(Reason.REDIRECT)),
    "410": (set(ReceiverKind), 410, Disable(Reason.GONE)),
    "429": (set(ReceiverKind), 429, later(Reason.RATE_LIMITED, slows=True)),
    "500": (set(ReceiverKind), 500, later(Reason.SERVER_ERROR)),
    "502": (set(ReceiverKind), 502, later(Reason.SERVER_ERROR, slows=True)),
    "503": (set(ReceiverKind), 503, later(Reason.SERVER_ERROR)),
    "504": (set(ReceiverKind), 504, later(Reason.SERVER_ERROR, slows=True)),
    "408 is no refusal": (set(ReceiverKind), 408, later(Reason.REFUSED)),
    "425 is no refusal": (set(ReceiverKind), 425, later(Reason.REFUSED)),
    "400 where refusals are final": ({SLACK, DISCORD, PAGERDUTY, API}, 400, GiveUp(Reason.REFUSED)),
    "404 where refusals are final": ({SLACK, DISCORD, PAGERDUTY}, 404, GiveUp(Reason.REFUSED)),
    "401 where refusals are final": ({SLACK, DISCORD, PAGERDUTY}, 401, GiveUp(Reason.REFUSED)),
    "400 where they are not": ({GENERIC, TEAMS, WEBHOOK}, 400, later(Reason.REFUSED)),
    "404 where they are not": ({GENERIC, TEAMS, WEBHOOK, API}, 404, later(Reason.REFUSED)),
    "no status of HTTP": (set(ReceiverKind), 99, later(Reason.SERVER_ERROR)),
}


@pytest.mark.parametrize(("kinds", "status", "expected"), CASES.values(), ids=CASES)
def test_a_status_means_one_thing(kinds: set[ReceiverKind], status: int | None, expected: Verdict) -> None:
    """U-82: retries, refusals and the end of a receiver are as WEBHOOKS says, for every kind of receiver."""
    response = None if status is None else Response(status)
    assert {kind: judge(kind, response) for kind in kinds} == dict.fromkeys(kinds, expected)


def test_the_schedule_is_the_specifications() -> None:
    """U-82: retries over three days, then the delivery is given up."""
    waits = [judge(GENERIC, Response(500), attempts) for attempts in range(10)]
    assert [each.after_s for each in waits if isinstance(each, Retry)] == list(SCHEDULE_S)
    hours = [0, 0, 0, 0.5, 2, 5, 10, 14, 20, 24]
    assert [round(wait / 3_600, 1) if wait > 600 else 0 for wait in SCHEDULE_S] == hours
    assert judge(GENERIC, Response(500), 10) == GiveUp(Reason.SERVER_ERROR)
    assert judge(GENERIC, None, 10) == GiveUp(Reason.NO_ANSWER)


def test_a_real_alertmanager_is_asked_every_minute_for_as_long() -> None:
    """What it does not hear of for five minutes it takes for resolved."""
    waits = [judge(API, None, attempts) for attempts in range(1, 4_501)]
    assert {each.after_s for each in waits[1:] if isinstance(each, Retry)} == {60.0}
    assert judge(API, None, 5_000) == GiveUp(Reason.NO_ANSWER)


ASKED: dict[str, tuple[ReceiverKind, Response, float]] = {
    "seconds": (SLACK, Response(429, {"retry-after": "30"}), 30),
    "seconds and a fraction": (DISCORD, Response(429, {"x-ratelimit-reset-after": "12.75"}), 12.75),
    "in the body": (DISCORD, Response(429, body=b'{"message": "slow", "retry_after": 64.57, "global": false}'), 64.57),
    "the header before the body, which may count milliseconds": (
        DISCORD,
        Response(429, {"retry-after": "65", "x-ratelimit-reset-after": "64.6"}, b'{"retry_after": 64570}'),
        65,
    ),
    "a date": (GENERIC, Response(503, {"retry-after": "Mon, 23 Nov 2026 14:30:00 GMT"}), 599.75),
    "a date that is over": (GENERIC, Response(503, {"retry-after": "Mon, 23 Nov 2026 14:00:00 GMT"}), FIVE_S),
    "less than the schedule": (GENERIC, Response(429, {"retry-after": "1"}), FIVE_S),
    "more than a day": (GENERIC, Response(429, {"retry-after": "999999999999"}), 86_400),
    "more than a day in the body": (DISCORD, Response(429, body=b'{"retry_after": 1e300}'), 86_400),
}


@pytest.mark.parametrize(("kind", "response", "after_s"), ASKED.values(), ids=ASKED)
def test_a_receiver_that_asks_for_time_gets_it(kind: ReceiverKind, response: Response, after_s: float) -> None:
    """U-82: Retry-After is honoured, and keeps the other messages from the endpoint too."""
    decided = judge(kind, response)
    assert isinstance(decided, Retry)
    assert decided.after_s == pytest.approx(after_s)
    assert decided.slows_endpoint


NONSENSE = [
    b"",
    b"not json",
    b"[1]",
    b'{"retry_after": null}',
    b'{"retry_after": "soon"}',
    b'{"retry_after": -1}',
    b"[" * 9_999,
]


@pytest.mark.parametrize("body", [*NONSENSE, b'{"retry_after": NaN}', b"\xff"])
def test_nonsense_about_waiting_is_no_wait(body: bytes) -> None:
    odd = {"retry-after": "soon", "x-ratelimit-reset-after": "nan"}
    assert judge(DISCORD, Response(429, odd, body)) == later(Reason.RATE_LIMITED, slows=True)


@given(
    st.sampled_from(ReceiverKind),
    st.none() | st.integers(0, 999),
    st.integers(1, 12),
    st.floats(0, 1),
    st.none() | st.integers(0, 10**6),
)
def test_jitter_makes_a_wait_longer_and_never_shorter(
    kind: ReceiverKind, status: int | None, attempts: int, chance: float, asked_s: int | None
) -> None:
    headers = {} if asked_s is None else {"retry-after": str(asked_s)}
    response = None if status is None else Response(status, headers)
    least, decided = judge(kind, response, attempts), judge(kind, response, attempts, chance)
    assert type(least) is type(decided)
    if isinstance(least, Retry) and isinstance(decided, Retry):
        assert least.after_s <= decided.after_s <= least.after_s * (1 + JITTER)
        assert least.after_s >= (min(asked_s or 0, 86_400) if response else 0)


# -- collapsing

OTHER = replace(FIRING, incident_id="other", scope={"rule": "another"}, at=FIRING.at + timedelta(seconds=1))
NEXT = replace(FIRING, incident_id="next", started_at=RESOLVED.at, at=RESOLVED.at + timedelta(minutes=1))
REMINDER = replace(FIRING, reminder=1, at=FIRING.at + timedelta(hours=1))
AGAIN = NEXT.at + timedelta(seconds=10)


def waiting(*alerts: Alert) -> list[Pending]:
    return [Pending(alert) for alert in alerts]


def names(pending: tuple[Pending, ...]) -> list[str]:
    return [each.alert.message_id for each in pending]


COLLAPSES: dict[str, tuple[list[Pending], list[Alert]]] = {
    "nothing": ([], []),
    "one": (waiting(FIRING), [FIRING]),
    "fired and was over": (waiting(FIRING, RESOLVED), [RESOLVED]),
    "all of an incident": (waiting(FIRING, ESCALATED, RESOLVED), [RESOLVED]),
    "got worse": (waiting(FIRING, ESCALATED), [ESCALATED]),
    "a reminder": (waiting(FIRING, REMINDER), [REMINDER]),
    "several incidents keep their order": (waiting(FIRING, OTHER, RESOLVED), [OTHER, RESOLVED]),
    "the end stays the end when the clock was set back": (
        waiting(RESOLVED, replace(FIRING, at=RESOLVED.at + timedelta(1))),
        [RESOLVED],
    ),
    "an escalation is later than what it escalates": (
        waiting(replace(FIRING, at=ESCALATED.at + timedelta(1)), ESCALATED),
        [ESCALATED],
    ),
    "the same incident again is another": (waiting(RESOLVED, NEXT), [RESOLVED, NEXT]),
    "what is said again gives way to what is new": ([Pending(FIRING, resend=True), Pending(RESOLVED)], [RESOLVED]),
    "an end is not said again over the next beginning": ([Pending(RESOLVED, resend=True), Pending(NEXT)], [NEXT]),
    "wherever it stands": ([Pending(NEXT), Pending(RESOLVED, resend=True)], [NEXT]),
    "nor when both are said again": ([Pending(RESOLVED, resend=True), Pending(NEXT, resend=True)], [NEXT]),
    "but over that of something else": ([Pending(RESOLVED, resend=True), Pending(OTHER)], [RESOLVED, OTHER]),
    "nor is a test's beginning one": (
        [Pending(RESOLVED, resend=True), Pending(replace(NEXT, sample=True))],
        [RESOLVED, NEXT],
    ),
}


@pytest.mark.parametrize(("pending", "left"), COLLAPSES.values(), ids=COLLAPSES)
def test_only_the_newest_of_an_incident_is_sent(pending: list[Pending], left: list[Alert]) -> None:
    """U-82: firing and resolved both pending is one message, and nothing of another incident is touched."""
    collapsed = collapse(pending, AGAIN)
    assert names(collapsed.send) == [alert.message_id for alert in left]
    assert sorted(names(collapsed.send + collapsed.superseded)) == sorted(each.alert.message_id for each in pending)


def late(*pending: Pending, after: timedelta) -> list[int]:
    return [each.alert.delayed_by_s for each in collapse(pending, pending[0].alert.at + after).send]


def test_a_message_says_how_old_the_oldest_news_in_it_is() -> None:
    """A chat alert that is three hours late says so."""
    three_hours = timedelta(hours=3)
    assert late(Pending(FIRING), after=three_hours) == [10_800]
    assert late(Pending(FIRING), Pending(RESOLVED), after=three_hours) == [10_800]
    assert late(Pending(FIRING), after=timedelta(seconds=LATE_S - 1)) == [0]
    assert late(Pending(FIRING), after=timedelta(seconds=-5)) == [0]


def test_what_was_delivered_once_is_not_late_when_it_is_said_again() -> None:
    assert late(Pending(FIRING, resend=True), after=timedelta(hours=3)) == [0]
    two_hours = RESOLVED.at + timedelta(hours=2)
    (left,) = collapse([Pending(FIRING, resend=True), Pending(replace(RESOLVED, delayed_by_s=0))], two_hours).send
    assert left.alert.delayed_by_s == 7_200


moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)


@st.composite
def outboxes(draw: st.DrawFn) -> list[Pending]:
    """Give what may wait for a receiver: messages of a few incidents of two scopes, in the order they arose."""
    said = []
    began = {incident: draw(moments) for incident in "abcd"}
    for at in sorted(draw(st.lists(moments, max_size=12, unique=True))):
        incident = draw(st.sampled_from("abcd"))
        phase = draw(st.sampled_from(Phase))
        ended_at = at if phase is Phase.RESOLVED else None
        scope = {"rule": "one" if incident in "ab" else "two"}
        alert = replace(FIRING, incident_id=incident, scope=scope, phase=phase, at=at, ended_at=ended_at)
        alert = replace(alert, started_at=began[incident])
        said.append(Pending(alert, draw(st.booleans())))
    return said


@given(outboxes())
def test_collapsing_loses_no_incident_and_keeps_the_order(pending: list[Pending]) -> None:
    collapsed = collapse(pending, datetime(2026, 1, 4, tzinfo=UTC))
    kept = [replace(each.alert, delayed_by_s=0) for each in collapsed.send]
    incidents = [alert.incident_id for alert in kept]
    assert len(set(incidents)) == len(incidents)
    assert {each.alert.incident_id for each in pending if not each.resend} <= set(incidents) | {
        each.alert.incident_id for each in pending if each.resend
    }
    places = [[each.alert for each in pending].index(alert) for alert in kept]
    assert all(one < other for one, other in pairwise(places))
    for alert in kept:
        same = [each.alert for each in pending if each.alert.incident_id == alert.incident_id]
        assert alert.phase is max((each.phase for each in same), key=list(Phase).index)


@given(outboxes())
def test_collapsing_twice_is_collapsing_once(pending: list[Pending]) -> None:
    now = datetime(2026, 1, 4, tzinfo=UTC)
    once = collapse(pending, now)
    assert names(collapse(once.send, now).send) == names(once.send)

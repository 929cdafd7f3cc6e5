"""What the outbox promises: what is due, in order, a few at a time, and nothing for those who want nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.alert import Alert, Phase
from gateway.domain.outbox import Letter, Mailbox
from gateway.runtime.outbox import GIVEN_UP, LOOK_EVERY_S, MOST_IN_FLIGHT, MOST_WAITING, SUPERSEDED, Outbox, Place
from tests.fakes.alerts import ESCALATED, FIRING, NOW, RESOLVED
from tests.fakes.receivers import place

HERE = {"ops": place()}
LATER = NOW + timedelta(seconds=10)


def digest(of: Place) -> str:
    return of.address.url


def incident(number: int, alert: Alert = FIRING) -> Alert:
    return replace(alert, incident_id=f"id-{number}", scope={"rule": f"r{number}"})


def outbox(*letters: Letter, mailboxes: tuple[Mailbox, ...] = ()) -> Outbox:
    return Outbox(letters, mailboxes, digest)


def letters(*alerts: Alert, receiver: str = "ops") -> list[Letter]:
    return [Letter(receiver, alert, NOW) for alert in alerts]


def test_what_is_due_is_given_once_until_it_has_landed() -> None:
    (letter,) = letters(FIRING)
    box = outbox(letter)
    assert [each.key for each in box.due(HERE, NOW).letters] == [letter.key]
    assert box.due(HERE, NOW).letters == ()
    box.landed(letter)
    assert [each.key for each in box.due(HERE, NOW).letters] == [letter.key]


def test_what_is_not_due_yet_says_when() -> None:
    box = outbox(Letter("ops", FIRING, LATER))
    assert (box.due(HERE, NOW).letters, box.due(HERE, NOW).rest_s) == ((), 10.0)
    assert len(box.due(HERE, LATER).letters) == 1
    assert outbox().due(HERE, NOW).rest_s == LOOK_EVERY_S


def test_a_receiver_is_asked_by_a_few_at_a_time_and_others_are_not_kept_waiting() -> None:
    """U-82: isolation."""
    box = outbox(*letters(*map(incident, range(9))), *letters(*map(incident, range(2)), receiver="other"))
    due = box.due({**HERE, "other": place("other")}, NOW).letters
    assert [each.receiver for each in due] == ["ops"] * MOST_IN_FLIGHT + ["other"] * 2
    assert [each.alert.incident_id for each in due[:MOST_IN_FLIGHT]] == [f"id-{number}" for number in range(4)]
    box.landed(due[0])
    box.remove(due[0])
    assert [each.alert.incident_id for each in box.due(HERE, NOW).letters] == ["id-4"]


def test_messages_of_an_incident_go_one_after_the_other() -> None:
    """U-82: in order, also while one is under way."""
    first, second = letters(FIRING, RESOLVED)
    box = outbox(first)
    assert len(box.due(HERE, NOW).letters) == 1
    box.put(second)
    assert box.due(HERE, NOW) == box.due(HERE, NOW)
    assert (box.due(HERE, NOW).letters, box.due(HERE, NOW).let_go) == ((), ())
    box.landed(first)
    box.remove(first)
    assert [each.alert.phase for each in box.due(HERE, NOW).letters] == [Phase.RESOLVED]


def test_what_is_overtaken_is_let_go_of_and_the_rest_says_how_late_it_is() -> None:
    box = outbox(*letters(FIRING, ESCALATED, RESOLVED))
    due = box.due(HERE, RESOLVED.at + timedelta(hours=1))
    assert [(letter.alert.phase, why) for letter, why in due.let_go] == [
        (Phase.FIRING, SUPERSEDED),
        (Phase.ESCALATED, SUPERSEDED),
    ]
    (letter,) = due.letters
    assert (letter.alert.phase, letter.alert.delayed_by_s) == (Phase.RESOLVED, 2 * 3_600 + 46 * 60)
    assert box.waiting("ops") == 1
    box.put(replace(letter, due=RESOLVED.at + timedelta(hours=2), attempts=1))
    box.landed(letter)
    (again,) = box.due(HERE, RESOLVED.at + timedelta(hours=2)).letters
    assert again.alert.delayed_by_s == 3 * 3_600 + 46 * 60  # since the first of them, after a retry too


def test_what_stands_for_older_news_says_so_although_it_could_not_be_sent_at_once() -> None:
    box = outbox(*letters(FIRING, RESOLVED), mailboxes=(Mailbox("ops", not_before=RESOLVED.at),))
    assert len(box.due(HERE, NOW).let_go) == 1
    (letter,) = box.due(HERE, RESOLVED.at).letters
    assert letter.alert.delayed_by_s == 3_600 + 46 * 60


def test_a_receiver_that_there_is_no_more_gets_nothing_and_keeps_nothing() -> None:
    box = outbox(*letters(FIRING))
    assert [why for _, why in box.due({}, NOW).let_go] == [GIVEN_UP]
    assert box.due(HERE, NOW).letters == ()


def test_a_receiver_that_is_slowed_down_is_left_alone_until_then() -> None:
    box = outbox(*letters(FIRING), mailboxes=(Mailbox("ops", not_before=LATER),))
    assert (box.due(HERE, NOW).letters, box.due(HERE, NOW).rest_s) == ((), 10.0)
    assert len(box.due(HERE, LATER).letters) == 1


def test_a_receiver_that_wants_nothing_gets_nothing_until_it_is_another() -> None:
    """U-82: 410 disables it until its address changes; what waits then is not lost."""
    gone = Mailbox("ops", address=digest(HERE["ops"]), disabled="gone", not_before=LATER)
    box = outbox(*letters(FIRING), mailboxes=(gone,))
    assert box.due(HERE, LATER).letters == ()
    assert (box.mailbox("ops"), box.waiting("ops")) == (gone, 1)
    other = {"ops": replace(HERE["ops"], address=replace(HERE["ops"].address, url="https://hooks.example/other"))}
    assert len(box.due(other, NOW).letters) == 1
    assert (box.mailbox("ops").disabled, box.mailbox("ops").not_before) == ("", None)


def test_what_nobody_took_for_a_week_is_given_up_but_not_what_is_said_again() -> None:
    old = replace(FIRING, at=NOW - timedelta(days=8), started_at=NOW - timedelta(days=8))
    box = outbox(Letter("ops", incident(1, old), NOW), Letter("ops", incident(2, old), NOW, resend=True))
    due = box.due(HERE, NOW)
    assert [(letter.alert.incident_id, why) for letter, why in due.let_go] == [("id-1", GIVEN_UP)]
    assert [letter.alert.incident_id for letter in due.letters] == ["id-2"]


def test_more_than_so_many_do_not_wait_the_oldest_are_given_up() -> None:
    """U-82: the queue is bounded."""
    box = outbox(*(Letter("ops", incident(number), LATER) for number in range(MOST_WAITING + 3)))
    assert [letter.alert.incident_id for letter, _ in box.due(HERE, NOW).let_go] == ["id-0", "id-1", "id-2"]
    assert box.waiting("ops") == MOST_WAITING


def test_what_was_delivered_and_is_said_again_does_not_wait() -> None:
    box = outbox(Letter("ops", FIRING, NOW, resend=True))
    assert box.waiting("ops") == box.waiting("nobody") == 0


steps = st.lists(st.sampled_from(["add", "land", "fail", "tick"]), max_size=80)


@given(steps, st.data())
def test_every_incident_ends_with_its_newest_message_and_none_overtakes_another(
    moves: list[str], data: st.DataObject
) -> None:
    """U-82: at any pace of the receiver, at most so many at once, one of an incident at a time."""
    box, now, flying = outbox(), NOW, list[Letter]()
    newest: dict[str, int] = {}
    delivered: dict[str, list[int]] = {}

    def hand_out() -> None:
        due = box.due(HERE, now)
        flying.extend(due.letters)
        assert len(flying) <= MOST_IN_FLIGHT
        assert len({each.alert.incident_id for each in flying}) == len(flying)

    def land(letter: Letter) -> None:
        box.landed(letter)
        box.remove(letter)
        delivered.setdefault(letter.alert.incident_id, []).append(letter.alert.reminder)

    for move in moves:
        now += timedelta(seconds=1)
        match move:
            case "add":
                which = data.draw(st.integers(0, 6))
                alert = incident(which)
                number = newest[alert.incident_id] = newest.get(alert.incident_id, -1) + 1
                box.put(Letter("ops", replace(alert, reminder=number, at=now), now))
            case "land" if flying:
                land(flying.pop(0))
            case "fail" if flying:
                letter = flying.pop(0)
                box.put(replace(letter, due=now + timedelta(seconds=3), attempts=letter.attempts + 1))
                box.landed(letter)
            case _:
                hand_out()
    for _ in range(100):
        now += timedelta(seconds=5)
        hand_out()
        while flying:
            land(flying.pop(0))
    assert {name: each[-1] for name, each in delivered.items()} == newest
    assert all(each == sorted(set(each)) for each in delivered.values())


@pytest.mark.parametrize("receiver", ["ops", "nobody"])
def test_a_receiver_that_nothing_was_tried_with_has_an_empty_mailbox(receiver: str) -> None:
    assert outbox().mailbox(receiver) == Mailbox(receiver)


@pytest.mark.parametrize("back", [timedelta(seconds=3), timedelta(hours=2), timedelta(days=1)], ids=str)
def test_a_clock_that_was_set_back_makes_no_wait_longer(back: timedelta) -> None:
    """U-82: an Alertmanager must hear every minute of what goes on, whatever becomes of the time of day."""
    box = outbox(
        Letter("ops", FIRING, LATER),
        *letters(FIRING, receiver="slow"),
        mailboxes=(Mailbox("slow", not_before=LATER),),
    )
    both = {**HERE, "slow": place("slow")}
    assert box.due(both, NOW).letters == ()
    assert (box.due(both, NOW - back).letters, box.due(both, NOW - back).rest_s) == ((), 10.0)
    assert {each.receiver for each in box.due(both, LATER - back).letters} == {"ops", "slow"}

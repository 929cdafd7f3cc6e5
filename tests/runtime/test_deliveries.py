"""What deliveries promise: nothing lost, nothing under two names, and every end noted where it belongs."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.alert import Alert, Receiver, ReceiverKind
from gateway.domain.delivery import Address, NoAnswer, Post, Response, Sending
from gateway.domain.outbox import Changes, Kept, Letter, Mailbox
from gateway.engine.deliveries import SCHEDULE_S
from gateway.receivers.alertmanager import RESEND_AFTER_S
from gateway.receivers.formats import post_for
from gateway.runtime.deliveries import AFTER_A_BUG, Deliveries, Parts
from gateway.runtime.outbox import Place
from tests.fakes.alerts import ADDRESSES, FIRING, NOW, RESOLVED
from tests.fakes.receivers import DOWN, OK, Counted, MemoryStore, Receivers, Time, place

API = ReceiverKind.ALERTMANAGER_API
LETTER = Letter("ops", FIRING, NOW)
CANARY = "canary-of-the-words"


@dataclass
class World:
    """Deliveries with all that is around them, which survives them."""

    places: dict[str, Place] = field(default_factory=lambda: {"ops": place()})
    receivers: Receivers = field(default_factory=Receivers)
    store: MemoryStore = field(default_factory=MemoryStore)
    counted: Counted = field(default_factory=Counted)
    time: Time = field(default_factory=Time)
    format: Callable[[Alert, Sending], Post] = post_for

    async def begin(self, *letters: Letter) -> Deliveries:
        """Start as after a restart, with some letters more."""
        await self.store.write(Changes(letters=letters))
        made = Deliveries(
            Parts(
                self.store,
                self.receivers,
                self.format,
                lambda: self.places,
                self.counted,
                self.time,
                chance=lambda: 0.0,
                hash_key=b"k" * 32,
            )
        )
        made.load(self.store.kept.letters, self.store.kept.mailboxes)
        return made

    async def turn(self, deliveries: Deliveries) -> None:
        """Let everything that is due be tried, to its end."""
        async with asyncio.TaskGroup() as tasks:
            await deliveries.turn(tasks)

    @property
    def letters(self) -> tuple[Letter, ...]:
        return self.store.kept.letters

    @property
    def mailbox(self) -> Mailbox:
        (mailbox,) = self.store.kept.mailboxes
        return mailbox


async def test_what_is_delivered_is_gone_and_noted() -> None:
    world = World()
    deliveries = await world.begin(LETTER)
    await world.turn(deliveries)
    await world.turn(deliveries)
    assert world.receivers.messages() == [FIRING.message_id]
    assert (world.letters, world.counted.results) == ((), [("ops", "delivered")])
    assert world.mailbox == Mailbox(
        "ops", last_at=NOW, last_message=FIRING.message_id, last_status=200, last_result="delivered"
    )


async def test_a_receiver_that_is_down_is_asked_by_the_schedule_under_the_same_name_over_restarts() -> None:
    """U-82: the schedule survives restarts; every try has the same webhook-id, and a signature of its own."""
    world = World(receivers=Receivers(lambda _, __: Response(500)))
    waits = []
    deliveries = await world.begin(LETTER)
    for _ in SCHEDULE_S[1:]:
        await world.turn(deliveries)
        (letter,) = world.letters
        waits.append((letter.due - world.time.at).total_seconds())
        deliveries = await world.begin()  # a restart
        world.time.at = letter.due - timedelta(seconds=1)
        await world.turn(deliveries)  # too early
        world.time.at = letter.due
    assert waits == list(SCHEDULE_S[1:])
    await world.turn(deliveries)
    assert world.letters == ()
    assert len(world.receivers.got) == len(SCHEDULE_S)
    headers = [post.headers for _, _, post in world.receivers.got]
    assert {each["webhook-id"] for each in headers} == {FIRING.message_id}
    assert len({each["webhook-signature"] for each in headers}) == len(SCHEDULE_S)
    assert world.counted.results == [("ops", "server_error")] * len(SCHEDULE_S) + [("ops", "given_up")]


class Hanging(Receivers):
    """A receiver that takes a message and does not answer."""

    async def send(self, receiver: Receiver, alert: Alert, post: Post) -> Response | NoAnswer:
        await super().send(receiver, alert, post)
        await asyncio.Event().wait()
        return OK


async def test_what_was_under_way_when_the_process_ended_is_sent_again_under_the_same_name() -> None:
    """U-82: at least once."""
    world = World(receivers=Hanging())
    deliveries = await world.begin(LETTER)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deliveries.run())
        await world.receivers.asked.wait()
        running.cancel()
    assert [letter.attempts for letter in world.letters] == [0]
    world.receivers = Receivers()
    await world.turn(await world.begin())
    assert world.receivers.messages() == [FIRING.message_id]
    assert world.letters == ()


async def test_the_loop_delivers_what_comes_without_being_asked() -> None:
    world = World()
    deliveries = await world.begin()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deliveries.run())
        await asyncio.sleep(0)  # it looks, and finds nothing
        for alert in (FIRING, RESOLVED):
            world.receivers.asked.clear()
            deliveries.add([Letter("ops", alert, NOW)])
            await world.receivers.asked.wait()
        running.cancel()
    assert world.receivers.messages() == [FIRING.message_id, RESOLVED.message_id]


async def test_a_receiver_that_asks_for_time_keeps_all_of_its_messages_back_and_no_others() -> None:
    """U-82: Retry-After, over a restart too."""
    busy = Response(429, {"retry-after": "600"})
    world = World(receivers=Receivers(lambda receiver, _: busy if receiver.name == "ops" else OK))
    world.places["other"] = place("other")
    await world.turn(await world.begin(LETTER))
    assert [box.not_before for box in world.store.kept.mailboxes] == [NOW + timedelta(seconds=600)]
    world.time.at += timedelta(seconds=599)
    second = replace(FIRING, incident_id="second")
    deliveries = await world.begin(*(Letter(name, second, world.time.at) for name in ("ops", "other")))
    await world.turn(deliveries)
    assert (len(world.receivers.messages("ops")), world.receivers.messages("other")) == (1, ["second-firing"])
    world.time.at += timedelta(seconds=1)
    await world.turn(deliveries)
    assert len(world.receivers.messages("ops")) == 3


async def test_410_ends_it_until_the_receiver_is_another() -> None:
    """U-82: also over a restart; the address itself is not kept."""
    world = World(receivers=Receivers(lambda _, __: Response(410)))
    await world.turn(await world.begin(LETTER))
    assert (world.mailbox.disabled, world.letters) == ("gone", ())
    assert ADDRESSES[ReceiverKind.GENERIC].url not in repr(world.store.kept)
    world.receivers.answer = lambda _, __: OK
    world.time.at += timedelta(hours=1)
    deliveries = await world.begin(Letter("ops", replace(FIRING, incident_id="second"), NOW))
    await world.turn(deliveries)
    assert len(world.receivers.got) == 1
    world.places["ops"] = place(address=Address("https://hooks.example/new"))
    await world.turn(deliveries)
    assert world.receivers.messages() == [FIRING.message_id, "second-firing"]
    assert (world.mailbox.disabled, world.letters) == ("", ())
    assert world.counted.results == [("ops", "gone"), ("ops", "given_up"), ("ops", "delivered")]


async def test_what_a_chat_refuses_is_not_tried_again() -> None:
    world = World({"ops": place(kind=ReceiverKind.SLACK)}, Receivers(lambda _, __: Response(404)))
    await world.turn(await world.begin(LETTER))
    assert (world.letters, world.counted.results) == ((), [("ops", "refused"), ("ops", "given_up")])


async def test_a_real_alertmanager_is_told_again_until_the_end_which_is_said_for_a_while() -> None:
    """What it does not hear of for five minutes it takes for resolved."""
    world = World({"ops": place(kind=API)})
    world.time.at = FIRING.at
    deliveries = await world.begin(Letter("ops", FIRING, FIRING.at))
    for _ in range(5):
        await world.turn(deliveries)
        world.time.at += timedelta(seconds=RESEND_AFTER_S)
    assert len(world.receivers.got) == 5
    (letter,) = world.letters
    assert letter.resend
    world.time.at = RESOLVED.at
    deliveries = await world.begin()  # a restart
    deliveries.add([Letter("ops", RESOLVED, RESOLVED.at)])
    while world.letters or deliveries.standing("ops")[1]:
        await world.turn(deliveries)
        world.time.at += timedelta(seconds=RESEND_AFTER_S)
    assert world.receivers.messages()[5:] == [RESOLVED.message_id] * 6
    assert world.letters == ()


async def test_a_bug_in_a_format_is_an_attempt_that_brought_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """U-103: it is tried again later, not at once and for ever."""

    def broken(_: Alert, __: Sending) -> Post:
        raise RuntimeError(CANARY)

    world = World(format=broken)
    deliveries = await world.begin(LETTER)
    await world.turn(deliveries)
    await world.turn(deliveries)
    assert [letter.attempts for letter in world.letters] == [1]
    assert world.counted.results == [("ops", "no_answer")]
    assert "telling receiver 'ops' met a bug, RuntimeError" in caplog.text
    assert CANARY not in caplog.text


async def test_a_bug_in_the_noting_of_an_attempt_ends_no_loop_and_begins_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """U-103: the message is tried again after a pause, and the others go on."""

    class Broken(Counted):
        def delivery(self, receiver: str, result: str) -> None:
            raise RuntimeError

    world = World(counted=Broken())
    deliveries = await world.begin(LETTER)
    await world.turn(deliveries)
    await world.turn(deliveries)
    assert len(world.receivers.got) == 1
    assert "noting what came of a message to receiver 'ops' met a bug, RuntimeError" in caplog.text
    world.counted = Counted()
    world.time.at += AFTER_A_BUG
    await world.turn(await world.begin(LETTER))
    assert len(world.receivers.got) == 2


async def test_what_could_not_be_written_is_written_with_the_next() -> None:
    """Nothing is sent twice for it in this process."""
    world = World()
    deliveries = await world.begin(LETTER)
    world.store.broken = True
    await world.turn(deliveries)
    await world.turn(deliveries)
    assert (world.letters, len(world.receivers.got)) == ((LETTER,), 1)
    assert world.counted.store_failures >= 1
    world.store.broken = False
    await world.turn(deliveries)
    assert (world.letters, len(world.receivers.got)) == ((), 1)


async def test_a_receiver_that_fails_is_said_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    """U-103: its failure is logged once per state change, with the reason and without its address."""
    caplog.set_level(logging.INFO)
    answers: list[Response | NoAnswer] = [DOWN, DOWN, Response(503), Response(503), OK, OK]
    world = World(receivers=Receivers(lambda _, __: answers.pop(0)))
    deliveries = await world.begin(LETTER)
    for _ in range(5):
        await world.turn(deliveries)
        world.time.at += timedelta(days=1)
    deliveries.add([Letter("ops", replace(FIRING, incident_id="second"), NOW)])
    await world.turn(deliveries)
    assert [record.getMessage() for record in caplog.records] == [
        "receiver 'ops' cannot be told (no_answer: cannot be reached); it is tried again",
        "receiver 'ops' is told again",
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(404), "alert 'spend-shift' is given up for receiver 'ops' (refused, status 404)"),
        (Response(410), "receiver 'ops' wants no more messages (gone, status 410): mend its url, and reload"),
    ],
)
async def test_what_is_not_tried_again_is_said(caplog: pytest.LogCaptureFixture, answer: Any, said: str) -> None:  # noqa: ANN401 - a case
    world = World({"ops": place(kind=ReceiverKind.SLACK)}, Receivers(lambda _, __: answer))
    await world.turn(await world.begin(LETTER))
    assert [record.getMessage() for record in caplog.records] == [said]


async def test_a_receiver_that_was_taken_out_of_the_rules_is_sent_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    deliveries = await world.begin(LETTER)
    world.places.clear()
    await world.turn(deliveries)
    assert (world.receivers.got, world.letters) == ([], ())
    assert [record.getMessage() for record in caplog.records] == [
        "alert 'spend-shift' is not sent to receiver 'ops' any more"
    ]
    assert world.counted.results == [("ops", "given_up")]


async def test_how_a_receiver_stands_can_be_asked() -> None:
    world = World(receivers=Receivers(lambda _, __: DOWN))
    deliveries = await world.begin(LETTER)
    assert deliveries.standing("ops") == (Mailbox("ops"), 1)
    await world.turn(deliveries)
    mailbox, waiting = deliveries.standing("ops")
    assert (mailbox.failed, mailbox.last_result, mailbox.last_words, waiting) == (
        1,
        "no_answer",
        "cannot be reached",
        1,
    )
    assert world.store.kept == Kept(letters=world.letters, mailboxes=(mailbox,))

"""What looking promises: each thing that is news is kept and told once, over reloads, restarts and full disks."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import cast

import pytest
from msgspec import structs

from gateway.domain.alert import AlertKind
from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt
from gateway.domain.metric import Sample, Samples
from gateway.domain.outbox import Changes, Instance
from gateway.domain.price import DatedPrice, PriceHistory
from gateway.domain.problem import Problem
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Failure, Outcome
from gateway.engine.incidents import Waiting
from gateway.runtime.alerts import METRICS_EVERY_S, Alerting, Parts
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.deliveries import Parts as DeliveryParts
from gateway.runtime.exchange import Active
from gateway.runtime.paces import LOOK_EVERY_S, Paces
from gateway.runtime.prices import PriceWatch
from gateway.runtime.recorder import spender_of
from gateway.runtime.reloader import Parts as ReloadParts
from gateway.runtime.reloader import Rejection, Reloader
from gateway.runtime.shifts import ShiftWatch
from gateway.runtime.spend import SpendBook
from gateway.runtime.tally import Tally
from tests.adapters.entries import entry
from tests.fakes.receivers import Counted, MemoryStore, Time
from tests.fakes.shifts import KeptShifts
from tests.fakes.values import snapshot_of
from tests.runtime.test_paces import Books
from tests.runtime.test_prices import Kept

RECEIVERS = """\
rules: [{name: rest, route: [large]}]
receivers:
  ops: {kind: slack, url: {env: A}}
  page: {kind: pagerduty, routing_key: {env: B}}
"""
ERRORS = "alerts:\n  errors: {kind: error_rate, notify: [ops], minimum: 1}\n"
REJECTED = "alerts:\n  rejected: {kind: config_rejected, notify: [ops]}\n"
BUSY = "alerts:\n  busy: {kind: threshold, metric: in_flight_requests, above: 5, notify: [ops, page]}\n"
SECOND = timedelta(seconds=1)


@dataclass
class Values:
    """The gateway's own metrics, as the test puts them."""

    now: dict[str, list[Sample]] = field(default_factory=dict)
    reads: int = 0

    def samples(self, metrics: Collection[str]) -> Samples:
        self.reads += 1
        return {name: values for name, values in self.now.items() if name in metrics}


@dataclass
class World:
    """What is around the looking; it survives a restart."""

    rules: str
    time: Time = field(default_factory=Time)
    store: MemoryStore = field(default_factory=MemoryStore)
    counted: Counted = field(default_factory=Counted)
    values: Values = field(default_factory=Values)
    books: Books = field(default_factory=Books)
    prices: Kept = field(default_factory=Kept)
    shifts: KeptShifts = field(default_factory=KeptShifts)
    number: int = 0

    def __post_init__(self) -> None:
        self.snapshot = self.compiled(self.rules)

    def compiled(self, rules: str) -> Snapshot:
        return snapshot_of(RECEIVERS, rules)

    async def begin(self) -> "Looking":
        """Start, or start again with what was kept."""
        reloader = Reloader(cast("ReloadParts", None), Active(self.snapshot, {}, self.time.at))
        reloader.looked = True
        tally = Tally(self.time)
        deliveries = Deliveries(cast("DeliveryParts", None))
        book, paces = SpendBook(self.time), Paces(self.time, self.books, self.books)
        book.take_up(self.snapshot.budgets, {})
        parts = Parts(
            reloader,
            book,
            tally,
            self.values,
            self.store,
            deliveries,
            self.counted,
            self.time,
            self.new_id,
            paces,
            PriceWatch(self.time, self.prices, self.prices, self.counted.store_failed),
            watch := ShiftWatch(self.time, self.shifts, self.counted.store_failed),
        )
        made = Looking(self, reloader, tally, deliveries, Alerting(parts), book, paces, watch)
        await made.alerting.load()
        return made

    def new_id(self, _: datetime) -> str:
        self.number += 1
        return f"id-{self.number}"

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Who is to be told what, by the phase."""
        return [(letter.receiver, letter.alert.phase.value) for letter in self.store.kept.letters]


@dataclass
class Looking:
    """A daemon's looking, from its start on."""

    world: World
    reloader: Reloader
    tally: Tally
    deliveries: Deliveries
    alerting: Alerting
    book: SpendBook
    paces: Paces
    shifts: ShiftWatch

    async def tick(self, times: int = 1) -> None:
        for _ in range(times):
            await self.alerting.tick()
            self.world.time.at += SECOND

    def fails(self, count: int = 10) -> None:
        for _ in range(count):
            events = (Attempt(0, "large", "local", Failure.TIMEOUT),)
            self.tally.note(added_up([entry(outcome=Outcome.FAILED, rule="rest", events=events)]))

    def spends(self, nano_usd: int) -> None:
        attempt = Attempt(0, "large", "local", None, True, cost_nano_usd=nano_usd)
        noted = entry(outcome=Outcome.ANSWERED, rule="rest", events=(attempt,))
        self.book.book(spender_of(noted, attempt), self.world.time.at, nano_usd)
        self.paces.note(added_up([structs.replace(noted, at=self.world.time.at)]))

    def reload(self, rules: str) -> None:
        self.world.snapshot = self.world.compiled(rules)
        self.reloader.active = Active(self.world.snapshot, {}, self.world.time.at)

    def reject(self, *problems: Problem) -> None:
        self.reloader.rejection = Rejection(self.world.time.at, "f", problems) if problems else None


PROBLEM = Problem("a.yaml", 1, 1, "there is no model 'x'")


async def test_a_condition_that_lasts_for_ten_thousand_looks_is_told_once() -> None:
    """U-80: and kept once; nothing is written while nothing is news."""
    world = World(REJECTED)
    looking = await world.begin()
    await looking.tick(3)
    looking.reject(PROBLEM)
    await looking.tick(10_000)
    assert (world.letters, world.store.writes) == ([("ops", "firing")], 1)
    looking.reject()
    await looking.tick(10)
    assert (world.letters, world.store.writes) == ([("ops", "firing"), ("ops", "resolved")], 2)
    looking.reject(PROBLEM)
    await looking.tick(10)
    assert [phase for _, phase in world.letters] == ["firing", "resolved", "firing"]


async def test_what_failed_is_told_with_its_incident_in_one_write() -> None:
    """U-82: the incident, what was said and the message to each receiver are kept together."""
    world = World(ERRORS.replace("[ops]", "[ops, page]"))
    looking = await world.begin()
    looking.fails()
    await looking.tick()
    assert (world.letters, world.store.writes) == ([("ops", "firing"), ("page", "firing")], 1)
    (instance,) = world.store.kept.instances
    (said,) = world.store.told
    assert (instance.alert, instance.told, instance.state["state"]) == ("errors", ("ops", "page"), "open")
    assert (said.alert.summary, said.silenced) == ("100 % of all requests failed in the last 5 min (10 of 10)", False)
    assert {letter.alert.message_id for letter in world.store.kept.letters} == {said.alert.message_id}
    assert looking.deliveries.standing("ops")[1] == 1
    assert world.counted.open == {"errors": 1}
    assert world.counted.names == ["ops", "page"]


async def test_what_cannot_be_kept_is_not_told_and_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    """U-82, U-103: the disk is full for a while; that is said once, and so is its end."""
    caplog.set_level(logging.INFO)
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    world.store.broken = True
    await looking.tick(5)
    assert (world.letters, looking.deliveries.standing("ops")[1], world.counted.open) == ([], 0, {"rejected": 0})
    assert world.counted.store_failures == 5
    world.store.broken = False
    await looking.tick(5)
    assert world.letters == [("ops", "firing")]
    assert [record.getMessage() for record in caplog.records][:2] == [
        "the disk is full; alerts wait until it can",
        "what is kept of alerts can be written again",
    ]


async def test_a_restart_in_the_middle_repeats_nothing_and_loses_nothing() -> None:
    """U-79, U-80: the incident goes on under its id, and its end is told to whoever knows of it."""
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick(5)
    for _ in range(3):
        looking = await world.begin()
        looking.reloader.looked = False  # it started with the last good rules, and has not looked at the disk
        await looking.tick(5)
        looking.reject(PROBLEM)
        looking.reloader.looked = True
        await looking.tick(5)
    assert world.letters == [("ops", "firing")]
    looking.reject()
    await looking.tick()
    first, last = world.store.kept.letters
    assert (first.alert.incident_id, last.alert.phase.value) == (last.alert.incident_id, "resolved")
    assert world.store.kept.instances == ()


async def test_what_is_kept_and_cannot_be_read_is_said_and_keeps_nothing_else_from_going_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick()
    odd = Instance("odd", AlertKind.BUDGET, {}, {"state": "asleep"})
    await world.store.write(Changes(instances=(odd,)))
    looking = await world.begin()
    assert [each.standing.alert for each in looking.alerting.open()] == ["rejected"]
    assert "cannot be read, and is left out: odd" in caplog.text


async def test_a_condition_that_has_not_lasted_yet_waits_on_over_a_restart() -> None:
    """U-79: how long it has lasted is not forgotten."""
    world = World(REJECTED.replace("notify", "for: 60s, notify"))
    looking = await world.begin()
    looking.reject(PROBLEM)
    began = world.time.at
    await looking.tick(30)
    (kept,) = world.store.kept.instances
    assert kept.state == {"state": "waiting", "since": began.isoformat()}
    looking = await world.begin()
    assert [each.state for each in looking.alerting._standings.values()] == [Waiting(began)]
    looking.reject(PROBLEM)
    await looking.tick(30)
    assert world.letters == []
    await looking.tick(1)
    assert world.letters == [("ops", "firing")]


async def test_an_alert_that_was_taken_out_ends_its_incident_once() -> None:
    """U-87: states carry over by name; what is not watched any more is not left open."""
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick(3)
    looking.reload(REJECTED + "rules: [{name: more, route: [small]}]\n")
    await looking.tick(3)
    assert world.letters == [("ops", "firing")]
    looking.reload(ERRORS)
    await looking.tick(3)
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]
    assert world.store.told[-1].alert.summary == "Alert rejected is not watched any more"
    assert (world.store.kept.instances, world.counted.open) == ((), {"errors": 0})


async def test_an_alert_that_was_taken_out_while_the_daemon_was_down_ends_its_incident_too() -> None:
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick()
    world.snapshot = world.compiled("")
    await (await world.begin()).tick(3)
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]


async def test_whoever_was_told_of_the_beginning_is_told_of_the_end() -> None:
    """Also when the rule notifies others by then; but for a receiver that there is no more."""
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick()
    looking.reload(REJECTED.replace("[ops]", "[page]"))
    looking.reject()
    await looking.tick()
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]
    looking.reject(PROBLEM)
    await looking.tick()
    assert world.letters[2:] == [("page", "firing")]
    world.snapshot = snapshot_of("rules: [{name: rest, route: [large]}]\n")
    looking.reloader.active = Active(world.snapshot, {}, world.time.at)
    await looking.tick()
    assert len(world.letters) == 3
    assert world.store.told[-1].alert.phase.value == "resolved"


# -- metrics


async def test_series_are_watched_each_on_its_own_and_read_every_few_seconds() -> None:
    """U-103: a page of metrics with thousands of series is not read every second."""
    world = World(BUSY.replace("in_flight_requests", "model_state").replace("above: 5", "above: 0"))
    world.values.now = {
        "rulegate_model_state": [Sample({"model": name, "state": "cooling"}, 1.0) for name in ("small", "large")]
    }
    looking = await world.begin()
    await looking.tick(11)
    assert {letter.alert.scope["model"] for letter in world.store.kept.letters} == {"small", "large"}
    assert world.values.reads == 1 + 10 // METRICS_EVERY_S
    looking.reload(BUSY)
    await looking.tick()
    assert world.values.reads == 2 + 10 // METRICS_EVERY_S  # other metrics, at once


async def test_a_counter_is_watched_by_how_much_it_grows() -> None:
    world = World("alerts:\n  lost: {kind: log_dropped, notify: [ops]}\n")
    world.values.now = {"rulegate_log_rows_dropped_total": [Sample({}, 1_000.0)]}
    looking = await world.begin()
    await looking.tick(10)
    assert world.letters == []
    world.values.now = {"rulegate_log_rows_dropped_total": [Sample({}, 1_003.0)]}
    await looking.tick(10)
    assert world.letters == [("ops", "firing")]
    assert world.store.told[0].alert.summary == "3 log rows were given up in the last 5 min"
    await looking.tick(620)
    assert world.letters[1:] == [("ops", "resolved")]


async def test_a_series_that_is_gone_ends_its_incident() -> None:
    world = World(BUSY)
    world.values.now = {"rulegate_in_flight_requests": [Sample({}, 9.0)]}
    looking = await world.begin()
    await looking.tick(6)
    world.values.now = {}
    await looking.tick(6)
    assert [phase for _, phase in world.letters] == ["firing"] * 2 + ["resolved"] * 2


async def test_where_nothing_is_watched_nothing_is_read() -> None:
    world = World("")
    await (await world.begin()).tick(20)
    assert (world.values.reads, world.store.writes, world.counted.open) == (0, 0, {})


# -- what people say


async def test_a_silenced_incident_is_kept_and_not_told() -> None:
    world = World(REJECTED)
    looking = await world.begin()
    hush = await looking.alerting.hush({"alert": "rejected"}, world.time.at + 60 * SECOND, "maintenance")
    assert looking.alerting.hushes() == [hush]
    looking.reject(PROBLEM)
    await looking.tick(10)
    assert (world.letters, [said.silenced for said in await looking.alerting.recent(9)]) == ([], [True])
    (incident,) = looking.alerting.open()
    assert (incident.silenced, incident.standing.told) == (True, ())
    looking = await world.begin()  # a restart
    looking.reject(PROBLEM)
    await looking.tick(10)
    assert world.letters == []
    await looking.tick(60)
    assert world.letters == [("ops", "firing")]
    assert (looking.alerting.hushes(), world.store.kept.hushes) == ([], ())
    assert [incident.silenced for incident in looking.alerting.open()] == [False]


async def test_a_silence_can_be_ended() -> None:
    world = World(REJECTED)
    looking = await world.begin()
    hush = await looking.alerting.hush({"kind": "config_rejected"}, world.time.at + 60 * SECOND)
    looking.reject(PROBLEM)
    await looking.tick()
    assert await looking.alerting.unhush(hush.id)
    assert not await looking.alerting.unhush(hush.id)
    await looking.tick()
    assert (world.letters, world.store.kept.hushes) == ([("ops", "firing")], ())


async def test_what_is_accepted_ends_and_is_kept_as_the_new_normal() -> None:
    world = World(REJECTED)
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick(3)
    (incident,) = looking.alerting.open()
    await looking.alerting.accept(incident.state.incident_id)
    looking = await world.begin()  # a restart before the next look
    looking.reject(PROBLEM)
    await looking.tick(5)
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]
    assert (looking.alerting.open(), world.store.kept.accepted) == ([], frozenset())
    looking = await world.begin()
    looking.reject(PROBLEM)
    await looking.tick(5)
    assert len(world.letters) == 2
    looking.reject()
    await looking.tick()
    assert world.store.kept.instances == ()


async def test_a_silence_for_everything_is_refused() -> None:
    looking = await World(REJECTED).begin()
    with pytest.raises(ValueError, match="at least one label"):
        await looking.alerting.hush({}, looking.world.time.at + SECOND)


class Breaks(MemoryStore):
    """A store with a bug, the first time that it is written to."""

    async def write(self, changes: Changes) -> None:
        self.writes += 1
        if self.writes == 1:
            raise RuntimeError
        await super().write(changes)


async def test_a_bug_in_one_rule_is_said_once_and_leaves_the_others_and_its_incidents_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """U-103: what it cannot read is not over."""
    world = World(f"{BUSY}  rejected: {{kind: config_rejected, notify: [ops]}}\n")
    world.values.now = {"rulegate_in_flight_requests": [Sample({}, 9.0)]}
    looking = await world.begin()
    await looking.tick(6)
    assert world.letters == [("ops", "firing"), ("page", "firing")]
    world.values.now = {"rulegate_in_flight_requests": [Sample({}, cast("float", "nonsense"))]}
    looking.reject(PROBLEM)
    await looking.tick(12)
    assert world.letters[2:] == [("ops", "firing")]
    assert len(looking.alerting.open()) == 2
    bugs = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [said.partition(":")[0] for said in bugs] == ["looking at alert 'busy' met a bug, TypeError"]
    world.values.now = {"rulegate_in_flight_requests": [Sample({}, 9.0)]}
    await looking.tick(6)
    world.values.now = {"rulegate_in_flight_requests": [Sample({}, cast("float", "nonsense"))]}
    await looking.tick(6)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


@dataclass
class Turns(Time):
    """A clock that gives the loop its turns, until something is told."""

    store: MemoryStore = field(default_factory=MemoryStore)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.store.kept.letters:
            self.told.set()
        await asyncio.sleep(0)


async def test_a_bug_in_one_look_does_not_end_the_looking(caplog: pytest.LogCaptureFixture) -> None:
    """U-103."""
    store = Breaks()
    turns = Turns(store=store)
    world = World(REJECTED, turns, store)
    looking = await world.begin()
    looking.reject(PROBLEM)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(looking.alerting.run())
        await turns.told.wait()
        running.cancel()
    assert world.letters == [("ops", "firing")]
    assert "looking at what alerts watch met a bug, RuntimeError" in caplog.text


BURNING = """\
budgets:
  all: {limit: 720 USD, per: month, at: {100%: warn}}
alerts:
  burning: {kind: burn_rate, notify: [ops]}
"""
USD = 1_000_000_000


async def test_money_that_goes_too_fast_is_told_once_and_a_restart_in_the_middle_tells_nothing() -> None:
    """U-80: minutes are not kept, so that the end waits until they are known again."""
    world = World(BURNING)
    looking = await world.begin()
    await looking.tick()
    for _ in range(50):
        looking.spends(USD)
        await looking.tick(int(LOOK_EVERY_S))
    assert world.letters == [("ops", "firing")]
    looking = await world.begin()
    await looking.tick(60)
    assert world.letters == [("ops", "firing")]
    world.time.at += timedelta(hours=8)
    await looking.tick(int(LOOK_EVERY_S))
    world.time.at += timedelta(hours=1)
    await looking.tick(int(LOOK_EVERY_S))
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]


PRICES = "alerts:\n  prices: {kind: price_change, notify: [ops]}\n"
DEAR = "models: {mid: {provider: local, model: up-mid, price: {input: %d, output: 2}}}\n"


async def test_another_price_is_told_at_the_reload_and_ends_by_itself_over_restarts_and_full_disks() -> None:
    """U-80: while it cannot be read what changed, what is open stays open."""
    world = World(PRICES + DEAR % 1)
    world.prices.used = {"mid": 5}
    looking = await world.begin()
    await looking.tick(3)
    looking.reload(PRICES + DEAR % 2)
    await looking.tick(3)
    assert world.letters == [("ops", "firing")]
    assert world.store.told[0].alert.summary.startswith("Model mid costs something else: input 1 -> 2 (+100 %)")
    world.prices.broken = True
    looking = await world.begin()
    await looking.tick(3)
    world.prices.broken = False
    world.time.at += timedelta(hours=23)
    await looking.tick(3)
    assert world.letters == [("ops", "firing")]
    world.time.at += timedelta(hours=1)
    await looking.tick(3)
    assert world.letters == [("ops", "firing"), ("ops", "resolved")]


async def test_a_price_that_a_day_brings_is_told_before_and_on_the_day_in_one_incident() -> None:
    """U-80: over the midnight, and over a restart between the two."""
    world = World(PRICES + DEAR % 1)
    world.prices.used = {"mid": 5}
    coming = world.time.at.date() + timedelta(days=5)
    model = world.snapshot.models["mid"]
    later = world.compiled(PRICES + DEAR % 2).models["mid"].price.entries[0].price
    history = PriceHistory((*model.price.entries, DatedPrice(coming, later)))
    world.snapshot = replace(world.snapshot, models={**world.snapshot.models, "mid": replace(model, price=history)})
    looking = await world.begin()
    await looking.tick(3)
    assert world.letters == [("ops", "firing")]
    assert "Model mid will cost something else from" in world.store.told[0].alert.summary
    world.time.at += timedelta(days=4)
    looking = await world.begin()
    await looking.tick(3)
    world.time.at = datetime.combine(coming, time(), UTC)
    await looking.tick(3)
    assert world.letters == [("ops", "firing"), ("ops", "escalated")]
    world.time.at += timedelta(days=1)
    await looking.tick(3)
    assert world.letters == [("ops", "firing"), ("ops", "escalated"), ("ops", "resolved")]
    assert len({said.alert.incident_id for said in world.store.told}) == 1

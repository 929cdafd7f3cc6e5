"""Shifts of spend, from requests that end to messages: told once, with the rule, its file and the generations."""

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.shift import Edit, SpendEvent
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Outcome
from gateway.engine.shifts import buckets
from gateway.engine.shifts.edited import edits
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import DAY_S, Terms
from gateway.runtime.shifts import ShiftWatch, events_of
from tests.adapters.entries import entry
from tests.fakes.shifts import KeptShifts
from tests.fakes.values import snapshot_of
from tests.runtime.test_alerts import Looking, World

BUCKET_S = 300
DAYS = 16
PER_BUCKET = 100
"""Twenty requests a minute."""
NANO_USD = {"small": 1_000, "large": 20_000}
"""What a token of a model costs."""
ALERT = "alerts:\n  shifts: {kind: spend_shift, notify: [ops]}\n"
CHAT = "rules:\n  - {name: chat, priority: 5, when: {category: billing}, route: [small]}\n"
SPLIT = CHAT.replace("[small]", "[{split: {small: 70, large: 30}}]")


@dataclass
class Traffic:
    """Requests of two teams by two rules; `dear` is the share of those by rule `chat` that go to the dearer model."""

    chance: random.Random
    dear: float = 0.0
    requests: int = PER_BUCKET

    def entries(self, at_s: float) -> Iterator[tuple[str, str, str, int]]:
        """Give team, rule, model and tokens of the requests of a bucket."""
        for _ in range(int(self.chance.gauss(self.requests, self.requests / 10))):
            team = "growth" if self.chance.random() < 0.6 else "core"
            rule = "chat" if self.chance.random() < 0.9 else "rest"
            model = "large" if rule == "rest" or self.chance.random() < self.dear else "small"
            yield team, rule, model, int(self.chance.lognormvariate(7, 0.5))


def history(traffic: Traffic, end_s: float) -> KeptShifts:
    """Give what a daemon has kept that has seen such traffic for so many days."""
    fold, kept = Fold(Terms()), KeptShifts()
    last = int(end_s // BUCKET_S)
    for bucket in range(last - DAYS * DAY_S // BUCKET_S, last):
        cells: buckets.Cells = {}
        for team, rule, model, tokens in traffic.entries(bucket * BUCKET_S):
            values = (team, "", rule, "billing", model, "local")
            buckets.add(cells, SpendEvent(bucket * BUCKET_S, values, tokens, 0, 200, tokens * NANO_USD[model]))
        fold.add_cells(bucket, cells)
    kept.save(fold.to_plain(), ())
    kept.saves = 0
    return kept


async def five_minutes(looking: Looking, traffic: Traffic) -> None:
    """Let a bucket pass with its requests, and look."""
    time = looking.world.time
    for team, rule, model, tokens in traffic.entries(time.at.timestamp()):
        usage, cost = Usage(fresh_input_tokens=tokens, output_tokens=200), tokens * NANO_USD[model]
        attempt = Attempt(0, model, "local", None, True, usage=usage, cost_nano_usd=cost)
        noted = entry(
            at=time.at,
            outcome=Outcome.ANSWERED,
            team=team,
            caller="",
            rule=rule,
            category="billing",
            model=model,
            provider="local",
            chain=(model,),
            events=(attempt,),
            usage=usage,
            cost_nano_usd=cost,
        )
        looking.shifts.note(added_up([noted]))
    time.at += timedelta(seconds=BUCKET_S)
    await looking.tick()


async def test_an_edit_that_makes_traffic_dearer_is_told_once_with_its_place_and_its_revert_ends_it() -> None:
    """U-80, U-81: within a quarter of an hour, over restarts, and once."""
    world, traffic = World(ALERT + CHAT), Traffic(random.Random(3))
    world.shifts = history(traffic, world.time.at.timestamp())
    looking = await world.begin()
    for _ in range(3):
        await five_minutes(looking, traffic)
    assert world.letters == []
    before = world.snapshot
    looking.reload(ALERT + SPLIT)
    await looking.tick()
    traffic.dear = 0.3
    for _ in range(3):
        await five_minutes(looking, traffic)
    assert world.letters == [("ops", "firing")]
    told = world.store.told[0].alert
    place = f"{world.snapshot.rules[0].file}:{world.snapshot.rules[0].mark.line}"
    assert "rule 'chat'" in told.summary
    assert place in told.summary
    assert f"{before.label} -> {world.snapshot.label}" in told.summary
    assert (told.data["cause"], told.data["place"], told.data["direction"]) == ("rule=chat", place, "up")
    parts = told.data["parts_nano_usd"]
    assert isinstance(parts, dict)
    assert parts["whole"] == parts["volume"] + parts["mix"] + parts["price"] + parts["tokens"]
    looking = await world.begin()
    for _ in range(12):
        await five_minutes(looking, traffic)
    assert [phase for _, phase in world.letters if phase != "escalated"] == ["firing"]
    looking.reload(ALERT + CHAT)
    traffic.dear = 0.0
    for _ in range(72):
        await five_minutes(looking, traffic)
    assert [phase for _, phase in world.letters if phase != "escalated"] == ["firing", "resolved"]
    assert len({said.alert.incident_id for said in world.store.told}) == 1


async def test_an_edit_that_makes_traffic_cheaper_is_information() -> None:
    """U-81: a saving alarms nobody."""
    world, traffic = World(ALERT + SPLIT), Traffic(random.Random(4), dear=0.3)
    world.shifts = history(traffic, world.time.at.timestamp())
    looking = await world.begin()
    await five_minutes(looking, traffic)
    looking.reload(ALERT + CHAT)
    traffic.dear = 0.0
    for _ in range(24):
        await five_minutes(looking, traffic)
    assert world.letters == [("ops", "firing")]
    told = world.store.told[0].alert
    assert (told.severity, told.data["cause"], told.data["direction"]) == ("info", "rule=chat", "down")


async def test_the_time_that_a_clock_was_set_back_by_is_not_taken_for_one_bucket() -> None:
    """U-82: what comes in time that has been folded is left out, for it would be one bucket of two hours."""
    kept = []
    for requests in (PER_BUCKET, 0):
        world, traffic = World(ALERT + CHAT), Traffic(random.Random(3))
        world.shifts = history(traffic, world.time.at.timestamp())
        looking = await world.begin()
        await five_minutes(looking, traffic)
        world.time.set_by = -timedelta(hours=2)
        traffic.chance, traffic.requests = random.Random(4), requests
        for _ in range(23):
            await five_minutes(looking, traffic)
        traffic.requests = 0
        await five_minutes(looking, traffic)
        assert world.shifts.saves == 1
        traffic.chance, traffic.requests = random.Random(5), PER_BUCKET
        for _ in range(3):
            await five_minutes(looking, traffic)
        assert world.shifts.saves == 4
        kept.append(world.shifts.load())
    assert kept[0] == kept[1]


async def test_what_cannot_be_read_is_no_end_and_what_cannot_be_kept_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """U-99: and it is said once."""
    caplog.set_level(logging.ERROR)
    world = World(ALERT + CHAT)
    world.shifts.broken = True
    watch = ShiftWatch(world.time, world.shifts, world.counted.store_failed)
    assert await watch.look(world.snapshot) is None
    assert await watch.look(world.snapshot) is None
    assert caplog.text.count("shifts of spend are forgotten") == 1
    world.shifts.broken = False
    assert await watch.look(world.snapshot) == ()
    world.time.at += timedelta(seconds=BUCKET_S)
    await watch.look(world.snapshot)
    assert world.shifts.saves == 1


async def test_what_another_version_kept_is_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ALERT + CHAT)
    world.shifts.fold = b'{"version": 999}'
    watch = ShiftWatch(world.time, world.shifts, world.counted.store_failed)
    assert await watch.look(world.snapshot) == ()
    assert "are looked for from now on" in caplog.text


def test_a_rule_is_touched_where_it_decides_or_sends_otherwise() -> None:
    """U-81: one that only moved in its file is not."""
    before, after = snapshot_of(CHAT), snapshot_of(SPLIT)
    (found,) = edits(before, after, 5.0)
    rule = after.rules[0]
    assert found == Edit(5.0, "chat", f"{before.label} -> {after.label}", f"{rule.file}:{rule.mark.line}")
    assert edits(before, snapshot_of("# moved\n" + CHAT), 5.0) == []
    assert [each.rule for each in edits(before, snapshot_of(CHAT.replace("chat", "talk")), 5.0)] == ["talk", "chat"]
    assert [each.rule for each in edits(before, snapshot_of(CHAT.replace("billing", "proofs")), 5.0)] == ["chat"]


def test_an_event_is_what_a_request_has_used_and_from_whom_it_fell_back() -> None:
    usage = Usage(fresh_input_tokens=7, cache_read_tokens=20, cache_write_5m_tokens=3, output_tokens=5)
    failed = Attempt(0, "small", "local", Failure.TIMEOUT)
    answered = Attempt(1, "large", "local", None, True, usage=usage, cost_nano_usd=9)
    noted: Entry = entry(
        chain=("small", "large"),
        events=(failed, answered),
        usage=usage,
        model="large",
        provider="local",
        team="t",
        caller="c",
        rule="r",
        category="k",
        cost_nano_usd=9,
    )
    spent = SpendEvent(noted.at.timestamp(), ("t", "c", "r", "k", "large", "local"), 30, 20, 5, 9, "small")
    assert events_of(added_up([noted])) == [spent]
    assert events_of(added_up([entry(usage=None, model="")])) == []

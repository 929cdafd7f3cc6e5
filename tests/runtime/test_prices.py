"""What watching prices promises: each change is found once, over reloads, restarts, midnights and full disks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.domain.ledger import Amounts, LedgerDimension, quarter_of
from gateway.domain.price import DatedPrice, PriceHistory
from gateway.domain.price_change import Change, KeptPrices
from gateway.domain.problem import StoreError
from gateway.domain.snapshot import Snapshot
from gateway.runtime.prices import KEPT_FOR, TRY_AGAIN_AFTER_S, PriceWatch
from tests.engine.test_alert_prices import NEW, OLD
from tests.fakes.receivers import Time
from tests.fakes.values import snapshot_of

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = "rules: [{name: rest, route: [large]}]\n"
FIRST = snapshot_of(RULES)


def priced(history: PriceHistory, generation: int = 2, model: str = "large") -> Snapshot:
    """Give the rules with another price for a model."""
    models = {**FIRST.models, model: replace(FIRST.models[model], price=history)}
    return replace(FIRST, models=models, generation=generation)


SECOND = priced(PriceHistory((DatedPrice(date.min, NEW),)))
DATED = priced(PriceHistory((DatedPrice(date.min, OLD), DatedPrice(date(2026, 12, 1), NEW))))


@dataclass
class Kept:
    """What is kept, and the ledger beside it; either may be broken."""

    kept: KeptPrices = field(default_factory=lambda: KeptPrices({}))
    used: Mapping[str, int] = field(default_factory=lambda: {"large": 5, "small": 3})
    broken: bool = False
    unread: bool = False
    asked: list[tuple[int, int, Sequence[LedgerDimension]]] = field(default_factory=list)
    saves: int = 0

    def load(self) -> KeptPrices:
        self._works(fails=self.broken)
        return self.kept

    def save(self, kept: KeptPrices) -> None:
        self._works(fails=self.broken)
        self.kept, self.saves = kept, self.saves + 1

    def spend(
        self, first_quarter: int, last_quarter: int, by: Sequence[LedgerDimension] = ()
    ) -> Mapping[tuple[str | int, ...], Amounts]:
        self._works(fails=self.unread)
        self.asked.append((first_quarter, last_quarter, by))
        return {(name,): Amounts(attempts, 0, 0, 0, 0, 0, 0) for name, attempts in self.used.items()}

    def _works(self, *, fails: bool) -> None:
        if fails:
            raise StoreError("the disk is full")


@dataclass
class World:
    time: Time = field(default_factory=lambda: Time(NOON))
    store: Kept = field(default_factory=Kept)
    failures: list[None] = field(default_factory=list)

    def watch(self) -> PriceWatch:
        return PriceWatch(self.time, self.store, self.store, lambda: self.failures.append(None))


def told(changes: Sequence[Change] | None) -> list[tuple[str, str, bool]]:
    assert changes is not None
    return [(each.model, each.change, each.in_force) for each in changes]


async def test_the_first_look_keeps_what_there_is_and_a_reload_brings_the_change() -> None:
    world = World()
    watch = world.watch()
    assert await watch.look(FIRST) == ()
    assert world.store.kept.known.keys() == FIRST.models.keys()
    (change,) = await watch.look(SECOND) or ()
    assert (change.model, change.change, change.usage.attempts) == ("large", SECOND.label, 5)
    assert (change.before.price, change.after.price) == (world.store.kept.changes[0].before.price, NEW)
    assert world.store.asked == [(quarter_of(NOON - 7 * DAY), quarter_of(NOON), ["model"])]
    assert await watch.look(SECOND) == (change,)
    assert len(world.store.asked) == 1


async def test_a_change_is_found_once_whether_the_daemon_ran_or_not() -> None:
    """U-80: the second start finds what the first one kept."""
    world = World()
    await world.watch().look(FIRST)
    found = await world.watch().look(SECOND)
    assert told(found) == [("large", SECOND.label, True)]
    saves = world.store.saves
    assert await world.watch().look(SECOND) == found
    assert await world.watch().look(replace(SECOND, generation=3)) == found
    assert world.store.saves == saves


async def test_a_day_brings_the_price_that_was_known_for_it() -> None:
    world = World()
    await world.watch().look(priced(PriceHistory((DatedPrice(date.min, OLD),))))
    watch = world.watch()
    assert told(await watch.look(DATED)) == [("large", "2026-12-01", False)]
    world.time.at = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert told(await watch.look(DATED)) == [("large", "2026-12-01", False)]
    world.time.at += timedelta(seconds=1)
    assert told(await watch.look(DATED)) == [("large", "2026-12-01", True)]
    assert told(await world.watch().look(DATED)) == [("large", "2026-12-01", True)]


async def test_the_price_of_a_model_that_nobody_uses_is_kept_without_a_word() -> None:
    world = World()
    world.store.used = {"small": 3}
    await world.watch().look(FIRST)
    assert await world.watch().look(SECOND) == ()
    assert world.store.kept.known["large"].price == NEW
    assert await world.watch().look(SECOND) == ()


async def test_a_model_that_is_gone_and_comes_again_begins_anew() -> None:
    world = World()
    watch = world.watch()
    await watch.look(FIRST)
    without = replace(FIRST, models={name: each for name, each in FIRST.models.items() if name != "large"})
    assert await watch.look(without) == ()
    assert await watch.look(SECOND) == ()


async def test_a_change_is_let_go_of_in_the_end() -> None:
    world = World()
    watch = world.watch()
    await watch.look(FIRST)
    await watch.look(SECOND)
    world.time.at += KEPT_FOR + DAY
    assert await watch.look(SECOND) == ()


@pytest.mark.parametrize("trouble", ["broken", "unread"])
async def test_a_store_that_does_not_work_loses_no_change(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    """U-82: it is said once, and looked for again after a while; until then all is as it was."""
    world = World()
    watch = world.watch()
    await watch.look(FIRST)
    setattr(world.store, trouble, True)
    assert await watch.look(SECOND) == ()
    assert await watch.look(SECOND) == ()
    assert len(world.failures) == 1
    world.time.at += timedelta(seconds=TRY_AGAIN_AFTER_S)
    assert await watch.look(SECOND) == ()
    assert (len(world.failures), caplog.text.count("changes of prices are told when it can")) == (2, 1)
    setattr(world.store, trouble, False)
    world.time.at += timedelta(seconds=TRY_AGAIN_AFTER_S)
    assert told(await watch.look(SECOND)) == [("large", SECOND.label, True)]


async def test_before_anything_could_be_read_nothing_is_known() -> None:
    """U-80: that is not the same as no change; incidents that are open stay so."""
    world = World()
    world.store.broken = True
    assert await world.watch().look(FIRST) is None
    world.store.broken = False
    await world.watch().look(FIRST)
    world.store.unread = True
    assert await world.watch().look(SECOND) is None

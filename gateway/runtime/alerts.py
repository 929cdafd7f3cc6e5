"""Looks at what the alert rules watch, again and again, and keeps how each incident stands.

What is seen is folded into incidents by `engine.incidents`; what is news is kept with the messages about it in one
write, and handed to the deliveries then. It stands beside the requests: nothing here is waited for by one.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.domain.alert import AlertKind, Phase, identity_of
from gateway.domain.alerting import AlertRule, OfBudgets, OfBurning, OfMetric, OfRates, OfShifts
from gateway.domain.metric import Sample
from gateway.domain.outbox import Changes, Hush, Instance, Letter, Said
from gateway.domain.price_change import Change
from gateway.domain.problem import StoreError
from gateway.domain.shift import Notice
from gateway.engine import incidents
from gateway.engine.alerts import gone, is_blind, looks
from gateway.engine.incidents import Level, Open, Quiet, Silence, State, Watch, fold, is_silenced
from gateway.engine.looks import Look, Sights
from gateway.runtime.deliveries import Deliveries
from gateway.runtime.growth import Growth
from gateway.runtime.paces import Paces, Seen
from gateway.runtime.ports import AlertMeters, AlertStore, Clock, Gauges
from gateway.runtime.prices import PriceWatch
from gateway.runtime.reloader import Reloader
from gateway.runtime.shifts import ShiftWatch
from gateway.runtime.spend import SpendBook
from gateway.runtime.tally import Tally
from gateway.runtime.ticks import survived

logger = logging.getLogger(__name__)

TICK_S: Final = 1.0
LOOKS_AT_A_TIME: Final = 50
"""Looks between which requests have their turn."""
METRICS_EVERY_S: Final = 5.0
"""How often metrics are read for the alerts that watch them: many of them have many series."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What looking is made of; `new_id` makes the text of a UUIDv7."""

    reloader: Reloader
    book: SpendBook
    tally: Tally
    gauges: Gauges
    store: AlertStore
    deliveries: Deliveries
    meters: AlertMeters
    clock: Clock
    new_id: Callable[[datetime], str]
    paces: Paces
    prices: PriceWatch
    shifts: ShiftWatch


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert instance that is not quiet, as it was seen last; `told` are the receivers that know of it."""

    alert: str
    kind: AlertKind
    scope: Mapping[str, str] = field(hash=False)
    state: State = field(hash=False)
    told: tuple[str, ...]
    summary: str

    @property
    def identity(self) -> str:
        """The key of the instance."""
        return identity_of(self.alert, self.scope)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that is open, and whether it is silenced now."""

    standing: Standing
    state: Open
    silenced: bool


@dataclass(slots=True)
class _Turn:
    """What one turn changes: standings by identity, None for those that are quiet now, and what there is to say."""

    standings: dict[str, Standing | None] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


class Alerting:
    """How all alert instances stand, and what people have said about them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._standings: dict[str, Standing] = {}
        self._hushes: dict[str, Hush] = {}
        self._accepted: frozenset[str] = frozenset()
        self._growths: dict[tuple[str, OfMetric], Growth] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._sampled_s = float("-inf")
        self._writes = True
        self._broken: set[str] = set()
        self._metered = parts.reloader.active.snapshot

    async def load(self) -> None:
        """Begin with what was kept. Raises StoreError."""
        kept = await self._parts.store.load()
        lost = list(kept.unreadable)
        for each in kept.instances:
            try:
                state = incidents.from_json(each.state)
            except (ValueError, KeyError, TypeError):
                lost.append(each.alert)
                continue
            standing = Standing(each.alert, each.kind, each.scope, state, each.told, each.summary)
            self._standings[standing.identity] = standing
        if lost:
            logger.error("what state.db keeps of these alerts cannot be read, and is left out: %s", ", ".join(lost))
        self._hushes = {hush.id: hush for hush in kept.hushes}
        self._accepted = kept.accepted
        self._parts.deliveries.load(kept.letters, kept.mailboxes)
        self._meter()

    async def run(self) -> None:
        """Look once a second; never ends."""
        while True:
            with survived("looking at what alerts watch", self._broken):
                await self.tick()
            await self._parts.clock.sleep(TICK_S)

    async def tick(self) -> None:
        """Look once, and keep and hand on what is news. What cannot be kept is not news yet: the next look finds it."""
        rules = self._parts.reloader.active.snapshot.alerts
        now = self._parts.clock.now()
        turn = _Turn()
        sights = await self._sights(list(rules.values()), now)
        seen = [await self._look(rule, sights, turn) for rule in rules.values()]
        for standing in list(self._standings.values()):
            if not any(standing.identity in each for each in seen):
                self._take(None, gone(standing.alert, standing.kind, standing.scope), now, turn)
        if await self._keep(turn, now):
            self._settle(turn)

    # -- what is seen

    async def _look(self, rule: AlertRule, sights: Sights, turn: _Turn) -> set[str]:
        """Take all that an alert rule reads, and give the identities that it is about.

        A bug in one rule leaves its incidents as they are, and the other rules alone.
        """
        before = {each.identity for each in self._standings.values() if each.alert == rule.name}
        if is_blind(rule, sights):
            return before
        found: set[str] = set()
        whole = False
        with survived(f"looking at alert '{rule.name}'", self._broken):
            for number, look in enumerate(looks(rule, sights), start=1):
                if look.level is Level.FIRING or self._standings:
                    found.add(identity_of(look.watch.alert, look.watch.scope))
                    self._take(rule, look, sights.now, turn)
                if not number % LOOKS_AT_A_TIME:
                    await asyncio.sleep(0)  # requests come first
            whole = True
        return found if whole else before

    async def _sights(self, rules: list[AlertRule], now: datetime) -> Sights:
        reloader = self._parts.reloader
        samples = self._metrics([rule for rule in rules if isinstance(rule.terms, OfMetric)])  # before any wait
        windows_s = {rule.terms.window_s for rule in rules if isinstance(rule.terms, OfRates)}
        of_budgets = any(isinstance(rule.terms, OfBudgets | OfBurning | OfShifts) for rule in rules)
        changes: Sequence[Change] | None = None
        with survived("looking at prices", self._broken):
            changes = await self._parts.prices.look(reloader.active.snapshot)
        shifts: Sequence[Notice] | None = None
        with survived("looking for shifts of spend", self._broken):
            shifts = await self._parts.shifts.look(reloader.active.snapshot)
        paces, budgets = Seen(), self._parts.book.standings() if of_budgets else []
        with survived("looking at how fast budgets are spent", self._broken):
            paces = await self._parts.paces.look(rules, budgets)
        return Sights(
            now=now,
            budgets=budgets,
            counts=self._parts.tally.counts(windows_s),
            samples=samples,
            rejected=reloader.rejection.problems if reloader.rejection else (),
            looked=reloader.looked,
            running=reloader.active.snapshot.label,
            unpriced=self._parts.tally.unpriced(),
            stretches=paces.stretches,
            spenders=paces.spenders,
            changes=changes,
            shifts=shifts,
        )

    def _metrics(self, rules: list[AlertRule]) -> dict[str, list[Sample]]:
        """Read the metrics that are watched; between two readings they are as they were."""
        now_s = self._parts.clock.monotonic()
        wanted = {(rule.name, rule.terms) for rule in rules if isinstance(rule.terms, OfMetric)}
        if now_s - self._sampled_s < METRICS_EVERY_S and wanted == self._growths.keys():
            return self._samples
        self._sampled_s = now_s
        self._growths = {key: self._growths.get(key) or Growth(key[1].window_s or 0.0) for key in wanted}
        found = self._parts.gauges.samples({terms.metric for _, terms in wanted}) if wanted else {}
        self._samples = {}
        for (name, terms), growth in self._growths.items():
            values = found.get(terms.metric, ())
            self._samples[name] = list(values) if terms.window_s is None else growth.look(values, now_s)
        return self._samples

    # -- what becomes of it

    def _take(self, rule: AlertRule | None, look: Look, now: datetime, turn: _Turn) -> None:
        """Fold a look into its incident. The end of one is for those who were told of it, the rest for the rule's."""
        watch = look.watch
        identity = identity_of(watch.alert, watch.scope)
        standing = self._standings.get(identity)
        if standing is None and look.level is not Level.FIRING:
            return
        state = standing.state if standing else Quiet()
        reading = look.reading
        folded = fold(watch, state, reading, self._said(now), now, self._parts.new_id(now))
        told = standing.told if standing else ()
        for event in folded.events:
            turn.said.append(Said(event.alert, event.silenced))
            ended = event.alert.phase is Phase.RESOLVED
            notified = told if ended or rule is None else rule.notify
            if not event.silenced:
                there = self._parts.reloader.active.snapshot.receivers
                turn.letters += [Letter(name, event.alert, now) for name in notified if name in there]
                told = () if ended else tuple(dict.fromkeys((*told, *notified)))
        if isinstance(folded.state, Quiet):
            if standing:
                turn.standings[identity] = None
            return
        after = Standing(watch.alert, watch.kind, watch.scope, folded.state, told, reading.summary)
        if standing is None or (after.state, after.told) != (standing.state, standing.told):
            turn.standings[identity] = after
        else:
            self._standings[identity] = after  # only the words are new

    def _said(self, now: datetime) -> incidents.Said:
        silences = tuple(Silence(hush.matcher, hush.until) for hush in self._hushes.values() if now < hush.until)
        return incidents.Said(silences, self._accepted)

    async def _keep(self, turn: _Turn, now: datetime) -> bool:
        """Keep what a turn changes, in one write; say whether that went well."""
        kept = {**self._standings, **turn.standings}
        ids = {each.state.incident_id for each in kept.values() if each and isinstance(each.state, Open)}
        changes = Changes(
            instances=tuple(_instance(each) for each in turn.standings.values() if each is not None),
            quiet=tuple(identity for identity, each in turn.standings.items() if each is None),
            said=tuple(turn.said),
            letters=tuple(turn.letters),
            unhushed=tuple(hush.id for hush in self._hushes.values() if hush.until <= now),
            unaccepted=tuple(sorted(self._accepted - ids)),
        )
        if not changes.anything:
            return True
        try:
            await self._parts.store.write(changes)
        except StoreError as error:
            self._parts.meters.store_failed()
            if self._writes:
                logger.error("%s; alerts wait until it can", error)  # noqa: TRY400 - the words are the store's
            self._writes = False
            return False
        if not self._writes:
            logger.info("what is kept of alerts can be written again")
        self._writes = True
        self._accepted -= set(changes.unaccepted)
        for id_ in changes.unhushed:
            self._hushes.pop(id_, None)
        return True

    def _settle(self, turn: _Turn) -> None:
        for identity, standing in turn.standings.items():
            if standing is None:
                self._standings.pop(identity, None)
            else:
                self._standings[identity] = standing
        for said in turn.said:
            state = f"{said.alert.phase}{', silenced' if said.silenced else ''}"
            logger.info("alert '%s' (%s): %s", said.alert.alert, state, said.alert.summary)
        if turn.letters:
            self._parts.deliveries.add(turn.letters)
        if turn.standings or self._parts.reloader.active.snapshot is not self._metered:
            self._meter()

    def _meter(self) -> None:
        self._metered = snapshot = self._parts.reloader.active.snapshot
        firing = dict.fromkeys(snapshot.alerts, 0)
        for each in self._standings.values():
            if isinstance(each.state, Open):
                firing[each.alert] = firing.get(each.alert, 0) + 1
        self._parts.meters.firing(firing)
        self._parts.meters.receivers(snapshot.receivers)

    # -- what people ask and say

    def open(self) -> list[Incident]:
        """Give the incidents that are open, the oldest first."""
        found = [
            Incident(each, each.state, self._silenced(each, each.state))
            for each in self._standings.values()
            if isinstance(each.state, Open)
        ]
        return sorted(found, key=lambda each: each.state.started_at)

    def hushes(self) -> list[Hush]:
        """Give the silences that hold."""
        now = self._parts.clock.now()
        return [hush for hush in self._hushes.values() if now < hush.until]

    async def recent(self, limit: int) -> list[Said]:
        """Give the messages that arose last, newest first. Raises StoreError."""
        return await self._parts.store.said(limit)

    async def hush(self, matcher: Mapping[str, str], until: datetime, comment: str = "") -> Hush:
        """Make a silence. Raises StoreError, and ValueError for one without a label."""
        now = self._parts.clock.now()
        Silence(matcher, until)
        hush = Hush(self._parts.new_id(now), dict(matcher), until, now, comment)
        await self._parts.store.write(Changes(hushes=(hush,)))
        self._hushes[hush.id] = hush
        return hush

    async def unhush(self, id_: str) -> bool:
        """End a silence; say whether there was one. Raises StoreError."""
        if id_ not in self._hushes:
            return False
        await self._parts.store.write(Changes(unhushed=(id_,)))
        self._hushes.pop(id_, None)
        return True

    async def accept(self, incident_id: str) -> None:
        """Take the state of an open incident for normal: the next look ends it. Raises StoreError."""
        await self._parts.store.write(Changes(accepted=(incident_id,)))
        self._accepted |= {incident_id}

    def _silenced(self, standing: Standing, state: Open) -> bool:
        now = self._parts.clock.now()
        watch = Watch(standing.alert, standing.kind, standing.scope)
        return is_silenced(watch, state, self._said(now).silences, now)


def _instance(of: Standing) -> Instance:
    state: Mapping[str, Any] = incidents.to_json(of.state)
    return Instance(of.alert, of.kind, of.scope, state, of.told, of.summary)

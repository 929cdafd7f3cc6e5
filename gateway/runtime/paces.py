"""How fast budgets are spent: what alerts on burn rates look at.

Stretches shorter than an hour are told by minutes, which are heard of and not kept: after a start they are not whole
until they have passed. Longer ones are told by quarter hours, as the ledger has them, and know of the time before the
start. A stretch begins with a minute or a quarter hour, so that it is a little longer than what was asked for.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.alerting import AlertRule, OfBurning
from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt
from gateway.domain.budget import Budget, Dimension, Scope, Spender, Wanted
from gateway.domain.ledger import BOOKED_AS, LedgerDimension, quarter_of, unix_seconds
from gateway.domain.problem import StoreError
from gateway.domain.window import QUARTER_HOUR_S
from gateway.engine.alert_burn import burns, is_hot, is_watched, lengths
from gateway.engine.looks import HOUR_S, Spent, Stands, Stretch, Stretches
from gateway.runtime.ports import Clock, Ledger, LedgerSums
from gateway.runtime.recorder import spender_of

logger = logging.getLogger(__name__)

MINUTE_S: Final = 60
LOOK_EVERY_S: Final = 5.0
"""How often it is summed up: the shortest stretch is a minute."""
ASK_AGAIN_AFTER_S: Final = 900.0
"""How old what is said of who spends most may be."""
TOLD_APART_BY: Final = (Dimension.TEAM, Dimension.RULE, Dimension.MODEL)


@dataclass(slots=True)
class Pace:
    """What was spent for one scope: nano-dollars by the start of minutes and of quarter hours, in unix seconds.

    Minutes go by when it was heard of, quarter hours by when the request came. `since_s` is from when on it was heard
    of, `known` whether the quarter hours have what was spent before.
    """

    scope: Scope
    longest_s: int
    since_s: int
    known: bool = False
    minutes: dict[int, int] = field(default_factory=dict)
    quarters: dict[int, int] = field(default_factory=dict)

    def add(self, quarter: int, now_s: int, nano_usd: int) -> None:
        """Add what was spent on a request that came in a quarter hour."""
        minute = now_s // MINUTE_S * MINUTE_S
        self.minutes[minute] = self.minutes.get(minute, 0) + nano_usd
        self.quarters[quarter] = self.quarters.get(quarter, 0) + nano_usd

    def stretch(self, length_s: int, now_s: int) -> Stretch:
        """Give what was spent in the last so many seconds, and in those that go with them to whole minutes."""
        grain, sums = (MINUTE_S, self.minutes) if length_s < HOUR_S else (QUARTER_HOUR_S, self.quarters)
        first = (now_s - length_s) // grain * grain
        spent = sum([sums.get(start, 0) for start in range(first, now_s + 1, grain)])
        whole = self.since_s <= first or (grain == QUARTER_HOUR_S and self.known)
        return Stretch(spent, now_s - first, whole)

    def forget(self, now_s: int) -> None:
        """Let go of what lies before every stretch."""
        for sums, oldest in ((self.minutes, now_s - HOUR_S), (self.quarters, now_s - self.longest_s)):
            for start in [start for start in sums if start < oldest - QUARTER_HOUR_S]:
                del sums[start]


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see of budgets that are spent fast, see `Sights`."""

    stretches: Stretches = field(default_factory=dict)
    spenders: Mapping[str, Sequence[Spent]] = field(default_factory=dict)


class Paces:
    """The paces of the budgets that an alert watches; it belongs to the event loop."""

    def __init__(self, clock: Clock, ledger: Ledger, sums: LedgerSums) -> None:
        self._clock = clock
        self._ledger = ledger
        self._sums = sums
        self._paces: dict[str, Pace] = {}
        self._heard: dict[tuple[int, int, Spender], int] = {}
        self._seen = Seen()
        self._opened_s = 0
        self._seen_s = float("-inf")
        self._wanted: dict[str, tuple[Scope, frozenset[int]]] = {}
        self._spenders: dict[str, tuple[float, Sequence[Spent]]] = {}
        self._readable = True

    def note(self, alike: Alike) -> None:
        """Hear of requests that have ended, just when they go to the ledger."""
        if not self._paces:
            return
        minute = unix_seconds(self._clock.now()) // MINUTE_S * MINUTE_S
        for each in alike.happened:
            if isinstance(each.event, Attempt) and each.nano_usd:
                key = (quarter_of(alike.first.at), minute, spender_of(alike.first, each.event))
                self._heard[key] = self._heard.get(key, 0) + each.nano_usd

    def _take(self) -> None:
        """Add what was heard of to the paces that it counts for: once for all requests that are alike."""
        heard, self._heard = self._heard, {}
        for (quarter, minute, spender), nano_usd in heard.items():
            for pace in self._paces.values():
                if pace.scope.covers(spender):
                    pace.add(quarter, minute, nano_usd)

    async def look(self, rules: Sequence[AlertRule], stands: Sequence[Stands]) -> Seen:
        """Give how fast the budgets are spent that some rules watch; between two looks it is as it was."""
        watched = [
            (rule.terms, each)
            for rule in rules
            if isinstance(rule.terms, OfBurning)
            for each in stands
            if is_watched(rule.terms, each.budget)
        ]
        needed = lengths([(terms, each.budget) for terms, each in watched])
        wanted = {
            each.budget.name: (each.budget.scope, needed[each.budget.name])
            for _, each in watched
            if each.budget.name in needed
        }
        now_s = self._clock.monotonic()
        if now_s - self._seen_s < LOOK_EVERY_S and wanted == self._wanted:
            return self._seen
        self._seen_s, self._wanted = now_s, wanted
        await self._open({each.budget.name: each.budget for _, each in watched if each.budget.name in needed}, needed)
        self._take()
        now = self._clock.now()
        unix_s = unix_seconds(now)
        stretches: dict[tuple[str, int], Stretch] = {}
        for name, pace in self._paces.items():
            pace.forget(unix_s)
            stretches |= {(name, length_s): pace.stretch(length_s, unix_s) for length_s in needed[name]}
        longest = _hot(watched, stretches, now)
        self._spenders = {name: each for name, each in self._spenders.items() if name in longest}
        for name, length_s in longest.items():
            await self._ask(name, self._paces[name].scope, length_s, now)
        self._seen = Seen(stretches, {name: each for name, (_, each) in self._spenders.items()})
        return self._seen

    async def _open(self, budgets: Mapping[str, Budget], needed: Mapping[str, frozenset[int]]) -> None:
        """Begin to hear of budgets, let go of those that are not watched, and read what was spent before.

        Whatever is noted from now on is heard of here, and all that was noted before is in what the ledger answers.
        """
        self._take()
        now_s = unix_seconds(self._clock.now())
        if now_s < self._opened_s - MINUTE_S:
            self._paces = {}  # the clock was set back: to minutes of which some are forgotten, and some are to come
        self._opened_s = now_s
        paces = {}
        for name, budget in budgets.items():
            pace, longest_s = self._paces.get(name), max(needed[name])
            if pace is None or pace.scope != budget.scope or pace.longest_s < longest_s:
                pace = Pace(budget.scope, longest_s, now_s)
            paces[name] = pace
        self._paces = paces
        unknown = {name: pace for name, pace in paces.items() if not pace.known}
        if not unknown:
            return
        heard: dict[str, Mapping[int, int]] = {name: pace.quarters for name, pace in unknown.items()}
        for pace in unknown.values():
            pace.quarters = {}  # what was heard of by now is in the ledger's answer too
        try:
            sums = await self._ledger.spent([_wanted(name, pace, now_s) for name, pace in unknown.items()])
        except StoreError as error:
            self._unreadable(error)
            sums = heard
        else:
            self._readable = True
        for name, pace in unknown.items():
            for quarter, nano_usd in sums.get(name, {}).items():
                pace.quarters[quarter] = pace.quarters.get(quarter, 0) + nano_usd
            pace.known = sums is not heard

    async def _ask(self, name: str, scope: Scope, length_s: int, now: datetime) -> None:
        """Ask the ledger who spends most of a budget, unless that is known well enough."""
        asked_s, before = self._spenders.get(name, (float("-inf"), ()))
        now_s = self._clock.monotonic()
        if now_s - asked_s < ASK_AGAIN_AFTER_S:
            return
        first = (unix_seconds(now) - length_s) // QUARTER_HOUR_S * QUARTER_HOUR_S
        scoped = [dimension for dimension, _ in scope.parts]
        by = tuple(dict.fromkeys((*scoped, *TOLD_APART_BY)))
        try:
            booked: list[LedgerDimension] = [BOOKED_AS[each] for each in by]
            found = await asyncio.to_thread(self._sums.spend, first, quarter_of(now), booked)
        except StoreError as error:
            self._unreadable(error)
            self._spenders[name] = (now_s, before)
            return
        parts = [(dict(zip(by, key, strict=True)), amounts.nano_usd) for key, amounts in found.items()]
        covered = [(key, spent) for key, spent in parts if all(key[each] == wanted for each, wanted in scope.parts)]
        self._spenders[name] = (now_s, tuple(_most(covered, each) for each in TOLD_APART_BY if covered))

    def _unreadable(self, error: StoreError) -> None:
        if self._readable:
            logger.error("%s; alerts on burn rates know less until it can", error)
        self._readable = False


def _wanted(name: str, pace: Pace, now_s: int) -> Wanted:
    first = (now_s - pace.longest_s) // QUARTER_HOUR_S * QUARTER_HOUR_S
    return Wanted(name, pace.scope, first, now_s // QUARTER_HOUR_S * QUARTER_HOUR_S)


def _hot(watched: Sequence[tuple[OfBurning, Stands]], stretches: Stretches, now: datetime) -> dict[str, int]:
    """Give the budgets that are spent too fast, with the length of time that tells it, in seconds."""
    found: dict[str, int] = {}
    for terms, stands in watched:
        for burn in burns(terms, stands, stretches, now):
            if is_hot(terms, stands, burn, now):
                found[stands.budget.name] = max(burn.pair.long_s, found.get(stands.budget.name, 0))
    return found


def _most(parts: Sequence[tuple[Mapping[Dimension, str | int], int]], dimension: Dimension) -> Spent:
    sums: dict[str, int] = {}
    for key, spent in parts:
        name = str(key[dimension])
        sums[name] = sums.get(name, 0) + spent
    name = min(sums, key=lambda each: (-sums[each], each))
    return Spent(dimension.value, name, sums[name], sum(sums.values()))

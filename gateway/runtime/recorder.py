"""Notes requests that have ended, each once: a row for the log, and the counters.

They are noted a few at a time, a moment later: code that has just run for one request runs in half the time for the
next. Whoever reads what was noted calls `note_waiting` first.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.alike import Alike, added_up, kinds
from gateway.domain.attempt import Attempt, Event
from gateway.domain.budget import Spender
from gateway.domain.caller import NOBODY, Caller
from gateway.domain.decision import Decision, unlocked
from gateway.domain.entry import Entry
from gateway.domain.usage import total_of
from gateway.domain.words import Outcome, SpendKind, Surface
from gateway.engine.lock import share_of
from gateway.engine.pricing import is_priced
from gateway.engine.recall import facts_of
from gateway.runtime import bugs
from gateway.runtime.exchange import Arrived, Exchange, Unrouted
from gateway.runtime.ports import Clock, Log, Meters
from gateway.runtime.spend import SpendBook

logger = logging.getLogger(__name__)

_A = TypeVar("_A")
_T = TypeVar("_T")


class Refused(Struct, frozen=True, gc=False):
    """A request that no model may answer: `unrouted` None where not even its body could be read.

    `caller` is nobody where that could not be said.
    """

    arrived: Arrived
    surface: Surface
    outcome: Outcome
    unrouted: Unrouted | None = None
    caller: Caller = NOBODY


Noted = Callable[[Alike], object]
"""Hears of entries when they are noted."""


@dataclass(frozen=True, slots=True)
class Books:
    """Where requests that have ended are noted: the log, the counters, what is spent of budgets, whoever hears too."""

    log: Log
    meters: Meters
    spend: SpendBook
    heard: Sequence[Noted] = ()


Waiting = tuple[Exchange | Refused, float]
"""What has ended, and when."""
Defer = Callable[[Callable[[], None]], object]
"""Calls a function a moment later."""


class Recorder:
    """Turns exchanges into entries; `hash_key` keys the prompt hashes, so that they say nothing off this machine.

    `under_way` says how many requests there are that have not ended.
    """

    def __init__(
        self,
        books: Books,
        clock: Clock,
        hash_key: bytes,
        defer: Defer,
        under_way: Callable[[], int],
        *,
        simulated: bool,
    ) -> None:
        self._books = books
        self._clock = clock
        self._hash = hashlib.blake2b(key=hash_key, digest_size=16)
        self._defer = defer
        self._under_way = under_way
        self._simulated = simulated
        self._waiting: list[Waiting] = []
        self._enough = FEW
        self._due = False
        self._unpriced: set[str] = set()

    def ended(self, ended: Exchange | Refused) -> None:
        """Take a request that has ended, with or without a decision, to be noted within a moment."""
        if not self._waiting:
            self._enough = FEW if self._under_way() <= FEW else MOST
        self._waiting.append((ended, self._clock.monotonic()))
        if len(self._waiting) >= self._enough:
            self.note_waiting()
        elif not self._due:
            self._due = True
            self._defer(self._note_due)

    def _note_due(self) -> None:
        self._due = False
        self.note_waiting()

    def note_waiting(self) -> None:
        """Note all that have ended by now.

        Everywhere at one moment, so that the ledger and the budgets never tell different sums.
        """
        waiting, self._waiting = self._waiting, []
        entries = [entry for each in waiting if (entry := _tried(self._entry_of, each)) is not None]
        for kind in kinds(entries):
            for alike in _added_up(kind):
                _tried(self._note, alike)
        for ended, _ in waiting:
            if isinstance(ended, Exchange):
                for hold in ended.holds:
                    hold.release()

    def _events(self, exchange: Exchange) -> tuple[Event, ...]:
        """Give what happened; an answer of a model that the price is not of is flagged, and said once a model."""
        model, answered = exchange.model, exchange.response_model
        if model is None or is_priced(model, answered, exchange.at.date()):
            return tuple(exchange.history)
        if model.name not in self._unpriced:
            self._unpriced.add(model.name)
            words = "model '%s' is answered by one that its price is not of (response_model of its log rows says which)"
            logger.warning(words, model.name)
        return tuple(
            replace(event, unpriced=True) if isinstance(event, Attempt) and event.kind is SpendKind.ANSWER else event
            for event in exchange.history
        )

    def _note(self, alike: Alike) -> None:
        books = self._books
        books.meters.ended(alike)
        if not books.log.put(alike):
            books.meters.dropped(alike.times)
        for each in alike.happened:
            if isinstance(each.event, Attempt) and each.costs:
                books.spend.book(spender_of(alike.first, each.event), alike.first.at, *each.costs)
        for hear in books.heard:
            hear(alike)
        if logger.isEnabledFor(logging.DEBUG):
            for entry in alike.entries:
                logger.debug("request %s: rule %s, model %s, %s", entry.id, entry.rule, entry.model, entry.outcome)

    def _entry_of(self, waiting: Waiting) -> Entry:
        ended, ended_s = waiting
        return self._entry(ended, ended_s) if isinstance(ended, Exchange) else self._refused(ended, ended_s)

    def _refused(self, refused: Refused, ended_s: float) -> Entry:
        arrived = refused.arrived
        snapshot = arrived.active.snapshot
        duration_s = ended_s - arrived.came_s
        entry = Entry(
            id=arrived.id,
            at=arrived.at,
            generation=snapshot.generation,
            fingerprint=snapshot.fingerprint,
            surface=refused.surface.value,
            outcome=refused.outcome,
            duration_s=duration_s,
            overhead_s=duration_s,
            stream=False,
            simulated=self._simulated,
            caller=refused.caller.name,
            team=refused.caller.team,
            tags=tuple(sorted(refused.caller.tags)),
        )
        if refused.unrouted is None:
            return entry
        request, features = refused.unrouted.request, refused.unrouted.features
        decision = unlocked(refused.unrouted.decision)
        return replace(
            entry,
            tags=tuple(sorted(features["tags"])),
            rule=decision.rule if isinstance(decision, Decision) else "",
            shadows=decision.shadows,
            requested_model=request.model[:LONGEST_NAME],
            prompt_hash=self._prompt_hash(features["text@user"]),
            category=features["category@user"],
            facts=_with_dropped(facts_of(snapshot, features, decision), request.dropped),
            stream=request.stream,
        )

    def _entry(self, exchange: Exchange, ended_s: float) -> Entry:
        request, decision, snapshot, model = (
            exchange.request,
            exchange.decision,
            exchange.active.snapshot,
            exchange.model,
        )
        duration_s, attempts = ended_s - exchange.started_s, exchange.attempts
        facts = facts_of(snapshot, exchange.features, decision)
        return Entry(
            id=exchange.id,
            at=exchange.at,
            generation=snapshot.generation,
            fingerprint=snapshot.fingerprint,
            caller=request.caller.name,
            team=request.caller.team,
            tags=tuple(sorted(exchange.tags)),
            surface=request.surface.value,
            requested_model=request.model[:LONGEST_NAME],
            prompt_hash=self._prompt_hash(exchange.features["text@user"]),
            rule=decision.rule,
            shadows=decision.shadows,
            category=decision.category,
            facts=_with_what_came(facts, exchange),
            chain=decision.chain.models,
            model=model.name if model else "",
            upstream_model=model.upstream if model else "",
            response_model=exchange.response_model[:LONGEST_NAME],
            provider=model.provider if model else "",
            propensity=share_of(decision, request.caller),
            events=self._events(exchange),
            usage=total_of([attempt.usage for attempt in attempts if attempt.usage is not None]),
            price_version=model.price_version if model else "",
            cost_nano_usd=sum([attempt.cost_nano_usd for attempt in attempts]),
            first_content_s=exchange.first_content_s,
            duration_s=duration_s,
            overhead_s=max(0.0, duration_s - exchange.waited_s),
            stream=request.stream,
            simulated=self._simulated,
            outcome=exchange.outcome or Outcome.FAILED,
        )

    def _prompt_hash(self, text: str) -> str:
        hashed = self._hash.copy()
        hashed.update(text.encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()


def _tried(note: Callable[[_A], _T], what: _A) -> _T | None:
    """Give what noting comes to, None where it meets a bug: one in one row is no reason to lose others."""
    try:
        return note(what)
    except Exception as error:  # noqa: BLE001 - a background tick
        bugs.say("noting a request", error)
        return None


def _added_up(kind: Sequence[Entry]) -> list[Alike]:
    """Add up entries of one kind, each by itself where that meets a bug."""
    alike = _tried(added_up, kind)
    if alike is not None:
        return [alike]
    return [] if len(kind) == 1 else [alike for entry in kind for alike in _added_up([entry])]


def spender_of(entry: Entry, attempt: Attempt) -> Spender:
    """Say whom and what an attempt of a request has spent for."""
    tags = frozenset(entry.tags)
    return Spender(entry.team, entry.caller, tags, entry.rule, entry.category, attempt.model, attempt.provider)


def _with_dropped(facts: dict[str, Any], dropped: tuple[str, ...]) -> dict[str, Any]:
    """Add the names of what the caller sent and the model did not get, if there is anything."""
    return {**facts, "dropped": list(dropped)} if dropped else facts


def _with_what_came(facts: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Add what came of the decision: what was left out, who answered instead of the model that did before.

    And the limit on the output that cut the answer short and that nobody had asked for.
    """
    facts = _with_dropped(facts, exchange.dropped)
    if exchange.repinned and exchange.model is not None:
        facts["repinned"] = exchange.model.name
    if exchange.cut and exchange.defaulted is not None:
        facts["defaulted_max_tokens"] = exchange.defaulted
    return facts


FEW, MOST = 8, 64
"""Requests that are noted together: few where no more are under way, because their notes are a stall for others."""
LONGEST_NAME = 200
"""Characters of a name from outside that a row keeps."""

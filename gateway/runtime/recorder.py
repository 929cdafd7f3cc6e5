"""Notes requests that have ended, each once: a row for the log, and the counters.

They are noted a few at a time, a moment later: code that has just run for one request runs in half the time for the
next. Whoever reads what was noted calls `note_waiting` first.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.domain.entry import Entry
from gateway.domain.usage import total_of
from gateway.domain.words import Outcome, Surface
from gateway.engine.recall import facts_of
from gateway.runtime import bugs
from gateway.runtime.exchange import Arrived, Exchange, Unrouted
from gateway.runtime.ports import Clock, Log, Meters

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that ended without a decision: `unrouted` None where not even its body could be read."""

    arrived: Arrived
    surface: Surface
    outcome: Outcome
    unrouted: Unrouted | None = None


Defer = Callable[[Callable[[], None]], object]
"""Calls a function a moment later."""
Noted = Callable[[Entry], object]
"""Hears of each entry when it is noted."""


class Recorder:
    """Turns exchanges into entries; `hash_key` keys the prompt hashes, so that they say nothing off this machine."""

    def __init__(  # noqa: PLR0913 - two of them are named
        self,
        log: Log,
        meters: Meters,
        clock: Clock,
        hash_key: bytes,
        defer: Defer,
        *,
        simulated: bool,
        noted: Sequence[Noted] = (),
    ) -> None:
        self._log = log
        self._meters = meters
        self._clock = clock
        self._hash_key = hash_key
        self._defer = defer
        self._simulated = simulated
        self._noted = noted
        self._waiting: list[tuple[Exchange | Refused, float]] = []

    def ended(self, ended: Exchange | Refused) -> None:
        """Take a request that has ended, with or without a decision, to be noted within a moment."""
        self._waiting.append((ended, self._clock.monotonic()))
        if len(self._waiting) >= AT_A_TIME:
            self.note_waiting()
        elif len(self._waiting) == 1:
            self._defer(self.note_waiting)

    def note_waiting(self) -> None:
        """Note all that have ended by now."""
        waiting, self._waiting = self._waiting, []
        for ended, ended_s in waiting:
            try:
                self._note(
                    self._entry(ended, ended_s) if isinstance(ended, Exchange) else self._refused(ended, ended_s)
                )
            except Exception as error:  # noqa: BLE001 - a background tick: a bug in one row is no reason to lose others
                bugs.say("noting a request", error)
            if isinstance(ended, Exchange):
                for hold in ended.holds:
                    hold.release()

    def _note(self, entry: Entry) -> None:
        self._meters.ended(entry)
        if not self._log.put(entry):
            self._meters.dropped()
        for hear in self._noted:
            hear(entry)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("request %s: rule %s, model %s, %s", entry.id, entry.rule, entry.model, entry.outcome)

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
        )
        if refused.unrouted is None:
            return entry
        request, features = refused.unrouted.request, refused.unrouted.features
        return replace(
            entry,
            tags=tuple(sorted(features["tags"])),
            shadows=refused.unrouted.decision.shadows,
            requested_model=request.model[:LONGEST_NAME],
            prompt_hash=self._prompt_hash(features["text@user"]),
            category=features["category@user"],
            facts=facts_of(snapshot, features, refused.unrouted.decision),
            stream=request.stream,
        )

    def _entry(self, exchange: Exchange, ended_s: float) -> Entry:
        request, decision, snapshot, model = (
            exchange.request,
            exchange.decision,
            exchange.active.snapshot,
            exchange.model,
        )
        duration_s = ended_s - exchange.started_s
        return Entry(
            id=exchange.id,
            at=exchange.at,
            generation=snapshot.generation,
            fingerprint=snapshot.fingerprint,
            caller=request.caller.name,
            team=request.caller.team,
            tags=tuple(
                sorted(exchange.features["tags"] | (decision.matched.tags if decision.matched else frozenset()))
            ),
            surface=request.surface.value,
            requested_model=request.model[:LONGEST_NAME],
            prompt_hash=self._prompt_hash(exchange.features["text@user"]),
            rule=decision.rule,
            shadows=decision.shadows,
            category=decision.category,
            facts=facts_of(snapshot, exchange.features, decision),
            chain=tuple(step.model for step in decision.chain.steps),
            model=model.name if model else "",
            upstream_model=model.upstream if model else "",
            response_model=exchange.response_model[:LONGEST_NAME],
            provider=model.provider if model else "",
            propensity=propensity_of(exchange),
            events=tuple(exchange.history),
            usage=total_of(attempt.usage for attempt in exchange.attempts if attempt.usage is not None),
            price_version=model.price_version if model else "",
            cost_nano_usd=exchange.cost_nano_usd,
            first_content_s=exchange.first_content_s,
            duration_s=duration_s,
            overhead_s=max(0.0, duration_s - exchange.waited_s),
            stream=request.stream,
            simulated=self._simulated,
            outcome=exchange.outcome or Outcome.FAILED,
        )

    def _prompt_hash(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._hash_key, digest_size=16).hexdigest()


AT_A_TIME = 16
"""Requests that are noted together at the most: their notes are a stall for the others."""
LONGEST_NAME = 200
"""Characters of a name from outside that a row keeps."""


def propensity_of(exchange: Exchange) -> float:
    """Give the probability with which the route chose its first model: its share of the split, else 1."""
    rule, split = exchange.decision.matched, exchange.decision.split
    if rule is None or not split or 0 not in split:
        return 1.0
    return rule.route.share(0, split[0])

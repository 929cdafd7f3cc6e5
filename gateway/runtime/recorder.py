"""Notes a request that has ended, once: a row for the log, and the counters."""

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.attempt import Attempt, Event
from gateway.domain.entry import Entry
from gateway.domain.usage import total_of
from gateway.domain.words import Failure, Outcome, SpendKind, Surface
from gateway.engine.pricing import is_priced
from gateway.engine.recall import facts_of
from gateway.runtime.exchange import Active, Exchange, Unrouted
from gateway.runtime.ports import Clock, Log, Meters

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that ended without a decision: `unrouted` None where not even its body could be read."""

    id: str
    at: datetime
    started_s: float
    active: Active
    surface: Surface
    outcome: Outcome
    unrouted: Unrouted | None = None


class Recorder:
    """Turns exchanges into entries; `hash_key` keys the prompt hashes, so that they say nothing off this machine."""

    def __init__(self, log: Log, meters: Meters, clock: Clock, hash_key: bytes, *, simulated: bool) -> None:
        self._log = log
        self._meters = meters
        self._clock = clock
        self._hash_key = hash_key
        self._simulated = simulated
        self._refusing: dict[str, Failure] = {}
        self._unpriced: set[str] = set()

    def ended(self, ended: Exchange | Refused) -> None:
        """Note a request that has ended, with or without a decision."""
        match ended:
            case Exchange():
                for attempt in ended.attempts:
                    self._watch(attempt)
                    if attempt.garbage:
                        self._meters.garbage(attempt.model, attempt.garbage)
                self._note(self._entry(ended))
            case Refused():
                self._note(self._refused_entry(ended))

    def _watch(self, attempt: Attempt) -> None:
        """Say once that a provider turns the gateway's account away, and once that it answers again."""
        before = self._refusing.get(attempt.provider)
        if attempt.failure in OURS_TO_MEND and attempt.failure is not before:
            self._refusing[attempt.provider] = attempt.failure
            logger.warning(
                "provider '%s' turns the gateway away (%s): see to its key and its credit",
                attempt.provider,
                attempt.failure.value,
            )
        elif attempt.failure is None and before is not None:
            del self._refusing[attempt.provider]
            logger.info("provider '%s' answers again", attempt.provider)

    def _events(self, exchange: Exchange) -> tuple[Event, ...]:
        """Give what happened; an answer of a model that the price is not of is flagged, and said once a model."""
        model, answered = exchange.model, exchange.response_model
        if model is None or is_priced(model, answered):
            return tuple(exchange.history)
        if model.name not in self._unpriced:
            self._unpriced.add(model.name)
            words = "model '%s' is answered by one that its price is not of (response_model of its log rows says which)"
            logger.warning(words, model.name)
        return tuple(
            replace(event, unpriced=True) if isinstance(event, Attempt) and event.kind is SpendKind.ANSWER else event
            for event in exchange.history
        )

    def _note(self, entry: Entry) -> None:
        self._meters.ended(entry)
        if not self._log.put(entry):
            self._meters.dropped()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("request %s: rule %s, model %s, %s", entry.id, entry.rule, entry.model, entry.outcome)

    def _refused_entry(self, refused: Refused) -> Entry:
        snapshot = refused.active.snapshot
        duration_s = self._clock.monotonic() - refused.started_s
        entry = Entry(
            id=refused.id,
            at=refused.at,
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

    def _entry(self, exchange: Exchange) -> Entry:
        request, decision, snapshot, model = (
            exchange.request,
            exchange.decision,
            exchange.active.snapshot,
            exchange.model,
        )
        duration_s = self._clock.monotonic() - exchange.started_s
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
            events=self._events(exchange),
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


OURS_TO_MEND = frozenset({Failure.AUTH, Failure.QUOTA})
"""Failures that go on until an operator does something."""
LONGEST_NAME = 200
"""Characters of a name from outside that a row keeps."""


def propensity_of(exchange: Exchange) -> float:
    """Give the probability with which the route chose its first model: its share of the split, else 1."""
    rule, split = exchange.decision.matched, exchange.decision.split
    if rule is None or not split or 0 not in split:
        return 1.0
    return rule.route.share(0, split[0])

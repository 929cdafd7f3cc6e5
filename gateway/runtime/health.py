"""The health of all models: kept over reloads, learned from their own traffic, never asked for.

The judgement is `engine.health`; this remembers, and says aloud once when a model begins to rest and when it answers.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.attempt import Attempt
from gateway.domain.health import WELL, Ailment, Cooling, Health, HealthState, Reason, Rest
from gateway.domain.pace import UNKNOWN, Kind, Pace, Took
from gateway.domain.words import Failure
from gateway.engine.chain import NONE_RESTS
from gateway.engine.health import answered, failed, rest_of, resumed, state_of, tried
from gateway.engine.pace import is_overtaken, is_slow, learned
from gateway.runtime.ports import Clock

logger = logging.getLogger(__name__)

OURS_TO_MEND = frozenset({Failure.AUTH, Failure.QUOTA, Failure.NOT_FOUND})
"""Failures that go on until an operator does something."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """How a model is doing, for people: `until` is when its rest ends, None where it does not rest."""

    state: HealthState
    reason: Reason | None
    until: datetime | None


Keep = Callable[[str, Cooling | None], object]
"""Keeps over restarts that a model rests, or that it does not, without waiting."""


def _for_now(_model: str, _cooling: Cooling | None) -> None:
    """Keep nothing."""


class HealthBoard:
    """What is known of each model, by registry name."""

    def __init__(self, clock: Clock, keep: Keep = _for_now) -> None:
        self._clock = clock
        self._keep = keep
        self._known: dict[str, Health] = {}
        self._ailing: set[str] = set()
        self._paces: dict[str, dict[Kind, Pace]] = {}

    def resting(self) -> Mapping[str, Rest]:
        """Give the models that no request should go to now."""
        if not self._ailing:
            return NONE_RESTS
        now_s = self._clock.monotonic()
        rests = ((name, rest_of(self._known[name], now_s)) for name in self._ailing)
        return {name: rest for name, rest in rests if rest is not None}

    def began(self, model: str) -> bool:
        """Note that a request goes to a model; say whether it is the trial of one that rested."""
        if model not in self._ailing:
            return False
        self._known[model] = tried(self._known[model], self._clock.monotonic())
        return True

    def answered(self, model: str, *, trial: bool, took: Took | None = None) -> None:
        """Note that a model answers: a whole answer, or the first content of a stream; `took` is how long that took."""
        before, now_s = self._health(model), self._clock.monotonic()
        slow = took is not None and self._was_slow(model, took)
        after = answered(before, now_s, trial=trial, slow=slow)
        if slow and before.reason is Ailment.SLOW and after.reason is None:
            del self._paces[model]
            logger.info("model '%s' has been slow for so long that it is taken to be no faster any more", model)
        self._note(model, before, after)

    def failed(self, attempt: Attempt, failure: Failure, *, trial: bool) -> None:
        """Note that an attempt failed."""
        model, now_s = attempt.model, self._clock.monotonic()
        wait_s = attempt.error.retry_after_s if attempt.error else None
        before = self._health(model)
        after = failed(before, failure, wait_s, now_s, trial=trial)
        mend = f": see to the account at provider '{attempt.provider}'" if failure in OURS_TO_MEND else ""
        self._note(model, before, after, mend)

    def overtaken(self, attempt: Attempt, took: Took | None, *, trial: bool) -> None:
        """Note that another model was faster; `took` is how long this one had been silent, None where that is unknown.

        It is slow only by its own past: to lose to a model that is faster anyway is no ailment.
        """
        pace = UNKNOWN if took is None else self._paces.get(attempt.model, {}).get(took.kind, UNKNOWN)
        if took is None or not is_overtaken(pace, took.seconds):
            self.failed(attempt, Failure.CANCELLED, trial=trial)
            return
        before = self._health(attempt.model)
        after = answered(before, self._clock.monotonic(), trial=trial, slow=True)
        self._note(attempt.model, before, after)

    def state(self, model: str) -> HealthState:
        """Give the word for how a model is doing."""
        health = self._known.get(model)
        return HealthState.OK if health is None else state_of(health, self._clock.monotonic())

    def states(self, models: Iterable[str]) -> dict[str, HealthState]:
        """Give the word for each of these models."""
        return {model: self.state(model) for model in models}

    def checkup(self, model: str) -> Checkup:
        """Give the state of a model with its reason and its end."""
        health = self._health(model)
        until = None if health.reason is None else self._moment(health.until_s)
        return Checkup(self.state(model), health.reason, until)

    def resume(self, kept: Mapping[str, Cooling], models: Collection[str]) -> None:
        """Begin with the rests that were kept of models that there are; let go of the others, and of those that passed.

        A start reads rules and keys anew: what an operator had to mend may be mended.
        """
        now, now_s = self._clock.now(), self._clock.monotonic()
        for model, cooling in kept.items():
            health = resumed(cooling, now, now_s)
            if health is None or model not in models or cooling.reason in OURS_TO_MEND:
                self._keep(model, None)
                continue
            self._known[model] = health
            self._ailing.add(model)
            rest_s = health.until_s - now_s
            logger.warning("model '%s' is left alone for another %.0f s (%s)", model, rest_s, cooling.reason)

    def mended(self) -> None:
        """Forget what an operator had to mend, now that rules and keys have been read anew."""
        for model in [name for name in self._ailing if self._known[name].reason in OURS_TO_MEND]:
            self._ailing.discard(model)
            del self._known[model]
            self._keep(model, None)

    def _was_slow(self, model: str, took: Took) -> bool:
        """Compare an answer with what is usual, and learn of it unless it was slow."""
        paces = self._paces.setdefault(model, {})
        pace = paces.get(took.kind, UNKNOWN)
        if is_slow(pace, took.seconds):
            return True
        paces[took.kind] = learned(pace, took.seconds)
        return False

    def _health(self, model: str) -> Health:
        return self._known.get(model, WELL)

    def _moment(self, monotonic_s: float) -> datetime:
        return self._clock.now() + timedelta(seconds=monotonic_s - self._clock.monotonic())

    def _note(self, model: str, before: Health, after: Health, mend: str = "") -> None:
        """Remember how a model is doing now; keep and say aloud what is new of it, and what would mend it."""
        self._known[model] = after
        if after.reason is not None:
            self._ailing.add(model)
            self._keep_rest(model, before, after)
            self._say_if_new(model, before, after, mend)
        elif model in self._ailing:
            self._ailing.discard(model)
            self._keep(model, None)
            logger.info("model '%s' answers again", model)

    def _keep_rest(self, model: str, before: Health, after: Health) -> None:
        if after.mild or not isinstance(after.reason, Failure):
            return
        if (before.reason, before.until_s, before.spells) != (after.reason, after.until_s, after.spells):
            self._keep(model, Cooling(after.reason, self._moment(after.until_s), after.spells))

    def _say_if_new(self, model: str, before: Health, after: Health, mend: str) -> None:
        if after.reason is None or (before.reason is not None and before.mild is after.mild):
            return
        if after.mild:
            mend = ": it does worse than usual, others are asked first"
        rest_s = after.until_s - self._clock.monotonic()
        logger.warning("model '%s' is left alone for %.0f s (%s)%s", model, rest_s, after.reason.value, mend)

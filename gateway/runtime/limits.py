"""What callers use of their limits: kept by name over reloads, counted by `engine.limits`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from gateway.domain.caller import UNLIMITED, Caller
from gateway.domain.limit import Full, LimitKind, Standing, TooLarge, UsedUp
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.engine.callers import expected_tokens
from gateway.engine.limits import Admission, Limiter
from gateway.runtime.exchange import Exchange
from gateway.runtime.ports import Clock

NO_STANDINGS: Mapping[LimitKind, Standing] = {}


@dataclass(frozen=True, slots=True)
class Turned:
    """A request that is turned away: `retry_after_s` None where no wait would be true, `final` where none helps."""

    refusal: Refusal
    retry_after_s: int | None = None
    final: bool = False


class Admitted:
    """A request that is under way; its end must be told, however it ends, and twice is as once."""

    __slots__ = ("_admission", "_clock", "_exchange")

    def __init__(self, exchange: Exchange, admission: Admission | None, clock: Clock) -> None:
        self._exchange = exchange
        self._admission = admission
        self._clock = clock

    def ended(self) -> None:
        """Say that the request has ended: what its attempts used is what counts."""
        if self._admission is not None:
            usages = [attempt.usage for attempt in self._exchange.attempts if attempt.usage is not None]
            used = sum(usage.input_tokens + usage.output_tokens for usage in usages)
            self._admission.settle(used, self._clock.monotonic())
            self._admission.release()


class LimitBoard:
    """The limiters of all callers that have limits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiters: dict[str, Limiter] = {}

    def admit(self, exchange: Exchange, *, free: bool = False) -> Admitted | Turned:
        """Take what a request is expected to use, or say why not; one that is turned away has used nothing.

        A `free` one uses no tokens, however many are left.
        """
        caller = exchange.request.caller
        if caller.limits is UNLIMITED or caller.limits == UNLIMITED:
            return Admitted(exchange, None, self._clock)
        limiter = self._limiters.setdefault(caller.name, Limiter())
        limits = replace(caller.limits, tokens=None) if free else caller.limits
        verdict = limiter.admit(limits, expected_tokens(exchange.features), self._clock.monotonic())
        return Admitted(exchange, verdict, self._clock) if isinstance(verdict, Admission) else _turned(verdict, caller)

    def standings(self, caller: Caller) -> Mapping[LimitKind, Standing]:
        """Say where a caller stands with its limits by the minute; nothing where it has none or never came."""
        limiter = self._limiters.get(caller.name)
        if limiter is None or caller.limits == UNLIMITED:
            return NO_STANDINGS
        return limiter.standings(caller.limits, self._clock.monotonic())


def _turned(verdict: UsedUp | Full | TooLarge, caller: Caller) -> Turned:
    name = f"caller '{caller.name}'"
    match verdict:
        case UsedUp():
            wait_s = verdict.retry_after_s
            words = f"{name} has used up its {verdict.limit} {verdict.kind} a minute: come again in {wait_s} s"
            return Turned(_refusal(words), wait_s)
        case Full():
            return Turned(_refusal(f"{name} has {verdict.limit} requests running, and may have no more at a time"))
        case TooLarge():
            asked = f"this request alone takes about {verdict.asked} {verdict.kind}"
            return Turned(_refusal(f"{asked}, and {name} may use {verdict.limit} a minute"), final=True)
        case _:
            assert_never(verdict)


def _refusal(words: str) -> Refusal:
    return Refusal(RefusalKind.RATE_LIMITED, words)

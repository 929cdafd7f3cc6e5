"""An attempt that is under way, and how its end is noted in its exchange."""

import re
from dataclasses import dataclass, replace

from msgspec import structs

from gateway.dialects.base import Bad, Endpoint, Outgoing
from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.pace import Took
from gateway.domain.registry import Model
from gateway.domain.upstream import Reply
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from gateway.engine.effects import EFFECTS, Cools
from gateway.engine.pace import kind_of
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.runtime.exchange import Exchange
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Clock
from gateway.runtime.spend import Hold

HIDDEN = "***"
"""What stands in a provider's words where our credential stood."""
_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,100}")
"""An id that a provider gives may be this; anything else is not kept."""


@dataclass(slots=True)
class Running:
    """An attempt that is under way; `status` is that of the reply's head, 0 until one has come.

    `trial` says that it finds out whether a model answers again. `hurried` once the request's own deadline ended it,
    which is not the model's fault. `again` once the provider turned down what can be left out.
    """

    exchange: Exchange
    position: int
    model: Model
    started_s: float
    board: HealthBoard
    hold: Hold
    trial: bool = False
    counted_s: float = 0.0
    status: int = 0
    garbage: int = 0
    hurried: bool = False
    again: bool = False
    upstream_id: str = ""

    def began(self, reply: Reply, endpoint: Endpoint) -> None:
        """Take in the head of the reply: its status, and the provider's own id of the request."""
        self.status = reply.status
        given = reply.headers.get(endpoint.id_header, "")
        self.exchange.upstream_id = self.upstream_id = given if _ID.fullmatch(given) else ""

    def waited(self, clock: Clock) -> None:
        """Count the time since the start, or since the last count, as time spent on the provider."""
        spent_s = clock.monotonic() - self.started_s
        self.exchange.waited_s += spent_s - self.counted_s
        self.counted_s = spent_s

    def said(self, error: ProviderError) -> ProviderError:
        """Give a provider's words without our credential, which some providers quote."""
        return without(self.exchange.active.targets[self.model.provider].secret, error)

    def answering(self, clock: Clock, output_tokens: int | None = None) -> None:
        """Note that the answer has come, or has begun: the model is well, and the answer its own to the end.

        `output_tokens` is how long a whole answer is, None for a stream that begins.
        """
        now_s, features = clock.monotonic(), self.exchange.features
        self.exchange.answered_by(self.model)
        self.exchange.first_content_s = now_s - self.exchange.started_s
        kind = kind_of(features["estimated_tokens"], output_tokens, thinks="thinking" in features["has"])
        self.board.answered(self.model.name, trial=self.trial, took=Took(kind, now_s - self.started_s))

    def failed(self, bad: Bad, clock: Clock) -> None:
        """Note that it failed before anything reached the caller; what it used all the same is paid."""
        self._note(clock, bad, bad.usage, committed=False)

    def mends(self, mended: Outgoing | None) -> bool:
        """Say whether the same step is asked once more, with a request that leaves something out; no third time."""
        before = (each.again for each in self.exchange.attempts if each.position == self.position)
        return mended is not None and not any(before)

    def ended(self, usage: Usage, bad: Bad | None, clock: Clock) -> None:
        """Note how an attempt ended whose content reached the caller, and what that cost."""
        self.exchange.usage = usage
        self._note(clock, bad, usage, committed=True)

    def _note(self, clock: Clock, bad: Bad | None, usage: Usage | None, *, committed: bool) -> None:
        self.waited(clock)
        exchange = self.exchange
        cost = 0 if usage is None else cost_nano_usd(usage, price_at(self.model.price, exchange.at.date()))
        attempt = Attempt(
            position=self.position,
            model=self.model.name,
            provider=self.model.provider,
            failure=bad.failure if bad else None,
            committed=committed,
            error=self.said(bad.error) if bad else None,
            status=self.status,
            duration_s=self.counted_s,
            usage=usage,
            cost_nano_usd=cost,
            garbage=self.garbage,
            again=self.again,
            upstream_id=self.upstream_id,
        )
        exchange.history.append(attempt)
        self.hold.settle(cost)
        if bad is not None:
            judged = Failure.CANCELLED if self.hurried else bad.failure
            self.board.failed(attempt, judged, trial=self.trial and not committed)
            if EFFECTS[judged].cools is not Cools.NEVER:
                exchange.failed_by(self.model)


def without(secret: str | None, error: ProviderError) -> ProviderError:
    """Give a provider's words with a mark where they quote a secret."""
    if not secret or secret not in f"{error.type}{error.code}{error.message}":
        return error
    words = [text.replace(secret, HIDDEN) for text in (error.type, error.code, error.message)]
    return replace(error, type=words[0], code=words[1], message=words[2])


CHARACTERS_PER_TOKEN = 4


def estimated_usage(exchange: Exchange, characters: int, reported: Usage | None = None) -> Usage:
    """Give our own guess of what was used, flagged as one; what the provider has reported of the input is kept."""
    output_tokens = -(-characters // CHARACTERS_PER_TOKEN)
    if reported is None or not reported.input_tokens:
        return Usage(
            fresh_input_tokens=exchange.features["estimated_tokens"], output_tokens=output_tokens, estimated=True
        )
    most = max(reported.output_tokens, output_tokens)
    return structs.replace(reported, output_tokens=most, estimated=True)

"""An attempt that is under way, and how its end is noted in its exchange."""

from dataclasses import dataclass, replace

from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.registry import Model
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.runtime.exchange import Exchange
from gateway.runtime.ports import Clock

HIDDEN = "***"
"""What stands in a provider's words where our credential stood."""


@dataclass(slots=True)
class Running:
    """An attempt that is under way."""

    exchange: Exchange
    position: int
    model: Model
    started_s: float
    counted_s: float = 0.0

    def waited(self, clock: Clock) -> None:
        """Count the time since the start, or since the last count, as time spent on the provider."""
        spent_s = clock.monotonic() - self.started_s
        self.exchange.waited_s += spent_s - self.counted_s
        self.counted_s = spent_s

    def said(self, error: ProviderError) -> ProviderError:
        """Give a provider's words without our credential, which some providers quote."""
        secret = self.exchange.active.targets[self.model.provider].secret
        if not secret or secret not in f"{error.type}{error.code}{error.message}":
            return error
        words = [text.replace(secret, HIDDEN) for text in (error.type, error.code, error.message)]
        return replace(error, type=words[0], code=words[1], message=words[2])

    def failed(self, failure: Failure, error: ProviderError | None, clock: Clock) -> None:
        """Note that it failed before anything reached the caller."""
        self._note(clock, failure=failure, error=error)

    def answered(self, usage: Usage, clock: Clock) -> None:
        """Note that it answered, and what that cost."""
        self.ended(usage, None, None, clock)

    def ended(self, usage: Usage, failure: Failure | None, error: ProviderError | None, clock: Clock) -> None:
        """Note how an attempt ended whose content reached the caller, and what that cost."""
        exchange = self.exchange
        price = price_at(self.model.price, exchange.at.date())
        exchange.model = self.model
        exchange.usage = usage
        exchange.cost_nano_usd = cost_nano_usd(usage, price)
        self._note(clock, failure=failure, error=error, usage=usage)

    def _note(
        self,
        clock: Clock,
        *,
        failure: Failure | None,
        error: ProviderError | None,
        usage: Usage | None = None,
    ) -> None:
        self.waited(clock)
        self.exchange.history.append(
            Attempt(
                position=self.position,
                model=self.model.name,
                provider=self.model.provider,
                failure=failure,
                committed=usage is not None,
                error=error and self.said(error),
                status=error.status if error else 200 if failure is None else 0,
                duration_s=self.counted_s,
                usage=usage,
                cost_nano_usd=self.exchange.cost_nano_usd if usage is not None else 0,
            )
        )


CHARACTERS_PER_TOKEN = 4


def estimated_usage(exchange: Exchange, characters: int, reported: Usage | None = None) -> Usage:
    """Give our own guess of what was used, flagged as one; what the provider has reported of the input is kept."""
    output_tokens = -(-characters // CHARACTERS_PER_TOKEN)
    if reported is None or not reported.input_tokens:
        return Usage(
            fresh_input_tokens=exchange.features["estimated_tokens"], output_tokens=output_tokens, estimated=True
        )
    most = max(reported.output_tokens, output_tokens)
    return replace(reported, output_tokens=most, estimated=True)

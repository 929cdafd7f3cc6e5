"""An attempt that is under way, and how its end is noted in its exchange."""

from dataclasses import dataclass

from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.registry import Model
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.runtime.exchange import Exchange
from gateway.runtime.ports import Clock


@dataclass(slots=True)
class Running:
    """An attempt that is under way."""

    exchange: Exchange
    position: int
    model: Model
    started_s: float

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
        duration_s = clock.monotonic() - self.started_s
        self.exchange.waited_s += duration_s
        self.exchange.history.append(
            Attempt(
                position=self.position,
                model=self.model.name,
                provider=self.model.provider,
                failure=failure,
                committed=usage is not None,
                error=error,
                status=error.status if error else 200 if failure is None else 0,
                duration_s=duration_s,
                usage=usage,
                cost_nano_usd=self.exchange.cost_nano_usd if usage is not None else 0,
            )
        )


def estimated_usage(exchange: Exchange, text_characters: int) -> Usage:
    """Give our own guess of what was used, flagged as one, where the provider reports nothing."""
    return Usage(
        fresh_input_tokens=exchange.features["estimated_tokens"],
        output_tokens=-(-text_characters // 4),
        estimated=True,
    )

"""What an attempt may cost, whether that fits, and which rungs of a ladder hold: decisions about money, all pure.

Source of the arithmetic: `engine.pricing`; the bounds take the dearest rate that the tokens of each kind can have.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.budget import Block, Budget, Cap, Overspent, Rung, Unread
from gateway.domain.price import NANO_USD_PER_USD, TOKENS_PER_RATE, Price, Rates, Tariff
from gateway.domain.rule import OUTPUT_LIMITS, Params
from gateway.domain.usage import STANDARD

UNKNOWN_MAX_OUTPUT_TOKENS: Final = 4096
"""The output limit that is sent where nobody knows one."""
ATTACHMENT_BOUND_TOKENS: Final = 8_000
"""More than any provider counts for one image or page."""
FRAMING_BOUND_TOKENS: Final = 64
"""More than a chat template adds to a request beside its messages."""
HYSTERESIS: Final = 0.05
"""How far below its share use must fall before a rung lets go."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an attempt may cost in nano-dollars: at the most, and as far as is known usually."""

    most_nano_usd: int
    likely_nano_usd: int


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one attempt can use: tokens of input, tokens of output over all answers, and web searches."""

    input_tokens: int
    output_tokens: int
    web_searches: int = 0


def bound_nano_usd(bound: Bound, price: Price, service_tier: str = STANDARD) -> int:
    """Give the most that an attempt can cost: every token at the dearest rate that its kind has.

    `service_tier` is the one that is asked for; the standard one may be what is given.
    """
    tariffs = [price.standard, *(tariff for name, tariff in price.service_tiers.items() if name == service_tier)]
    rates = [each for tariff in tariffs for each in _rates_up_to(tariff, bound.input_tokens)]
    dearest_input = max(max(_input_rates(each)) for each in rates)
    dearest_output = max(max(each.output, each.audio_output) for each in rates)
    searches = bound.web_searches * max(each.web_search for each in rates)
    millionths = bound.input_tokens * dearest_input + bound.output_tokens * dearest_output
    return -(-millionths // TOKENS_PER_RATE) + searches


def _rates_up_to(tariff: Tariff, input_tokens: int) -> list[Rates]:
    """Give the rates of every band that a request of up to so many tokens can fall into."""
    return [tariff.rates, *(band.rates for band in tariff.bands if band.above_input_tokens < input_tokens)]


def _input_rates(rates: Rates) -> tuple[int, ...]:
    return (
        rates.fresh_input,
        rates.cache_read,
        rates.cache_write_5m,
        rates.cache_write_1h,
        rates.audio_input,
        rates.cache_read_audio,
    )


def input_bound(text_bytes: int, attachments: int, window_tokens: int | None) -> int:
    """Give the most input tokens: no vocabulary has a token of less than a byte, and no input exceeds its window."""
    most = text_bytes + FRAMING_BOUND_TOKENS + ATTACHMENT_BOUND_TOKENS * attachments
    return most if window_tokens is None else min(most, window_tokens)


def output_limit(asked: int | None, params: Params) -> int | None:
    """Give the largest output limit that a provider may be sent after the step's edits; None where it may be sent none.

    Which of its names a body has is not looked at: where an edit may or may not meet it, the larger outcome counts.
    """
    dropped = any(name in params.drop for name in OUTPUT_LIMITS)
    set_to = [given for name in OUTPUT_LIMITS if isinstance(given := params.set.get(name), int)]
    default = [given for name in OUTPUT_LIMITS if isinstance(given := params.default.get(name), int)]
    caps = [int(params.cap[name]) for name in OUTPUT_LIMITS if name in params.cap]
    own = [] if asked is None else [asked]
    candidates = set_to or (own if own and not dropped else [*default, *own] if default else [])
    return min([*caps, *([max(candidates)] if candidates else [])], default=None)


def output_bound(limit: int | None, model_max: int | None, assumed: int | None) -> tuple[int, int | None]:
    """Give the most output tokens of an answer, and the limit that must be sent for that to hold, None for none.

    `assumed` is what a budget gives a request that has no limit of its own.
    """
    if limit is not None:
        return limit, None
    if assumed is not None:
        return min(assumed, model_max or assumed), assumed
    return (UNKNOWN_MAX_OUTPUT_TOKENS,) * 2 if model_max is None else (model_max, None)


def ceiling_nano_usd(budget: Budget, limit_nano_usd: int) -> int | None:
    """Give the amount past which a budget refuses; None where it never does."""
    shares = [rung.share for rung in budget.rungs if isinstance(rung.action, Block)]
    if budget.hard:
        shares.append(1.0)
    return None if not shares else round(limit_nano_usd * min(shares))


def holding(rungs: Sequence[Rung], share: float, before: frozenset[int]) -> frozenset[int]:
    """Give the places of the rungs that hold at a share of use; one that held lets go only well below its share."""
    return frozenset(
        place
        for place, rung in enumerate(rungs)
        if share >= rung.share or (place in before and share > rung.share - HYSTERESIS)
    )


def caps_of(rungs: Iterable[Rung]) -> dict[str, float]:
    """Join the caps of rungs that hold: the lowest of each name."""
    caps: dict[str, float] = {}
    for rung in rungs:
        if isinstance(rung.action, Cap):
            for name, most in rung.action.params.items():
                caps[name] = min(most, caps.get(name, most))
    return caps


def usual_nano_usd(costs: Sequence[int], share: float = 0.99) -> int | None:
    """Give what nearly all of some costs stay within; None of too few."""
    if len(costs) < FEWEST_COSTS:
        return None
    ordered = sorted(costs)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


FEWEST_COSTS: Final = 20
"""Costs that are too few to say what is usual."""


def words_of(overspent: Overspent) -> str:
    """Say why a budget refuses, with what is spent, the limit and when it may pass again."""
    spent, limit = usd(overspent.spent_nano_usd), usd(overspent.limit_nano_usd)
    said = (
        f"budget '{overspent.budget}' ({overspent.period}) has spent {spent} of {limit} USD: no room for this request"
    )
    if overspent.resets_at is None:
        return f"{said}: it may cost more than the whole budget; a smaller max_tokens would help"
    return f"{said}; it resets at {overspent.resets_at.isoformat(timespec='seconds')}"


def words_of_unread(unread: Unread) -> str:
    """Say that nothing passes a budget because it is not known what it has spent."""
    why = "cannot be read from the gateway's own ledger, and it is to let nothing pass then"
    return f"what budget '{unread.budget}' has spent {why} (on_store_failure: closed)"


def usd(nano_usd: int) -> str:
    """Give nano-dollars as people write dollars: exactly, with two places at the least."""
    whole, part = divmod(nano_usd, NANO_USD_PER_USD)
    return f"{whole}.{f'{part:09}'.rstrip('0'):0<2}"

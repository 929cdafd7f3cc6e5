"""Holds money back for an attempt: what it may cost, in every budget that it counts for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.domain.budget import Overspent, Spender, Unread
from gateway.domain.chat import Conversation
from gateway.domain.price import FREE
from gateway.domain.registry import Model
from gateway.domain.rule import Step
from gateway.domain.usage import STANDARD
from gateway.domain.words import Surface
from gateway.engine.budgets import Asked, Bound, bound_nano_usd, input_bound, output_bound, output_limit
from gateway.engine.pricing import price_at
from gateway.runtime.account import NO_HOLD, Account, Hold
from gateway.runtime.exchange import Exchange
from gateway.runtime.spend import SpendBook, caps

USUAL_OUTPUT_TOKENS = 500
"""Output that an attempt is taken to have where nothing is known of others like it."""
MOST_SEARCHES = 10
"""Searches that a tool may make which says no number of its own."""


def reserve(exchange: Exchange, step: Step, model: Model, book: SpendBook) -> tuple[Step, Hold] | Overspent | Unread:
    """Hold money back for an attempt at a step; give the step with what its budgets cap, or say which one refuses."""
    accounts = () if book.boundless else book.covering(spender_of(exchange, model))
    if not accounts:
        return step, NO_HOLD
    step = _capped(step, caps(accounts))
    price = price_at(model.price, exchange.at.date())
    if price is FREE:
        return step, NO_HOLD
    request, features = exchange.request, exchange.features
    embeddings = request.surface is Surface.EMBEDDINGS  # no output, and a window for each of the inputs
    limit = 0 if embeddings else output_limit(request.max_tokens, step.params)
    most_output, to_send = output_bound(limit, model.max_output_tokens, _assumed(accounts))
    if to_send is not None and any(account.budget.hard for account in accounts):
        step = _capped(step, {"max_tokens": to_send})
    answers = max(_whole(request.fields.get("n")), 1)
    window = None if embeddings else model.window_tokens
    most_input = input_bound(_text_bytes(exchange), features["conversation"].attachments, window)
    bound = Bound(most_input, most_output * answers, _searches(request.fields))
    usual = Bound(features["estimated_tokens"], min(most_output, USUAL_OUTPUT_TOKENS) * answers)
    tier = request.fields.get("service_tier")
    likely = book.usual_nano_usd(exchange.decision.rule, model.name)
    asked = Asked(
        most_nano_usd=bound_nano_usd(bound, price, tier if isinstance(tier, str) else STANDARD),
        likely_nano_usd=bound_nano_usd(usual, price) if likely is None else likely,
    )
    held = book.reserve(accounts, asked)
    if not isinstance(held, Hold):
        return held
    exchange.holds.append(held)
    return step, held


def spender_of(exchange: Exchange, model: Model) -> Spender:
    """Say whom and what an attempt spends for."""
    caller, decision = exchange.request.caller, exchange.decision
    return Spender(
        team=caller.team,
        caller=caller.name,
        tags=exchange.tags,
        rule=decision.rule,
        category=decision.category,
        model=model.name,
        provider=model.provider,
    )


def _capped(step: Step, lowered: Mapping[str, float]) -> Step:
    if not lowered:
        return step
    most = {name: min(value, step.params.cap.get(name, value)) for name, value in lowered.items()}
    return replace(step, params=replace(step.params, cap={**step.params.cap, **most}))


def _assumed(accounts: tuple[Account, ...]) -> int | None:
    budgets = [account.budget for account in accounts if account.budget.hard]
    return min((each.assume_max_tokens for each in budgets if each.assume_max_tokens is not None), default=None)


def _text_bytes(exchange: Exchange) -> int:
    """Give no less than the bytes of all text; the body has more, unless most of it is an image."""
    conversation: Conversation = exchange.features["conversation"]
    if not conversation.attachments:
        return len(exchange.request.body)
    texts = [conversation.system, conversation.tools_text]
    for turn in conversation.turns:
        texts += (turn.text, turn.tool_text)
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _searches(fields: Mapping[str, Any]) -> int:
    """Give the most web searches that a request allows the provider."""
    tools = fields.get("tools")
    each = tools if isinstance(tools, list) else []
    searching = [tool for tool in each if isinstance(tool, dict) and str(tool.get("type")).startswith("web_search")]
    by_options = MOST_SEARCHES if "web_search_options" in fields else 0
    return by_options + sum(_whole(tool.get("max_uses")) or MOST_SEARCHES for tool in searching)


def _whole(value: Any) -> int:  # noqa: ANN401 - decoded JSON
    return value if type(value) is int and value > 0 else 0

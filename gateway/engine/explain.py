"""A Decision in words and numbers: the one account of it that commands, endpoints and tests give."""

from typing import Any, assert_never

from gateway.domain.category import Classification
from gateway.domain.decision import Decided, Decision, Locked, Tried, Unroutable, unlocked
from gateway.domain.price import NANO_USD_PER_USD
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Surface
from gateway.engine.capable import can_serve, lack_in_words
from gateway.engine.decide import smallest_flip, tried_of
from gateway.engine.features import Features
from gateway.engine.match import describe, seen, shown
from gateway.engine.pricing import cost_nano_usd, price_at

ASSUMED_OUTPUT_TOKENS = 500
"""Output that an estimated cost assumes where the caller sets no limit; says so in the account."""


def account_of(snapshot: Snapshot, features: Features, decided: Decided) -> dict[str, Any]:
    """Give the Decision as JSON values: what was decided, every rule tried before, and what would have flipped it."""
    classification = features.classification()
    decision, flip = unlocked(decided), smallest_flip(decided, features)
    account: dict[str, Any] = {
        "rule": decision.rule if isinstance(decision, Decision) else None,
        "category": classification.category,
        "confidence": round(classification.confidence, 4),
        "complexity": shown(features["complexity@user"]),
        "score": round(features["score@user"], 4),
        "needs_reasoning": features["needs_reasoning@user"],
        "estimated_tokens": features["estimated_tokens"],
        "deciding": [{"word": word, "weight": round(weight, 3)} for word, weight in classification.deciding],
        "runner_up": _runner_up(classification),
        "generation": snapshot.generation,
        "fingerprint": snapshot.fingerprint,
        "tried": [_tried(each, features) for each in tried_of(decision, features)],
        "shadows": list(decision.shadows),
        "flip": None if flip is None else {"rule": flip.rule, "conditions": list(flip.conditions)},
    }
    match decided:
        case Unroutable():
            account |= {"refused": True, "requested_model": decided.requested, "model": None, "chain": []}
        case Locked(caller=caller):
            lock = {"caller": caller.name, "models": sorted(caller.models or ())}
            account |= {"refused": True, "requested_model": features["model"], "model": None, "chain": [], "lock": lock}
        case Decision():
            account |= _routed(snapshot, features, decided)
        case _:
            assert_never(decided)
    return account


def _routed(snapshot: Snapshot, features: Features, decision: Decision) -> dict[str, Any]:
    rule = decision.matched
    model = snapshot.models[decision.model]
    return {
        "refused": not can_serve(decision.chain, decision.unfit),
        "file": rule.file if rule else None,
        "line": rule.mark.line if rule else None,
        "priority": rule.priority if rule else None,
        "because": describe(rule.when) if rule else "no rule took it, and the request names this model",
        "seen": seen(rule.when, features) if rule else {},
        "model": decision.model,
        "upstream_model": model.upstream,
        "provider": model.provider,
        "chain_name": decision.chain_name or None,
        "chain": [step.model for step in decision.chain.steps],
        "incapable": [
            {"model": step.model, "lacks": list(lacks), "why": lack_in_words(step, lacks)}
            for place, lacks in decision.unfit.items()
            for step in (decision.chain.steps[place],)
        ],
        "hedge": None if decision.chain.hedge is None else str(decision.chain.hedge),
        "affinity": None if decision.pin is None else {"model": decision.pin, "stays": decision.stays},
        "split": None if not decision.split else {str(place): name for place, name in decision.split.items()},
        "estimated_cost_usd": estimated_cost_nano_usd(snapshot, features, decision) / NANO_USD_PER_USD,
        "assumed_output_tokens": output_tokens_of(features),
    }


def output_tokens_of(features: Features) -> int:
    """Give the output that an estimated cost goes by: the caller's limit, or what we assume; vectors are none."""
    if features["surface"] == Surface.EMBEDDINGS:
        return 0
    most: int | None = features["max_tokens"]
    return ASSUMED_OUTPUT_TOKENS if most is None else most


def estimated_cost_nano_usd(snapshot: Snapshot, features: Features, decision: Decision) -> int:
    """Estimate what the first step costs, in nano-dollars."""
    usage = Usage(fresh_input_tokens=features["estimated_tokens"], output_tokens=output_tokens_of(features))
    price = price_at(snapshot.models[decision.model].price, features["at"].date())
    return cost_nano_usd(usage, price)


def _runner_up(classification: Classification) -> dict[str, Any] | None:
    others = [
        (score, name) for name, score in classification.scores.items() if name != classification.category and score > 0
    ]
    if not others:
        return None
    score, name = max(others)
    return {"category": name, "score": round(score, 3)}


def _tried(tried: Tried, features: Features) -> dict[str, Any]:
    return {
        "rule": tried.rule.name,
        "file": tried.rule.file,
        "line": tried.rule.mark.line,
        "failed": describe(tried.missed),
        "seen": seen(tried.missed, features),
    }

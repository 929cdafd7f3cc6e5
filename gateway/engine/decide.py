"""Which chain a request takes, and why."""

from collections.abc import Mapping
from datetime import datetime

from gateway.domain.decision import REQUESTED_MODEL, Decided, Decision, Flip, Tried, Unroutable, unlocked
from gateway.domain.request import Request
from gateway.domain.rule import Chain, Route, Step
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Mode
from gateway.engine.chain import Settled, settle, settle_again
from gateway.engine.features import ARMS, AT_REST, Features, Live
from gateway.engine.lock import locked
from gateway.engine.match import describe, first_miss, misses


def decide(snapshot: Snapshot, features: Features) -> Decided:
    """Take the first live rule whose conditions hold, else the model that the request names.

    Shadow rules are matched on the way and noted; they never take the request. Models that may not answer the caller
    are left out.
    """
    decision = _walk(snapshot, features)
    if not snapshot.callers.needed:
        return decision
    return locked(decision, snapshot.callers.named(features["caller"]), lambda route: _settled(route, features))


def _walk(snapshot: Snapshot, features: Features) -> Decision | Unroutable:
    tried: list[Tried] = []
    shadows: list[str] = []
    for rule in snapshot.rules:
        miss = first_miss(rule.when, features)
        if miss is not None:
            tried.append(Tried(rule, miss))
        elif rule.mode is Mode.SHADOW:
            shadows.append(rule.name)
        else:
            chain, taken = _settled(rule.route, features)
            return Decision(
                rule=rule.name,
                matched=rule,
                category=features["category@user"],
                confidence=features["confidence@user"],
                chain=chain,
                chain_name=rule.route.name,
                tried=tuple(tried),
                shadows=tuple(shadows),
                split=taken,
            )
    return _requested(snapshot, features, tuple(tried), tuple(shadows))


def _settled(route: Route, features: Features) -> Settled:
    if not route.splits:
        return settle(route, 0)
    recorded: Mapping[int, str] | None = features.get(ARMS)
    return settle(route, features["conversation_hash"]) if recorded is None else settle_again(route, recorded)


def _requested(
    snapshot: Snapshot, features: Features, tried: tuple[Tried, ...], shadows: tuple[str, ...]
) -> Decision | Unroutable:
    asked: str = features["model"]
    name = asked if asked in snapshot.models else snapshot.by_upstream.get(asked)
    if name is None:
        return Unroutable(asked, tried, shadows)
    defaults = snapshot.defaults
    step = Step(name, defaults.timeouts, window_tokens=snapshot.models[name].window_tokens)
    return Decision(
        rule=REQUESTED_MODEL,
        matched=None,
        category=features["category@user"],
        confidence=features["confidence@user"],
        chain=Chain((step,), defaults.deadline_s, defaults.fall_back_on),
        chain_name="",
        tried=tried,
        shadows=shadows,
    )


def decide_request(
    snapshot: Snapshot, request: Request, at: datetime, live: Live = AT_REST
) -> tuple[Features, Decided]:
    """Decide for a request that comes at an aware moment; traffic and questions alike come this way."""
    features = Features.of(request, snapshot.table, snapshot.defaults.prefer, at, live)
    return features, decide(snapshot, features)


def smallest_flip(decided: Decided, features: Features) -> Flip | None:
    """Give the live rule that needed the fewest changes to take the request.

    Of equals it is the one that was tried first: a change that suits a later one may suit it too, and then it would
    take the request. Of a row only rules are considered whose conditions it kept.
    """
    flips = [flip for tried in unlocked(decided).tried if (flip := _flip(tried, features)) is not None]
    return min(flips, key=lambda flip: len(flip.conditions), default=None)


def _flip(tried: Tried, features: Features) -> Flip | None:
    if tried.rule.mode is not Mode.LIVE:
        return None
    try:
        return Flip(tried.rule.name, tuple(describe(miss) for miss in misses(tried.rule.when, features)))
    except KeyError:
        return None

"""Which chain a request takes, and why."""

from collections.abc import Mapping
from datetime import datetime

from gateway.domain.decision import REQUESTED_MODEL, Decided, Decision, Flip, Misses, Tried, Unroutable, unlocked
from gateway.domain.request import Request
from gateway.domain.rule import Chain, Condition, Leaf, Route, Rule, Step
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Mode
from gateway.engine.affinity import heeding
from gateway.engine.capable import at_model, unfit_of
from gateway.engine.chain import Settled, settle, settle_again
from gateway.engine.features import ARMS, AT_REST, PIN, Features, Live
from gateway.engine.lock import locked
from gateway.engine.match import describe, first_miss, misses
from gateway.engine.plan import places_for

_SHADOW = Mode.SHADOW  # looking a member up takes as long as looking at a condition


def decide(snapshot: Snapshot, features: Features) -> Decided:
    """Take the first live rule whose conditions hold, else the model that the request names.

    Shadow rules are matched on the way and noted; they never take the request. Models that may not answer the caller
    are left out, the one that answered the conversation last comes first, and those that are known not to serve the
    request are noted.
    """
    decision: Decided = _walk(snapshot, features)
    if not isinstance(decision, Decision):
        return decision
    pin: str | None = features[PIN] if decision.matched and decision.matched.heeds else None
    if snapshot.callers.needed:
        caller = snapshot.callers.named(features["caller"])
        decision = locked(decision, caller, lambda route: _settled(route, features, pin))
        if not isinstance(decision, Decision):
            return decision
    if pin is not None:
        decision = heeding(decision, pin)
    unfit = unfit_of(decision.chain, features)
    return decision.noting(unfit) if unfit else decision


def _walk(snapshot: Snapshot, features: Features) -> Decision | Unroutable:
    rules, plan = snapshot.rules_for(features["surface"])
    missed: dict[int, Condition | None] = {}
    shadows: list[str] = []
    for position in range(len(rules)) if plan is None else places_for(plan, features):
        rule = rules[position]
        for part in rule.parts if plan is None else rule.written:  # what is implied, the plan has seen to
            if type(part) is Leaf:  # most parts of most rules: a call for each would double the walk
                if not part.test(features[part.feature]):
                    break
            elif first_miss(part, features) is not None:
                break
        else:
            if rule.mode is not _SHADOW:
                return _matched(rules, position, features, missed, tuple(shadows))
            missed[position] = None
            shadows.append(rule.name)
            continue
        missed[position] = part
    return _requested(snapshot, rules, features, missed, tuple(shadows))


def _matched(
    rules: tuple[Rule, ...], position: int, features: Features, missed: Misses, shadows: tuple[str, ...]
) -> Decision:
    rule = rules[position]
    chain, taken = _settled(rule.route, features, features[PIN] if rule.heeds else None)
    return Decision(
        rule=rule.name,
        matched=rule,
        category=features["category@user"],
        confidence=features["confidence@user"],
        chain=chain,
        chain_name=rule.route.name,
        rules=rules,
        walked=position,
        misses=missed,
        shadows=shadows,
        split=taken,
    )


def _settled(route: Route, features: Features, pin: str | None) -> Settled:
    if route.settled is not None:
        return route.settled, {}
    recorded: Mapping[int, str] | None = features.get(ARMS)
    return settle(route, features["conversation_hash"], pin) if recorded is None else settle_again(route, recorded)


def _requested(
    snapshot: Snapshot, rules: tuple[Rule, ...], features: Features, missed: Misses, shadows: tuple[str, ...]
) -> Decision | Unroutable:
    asked: str = features["model"]
    name = asked if asked in snapshot.models else snapshot.by_upstream.get(asked)
    if name is None:
        return Unroutable(asked, rules, len(rules), missed, shadows)
    defaults = snapshot.defaults
    step = at_model(Step("", defaults.timeouts), snapshot.models[name])
    return Decision(
        rule=REQUESTED_MODEL,
        matched=None,
        category=features["category@user"],
        confidence=features["confidence@user"],
        chain=Chain((step,), defaults.deadline_s, defaults.fall_back_on, defaults.strict_params, defaults.courtesy),
        chain_name="",
        rules=rules,
        walked=len(rules),
        misses=missed,
        shadows=shadows,
    )


def tried_of(decided: Decided, features: Features) -> tuple[Tried, ...]:
    """Give each rule that came before and did not hold, in order, with its first condition that failed.

    The features are those that the decision was made from. What was passed over is looked at now, and fails as it
    would have then: no decision hangs on when its reasons are asked for.
    """
    decision, tried = unlocked(decided), []
    for position, rule in enumerate(decision.rules[: decision.walked]):
        known = position in decision.misses
        miss = decision.misses[position] if known else first_miss(rule.when, features)
        if miss is not None:
            tried.append(Tried(rule, miss))
    return tuple(tried)


def decide_request(
    snapshot: Snapshot, request: Request, at: datetime, live: Live = AT_REST
) -> tuple[Features, Decided]:
    """Decide for a request that comes at an aware moment; traffic and questions alike come this way."""
    features = Features.of(request, snapshot.table, snapshot.defaults.prefer, at, live).stand()
    return features, decide(snapshot, features)


def smallest_flip(decided: Decided, features: Features) -> Flip | None:
    """Give the live rule that needed the fewest changes to take the request.

    Of equals it is the one that was tried first: a change that suits a later one may suit it too, and then it would
    take the request. Of a row only rules are considered whose conditions it kept.
    """
    flips = [flip for tried in tried_of(decided, features) if (flip := _flip(tried, features)) is not None]
    return min(flips, key=lambda flip: len(flip.conditions), default=None)


def _flip(tried: Tried, features: Features) -> Flip | None:
    if tried.rule.mode is not Mode.LIVE:
        return None
    try:
        return Flip(tried.rule.name, tuple(describe(miss) for miss in misses(tried.rule.when, features)))
    except KeyError:
        return None

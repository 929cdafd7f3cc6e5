"""What a log row keeps of a Decision, and the same Decision made again from it.

A row has the cheap features and no text. Conditions on text and headers are kept as one bit each, whether they held,
so that the rules can be walked again and give the same rule for the same reasons.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any, assert_never

from gateway.domain.category import Classification
from gateway.domain.decision import Decided, Decision, Unroutable, unlocked
from gateway.domain.plan import Plan
from gateway.domain.request import AUTO
from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Not, Rule, leaves
from gateway.domain.snapshot import Snapshot
from gateway.engine.decide import decide
from gateway.engine.features import ARMS, PIN, STANDING, WORD_SETS, Features
from gateway.engine.plan import UNSEEN, plan_of

SCORES = "scores@user"
HELD = "held"
NEEDS = "needs"
"""The keys of category scores, of what a model must take, and of the bits of private conditions.

A bit is `1` for held and `0` for did not, by place in the rules.
"""


_standing = itemgetter(*STANDING)


def facts_of(snapshot: Snapshot, features: Features, decided: Decided) -> dict[str, Any]:
    """Give what the row keeps: JSON values by feature key."""
    decision = unlocked(decided)
    facts = dict(zip(STANDING, _standing(features), strict=True))
    for key in WORD_SETS:
        facts[key] = sorted(features[key])
    facts[SCORES] = {name: round(score, 3) for name, score in features.classification().scores.items() if score}
    rules, plan = snapshot.rules_for(features["surface"])
    plan = plan or plan_of(rules)
    for key, first in plan.kept:
        if first <= decision.walked and key in features:
            facts[key] = _json(features[key])
    if needs := features["needs"]:
        facts[NEEDS] = sorted(needs)
    if held := _bits_of_rules(plan, features, decision):
        facts[HELD] = held
    if isinstance(decision, Decision) and decision.split:
        facts[ARMS] = {str(place): model for place, model in decision.split.items()}
    if isinstance(decision, Decision) and decision.pin:
        facts[PIN] = decision.pin
    return facts


def _bits_of_rules(plan: Plan, features: Features, decision: Decision | Unroutable) -> str:
    """Give the bits of all rules with private leaves up to the one that took the request."""
    auto = features["model"] == AUTO
    misses, walked = decision.misses, decision.walked
    places = plan.private_places[: bisect_right(plan.private_places, walked)]
    if auto and len(places) < len(plan.passed_over) and walked not in places and misses.keys().isdisjoint(places):
        return plan.passed_over[len(places)]
    bits: list[str] = []
    for position, passed_over in plan.private:
        if position > walked:
            break
        rule = decision.rules[position]
        if position in misses or position == walked:
            bits.append(_bits_of(rule, misses.get(position), features))
        elif rule.implied and not auto:
            bits.append(UNSEEN * sum(leaf.private for leaf in rule.leaves))
        else:
            bits.append(_walk(rule.when, features)[1] if passed_over is None else passed_over)
    return "".join(bits)


def _bits_of(rule: Rule, missed: Condition | None, features: Features) -> str:
    """Give a bit for each private leaf of a rule that was looked at, `missed` being its first that did not hold.

    In a rule that is a plain list of conditions, all before the missed one held and nobody looked at those after it.
    """
    if rule.parts != rule.leaves:
        return _walk(rule.when, features)[1]
    bits, bit = "", "1"
    for leaf in rule.leaves:
        here = "0" if leaf is missed else bit
        bit = UNSEEN if leaf is missed else bit
        bits += here if leaf.private else ""
    return bits


def _walk(condition: Condition, features: Features) -> tuple[bool, str]:
    """Say whether a condition holds, with a bit for each private leaf in reading order.

    Walks as the decision did, no further than it had to: no text is searched for the log alone.
    """
    match condition:
        case Leaf():
            holds = bool(condition.test(features[condition.feature]))
            return holds, ("1" if holds else "0") if condition.private else ""
        case AllOf() | AnyOf():
            decisive = isinstance(condition, AnyOf)
            holds, bits = not decisive, ""
            for part in condition.parts:
                if holds is decisive:
                    bits += UNSEEN * sum(1 for leaf in leaves(part) if leaf.private)
                    continue
                holds, more = _walk(part, features)
                bits += more
            return holds, bits
        case Not():
            holds, bits = _walk(condition.part, features)
            return not holds, bits
        case _:
            assert_never(condition)


def decide_again(snapshot: Snapshot, facts: Mapping[str, Any], at: datetime) -> tuple[Features, Decided]:
    """Make the Decision of a row again, under the Snapshot that it was made with."""
    values = {key: _value(key, value) for key, value in facts.items() if key not in (SCORES, HELD)}
    values["classification@user"] = Classification(facts["category@user"], facts["confidence@user"], facts[SCORES])
    values["at"] = at
    values[NEEDS] = frozenset(facts.get(NEEDS, ()))
    values[ARMS] = {int(place): model for place, model in facts.get(ARMS, {}).items()}
    values[PIN] = facts.get(PIN)
    held = str(facts.get(HELD, ""))
    values |= {f"{HELD}.{position}": bit == "1" for position, bit in enumerate(held) if bit != UNSEEN}
    features = Features.recorded(values)
    rules = _with_bits(snapshot.rules_for(features["surface"])[0], len(held))
    return features, decide(replace(snapshot, rules=rules, plan=None, embedding_plan=None), features)


def _with_bits(rules: tuple[Rule, ...], kept: int) -> tuple[Rule, ...]:
    """Replace private leaves by ones that read their bit; rules past the last bit were not looked at."""
    position = 0
    replaced = []
    for rule in rules:
        count = sum(1 for leaf in rule.leaves if leaf.private)
        if position + count > kept:
            break
        when, position = _bits(rule.when, position)
        replaced.append(replace(rule, when=when))
    return tuple(replaced)


def _bits(condition: Condition, position: int) -> tuple[Condition, int]:
    match condition:
        case Leaf():
            if not condition.private:
                return condition, position
            return replace(condition, feature=f"{HELD}.{position}", test=bool, keys=None), position + 1
        case AllOf() | AnyOf():
            parts = []
            for each in condition.parts:
                part, position = _bits(each, position)
                parts.append(part)
            return type(condition)(tuple(parts)), position
        case Not():
            part, position = _bits(condition.part, position)
            return Not(part), position
        case _:
            assert_never(condition)


def _json(value: Any) -> Any:  # noqa: ANN401 - a feature value
    return sorted(value) if isinstance(value, frozenset) else value


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - a feature value
    return frozenset(value) if key in WORD_SETS else value

"""Does a condition hold, and if not, which part of it failed first."""

from typing import assert_never

from gateway.domain.rule import AllOf, AnyOf, Condition, Leaf, Not, leaves
from gateway.engine.features import Features


def first_miss(condition: Condition, features: Features) -> Condition | None:
    """Give the first condition that does not hold, or None when all do.

    Parts are looked at in their order and no further than the answer needs, so that a feature that no deciding
    condition reads is never computed. An `any` with no part that holds is itself the miss; so is a `not`.
    """
    match condition:
        case AllOf():
            for part in condition.parts:
                if isinstance(part, Leaf):  # most parts of most rules: a call for each would double the walk
                    if not part.test(features[part.feature]):
                        return part
                elif (miss := first_miss(part, features)) is not None:
                    return miss
            return None
        case Leaf():
            return None if condition.test(features[condition.feature]) else condition
        case AnyOf():
            return None if any(first_miss(part, features) is None for part in condition.parts) else condition
        case Not():
            return condition if first_miss(condition.part, features) is None else None
        case _:
            assert_never(condition)


def misses(condition: Condition, features: Features) -> tuple[Condition, ...]:
    """Give every condition that would have to change for this one to hold, the fewest where there is a choice."""
    match condition:
        case AllOf():
            return tuple(miss for part in condition.parts for miss in misses(part, features))
        case AnyOf():
            return min((misses(part, features) for part in condition.parts), key=len, default=(condition,))
        case Leaf() | Not():
            return () if first_miss(condition, features) is None else (condition,)
        case _:
            assert_never(condition)


def describe(condition: Condition) -> str:
    """Give a condition as a person would write it on one line."""
    match condition:
        case Leaf():
            why = " (implied: the rule mentions model nowhere)" if condition.implied else ""
            return f"{condition.name}: {condition.wanted}{why}"
        case AllOf():
            parts = [part for part in condition.parts if not (isinstance(part, Leaf) and part.implied)]
            return " and ".join(describe(part) for part in parts or condition.parts) or "always"
        case AnyOf():
            return f"any of ({', '.join(describe(part) for part in condition.parts)})"
        case Not():
            return f"not ({describe(condition.part)})"
        case _:
            assert_never(condition)


def seen(condition: Condition, features: Features) -> dict[str, object]:
    """Give the values a condition looked at, by the name of each leaf; private ones only say whether they held.

    Where leaves of one name saw different things, each goes by its whole text. A row knows only what its decision hung
    on: what it did not keep is left out.
    """
    saw: list[tuple[Leaf, object]] = []
    for leaf in leaves(condition):
        try:
            value = features[leaf.feature]
        except KeyError:
            continue
        saw.append((leaf, leaf.test(value) if leaf.private else shown(value)))
    different = {leaf.name for leaf, value in saw for other, what in saw if leaf.name == other.name and value != what}
    return {describe(leaf) if leaf.name in different else leaf.name: value for leaf, value in saw}


def shown(value: object) -> object:
    """Give a feature value as JSON can hold it."""
    if isinstance(value, frozenset):
        return sorted(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)

"""A `when` to a Condition: each leaf gets the feature it reads and a test that is pure and linear."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import re2

from gateway.config.node import Findings, Node
from gateway.domain.category import Complexity
from gateway.domain.rule import ALWAYS, AllOf, AnyOf, Condition, Leaf, Not
from gateway.engine.text import needle

Test = Callable[[Any], bool]

LOOK_SENSITIVE = frozenset(
    {"category", "confidence", "complexity", "needs_reasoning", "words", "characters", "contains", "matches"}
)
_ORDER = {Complexity.LOW: 0, Complexity.MEDIUM: 1, Complexity.HIGH: 2}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
    "eq": lambda value, limit: value == limit,
}
_PATTERN_SIZE = 64 * 1024
"""Bytes of compiled program that one pattern of a rule may take."""


def compile_pattern(pattern: str, *, any_case: bool = False) -> Any:  # noqa: ANN401 - re2 has no types
    """Compile an RE2 pattern; raises ValueError with RE2's own words."""
    options = re2.Options()
    options.never_capture = True
    options.case_sensitive = not any_case
    options.log_errors = False
    options.max_mem = _PATTERN_SIZE * 16
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else "not a regular expression"
        raise ValueError(words.decode() if isinstance(words, bytes) else str(words)) from error


def condition_of(node: Node | None, findings: Findings, categories: Mapping[str, object]) -> Condition:
    """Compile a map of conditions; a missing `when` always holds."""
    if node is None:
        return ALWAYS
    look = node["look_at"].value if "look_at" in node.value else "user"
    parts: list[Condition] = []
    for key, child in node.items():
        match key:
            case "look_at":
                continue
            case "all" | "any":
                inner = tuple(condition_of(each, findings, categories) for each in child)
                parts.append(AllOf(inner) if key == "all" else AnyOf(inner))
            case "not":
                parts.append(Not(condition_of(child, findings, categories)))
            case _:
                parts.append(_leaf(key, child, look, findings, categories))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _leaf(key: str, node: Node, look: str, findings: Findings, categories: Mapping[str, object]) -> Leaf:
    wanted = written(node.value)
    try:
        match key:
            case "contains":
                return Leaf(key, f"folded@{look}", wanted, _contains(node.value), private=True)
            case "matches":
                return Leaf(key, f"text@{look}", wanted, _matches(node.value), private=True)
            case "has":
                return Leaf(key, key, wanted, _shares(_listed(node.value)))
            case "tags":
                return Leaf(key, key, wanted, _any_of_set(_test(node.value)))
            case "time":
                return Leaf(key, "at", wanted, _time(node.value))
            case "complexity":
                return Leaf(key, f"complexity@{look}", wanted, _ordered(node.value))
            case "category":
                _check_categories(node, findings, categories)
            case _:
                pass
        feature = f"{key}@{look}" if key in LOOK_SENSITIVE else _feature(key)
        return Leaf(key, feature, wanted, _test(node.value), private=key.startswith(("header.", "metadata.")))
    except ValueError as error:
        findings.add(node.problem(str(error), "patterns are RE2: linear time, no lookaround, no backreferences"))
        return Leaf(key, key, wanted, lambda _: False)


def _feature(key: str) -> str:
    return key.lower() if key.startswith("header.") else key


def _check_categories(node: Node, findings: Findings, categories: Mapping[str, object]) -> None:
    """A category that is written out must be one there is."""
    names = [node] if isinstance(node.value, str) else list(node) if isinstance(node.value, list) else []
    if isinstance(node.value, dict):
        names = [node["eq"]] if "eq" in node.value else []
        names += list(node["in"]) if "in" in node.value else []
    for name in names:
        if name.value not in categories:
            findings.missing(name, "category", name.value, list(categories))


def written(value: Any) -> str:  # noqa: ANN401 - a value of a rule file
    """Give a value of a rule file on one line, as a person would write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(written(each) for each in value)}]"
        case dict():
            return " and ".join(f"{key} {written(each)}" for key, each in value.items())
        case _:
            return str(value)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - a value of a rule file
    return value if isinstance(value, list) else [value]


def _test(value: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    """Compile a value, a list of values or a map of operators; what is absent in the request holds for none."""
    if isinstance(value, dict):
        return _all_of([_operator(name, operand) for name, operand in value.items()])
    if isinstance(value, list):
        return frozenset(value).__contains__
    return value.__eq__ if isinstance(value, str) else lambda seen: seen is not None and seen == value


def _operator(name: str, operand: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    match name:
        case "in":
            return frozenset(operand).__contains__
        case "glob":
            return _search(compile_pattern(f"^(?s:{_glob(operand)})$"))
        case "regex":
            return _search(compile_pattern(operand))
        case _:
            compare = _COMPARE[name]
            return lambda seen: seen is not None and compare(seen, operand)


def _glob(pattern: str) -> str:
    """Give a glob as RE2: `*` any characters, `?` one, and nothing else is special."""
    translated = {"*": ".*", "?": "."}
    return "".join(translated.get(character) or re2.escape(character) for character in pattern)


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda seen: all(test(seen) for test in tests)


def _search(pattern: Any) -> Test:  # noqa: ANN401 - re2 has no types
    return lambda seen: seen is not None and pattern.search(str(seen)) is not None


def _contains(value: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    needles = tuple(needle(phrase) for phrase in _listed(value))
    if any(not each.strip() for each in needles):
        raise ValueError("a phrase needs a letter or a digit")
    return lambda folded: any(each in folded for each in needles)


def _matches(value: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    patterns = [compile_pattern(pattern) for pattern in _listed(value)]
    return lambda text: any(pattern.search(text) is not None for pattern in patterns)


def _shares(wanted: list[str]) -> Test:
    words = frozenset(wanted)
    return lambda seen: not words.isdisjoint(seen)


def _any_of_set(test: Test) -> Test:
    return lambda seen: any(test(each) for each in seen)


def _ordered(value: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    """Compile a condition on complexity, where low < medium < high."""

    def rank(word: str) -> int:
        return _ORDER[Complexity(word)]

    if not isinstance(value, dict):
        return frozenset(_listed(value)).__contains__
    ranked = {name: [rank(w) for w in operand] if name == "in" else rank(operand) for name, operand in value.items()}
    test = _test(ranked)
    return lambda seen: test(_ORDER[seen])


def _time(value: Mapping[str, Any]) -> Test:
    """Compile a span of the day, days, or both; a span over midnight belongs to the day it begins on."""
    name = value.get("timezone", "UTC")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone '{name}'") from error
    days = frozenset(value.get("days", _DAYS))
    start, _, end = value.get("between", "00:00-24:00").partition("-")
    over_midnight = start > end

    def test(at: datetime) -> bool:
        local = at.astimezone(zone)
        clock = f"{local:%H:%M}"
        began_yesterday = over_midnight and clock < end
        inside = (clock >= start or clock < end) if over_midnight else start <= clock < end
        day = local - timedelta(days=1) if began_yesterday else local
        return inside and _DAYS[day.weekday()] in days

    return test


def mentions(condition: Condition, name: str) -> bool:
    """Say whether any leaf of a condition is of this name."""
    match condition:
        case Leaf():
            return condition.name == name
        case AllOf() | AnyOf():
            return any(mentions(part, name) for part in condition.parts)
        case Not():
            return mentions(condition.part, name)

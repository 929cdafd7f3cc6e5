"""A `when` to a Condition: each leaf gets the feature it reads and a test that is pure and linear."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

import msgspec
import re2

from gateway.config.node import Findings, Node
from gateway.config.quantities import percent
from gateway.config.zones import zone_of
from gateway.domain.category import Complexity
from gateway.domain.request import CREDENTIALS
from gateway.domain.rule import ALWAYS, AllOf, AnyOf, Condition, Leaf, Not
from gateway.engine.reading import Finder
from gateway.engine.text import needle

Test = Callable[[Any], bool]

LOOK_SENSITIVE = frozenset(
    {"category", "confidence", "complexity", "needs_reasoning", "words", "characters", "contains", "matches"}
)
_ORDER = {Complexity.LOW: 0, Complexity.MEDIUM: 1, Complexity.HIGH: 2}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COMPARE: Mapping[str, Callable[[Any], Test]] = {
    "gt": lambda limit: lambda seen: seen is not None and seen > limit,
    "gte": lambda limit: lambda seen: seen is not None and seen >= limit,
    "lt": lambda limit: lambda seen: seen is not None and seen < limit,
    "lte": lambda limit: lambda seen: seen is not None and seen <= limit,
    "eq": lambda wanted: lambda seen: seen is not None and seen == wanted,
    "in": lambda wanted: frozenset(wanted).__contains__,
}
"""The test of each operator; what is absent in the request holds for none."""
_PATTERN_SIZE = 64 * 1024
"""Bytes of compiled program that one pattern of a rule may take."""
RE2_HINT = "patterns are RE2: linear time, no lookaround, no backreferences"
_PLAIN = re.compile(r"[\w./:@*?+-]+")
"""Text that stands for itself in `Leaf.wanted`; other text is quoted there, so that no two conditions look alike."""


def pattern_options(*, any_case: bool, most_bytes: int) -> Any:  # noqa: ANN401 - re2 has no types
    """Give how patterns are compiled: no captures, no words on standard error, and a bound on their memory."""
    options = re2.Options()
    options.never_capture = True
    options.case_sensitive = not any_case
    options.log_errors = False
    options.max_mem = most_bytes
    return options


def compile_pattern(pattern: str, *, any_case: bool = False) -> Any:  # noqa: ANN401 - re2 has no types
    """Compile an RE2 pattern; raises ValueError with RE2's own words."""
    try:
        return re2.compile(pattern, pattern_options(any_case=any_case, most_bytes=_PATTERN_SIZE * 16))
    except re2.error as error:
        words = error.args[0] if error.args else "not a regular expression"
        raise ValueError(words.decode() if isinstance(words, bytes) else str(words)) from error


@dataclass(frozen=True, slots=True)
class Named:
    """The names that conditions may refer to."""

    categories: Collection[str]
    models: Collection[str] = ()
    budgets: Collection[str] = ()


def condition_of(node: Node | None, findings: Findings, named: Named) -> Condition:
    """Compile a map of conditions; a missing `when` always holds."""
    if node is None:
        return ALWAYS
    look = node["look_at"].value if "look_at" in node.value else "user"
    parts: list[Condition] = []
    for key, child in node.items():
        match key:
            case "look_at":
                if LOOK_SENSITIVE.isdisjoint(node.value):
                    hint = "write it in the same map as the condition that it is for"
                    findings.add(child.problem("no condition beside this 'look_at' looks at text", hint, at_key=True))
            case "all" | "any":
                inner = tuple(condition_of(each, findings, named) for each in child)
                parts.append(AllOf(inner) if key == "all" else AnyOf(inner))
            case "not":
                parts.append(Not(condition_of(child, findings, named)))
            case "category":
                _check_categories(child, findings, named.categories)
                parts.append(_leaf(key, child, look, findings))
            case "budget":
                if child["name"].value not in named.budgets:
                    findings.missing(child["name"], "budget", child["name"].value, named.budgets)
                parts.append(_leaf(key, child, look, findings))
            case "health":
                if child["model"].value not in named.models:
                    findings.missing(child["model"], "model", child["model"].value, named.models)
                parts.append(_leaf(key, child, look, findings))
            case _:
                _check_header(key, child, findings)
                parts.append(_leaf(key, child, look, findings))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _leaf(key: str, node: Node, look: str, findings: Findings) -> Leaf:
    wanted = written(node.value)
    match key:
        case "contains":
            finder = _contains(node, findings)
            return Leaf(key, f"folded@{look}", wanted, finder, private=True, keys=finder.words)
        case "matches":
            return Leaf(key, f"text@{look}", wanted, _matches(node, findings), private=True)
        case "has" | "tags":
            test = _test(node, findings)
            return Leaf(key, key, wanted, _any_of_set(test), keys=_keys(node.value, test))
        case "time":
            return Leaf(key, "at", wanted, _time(node, findings))
        case "budget":
            shares = [_COMPARE[word](percent(share.value)) for word, share in node["used"].items()]
            return Leaf(key, f"budget.{node['name'].value}", wanted, _all_of(shares))
        case "health":
            states = frozenset(_listed(node["is"].value))
            return Leaf(key, f"health.{node['model'].value}", wanted, states.__contains__)
        case "complexity":
            test = _ordered(node.value)
            return Leaf(key, f"complexity@{look}", wanted, test, keys=frozenset(filter(test, Complexity)))
        case _:
            feature = f"{key}@{look}" if key in LOOK_SENSITIVE else _feature(key)
            private = key.startswith(("header.", "metadata."))
            test = _test(node, findings)
            keys, bounds = _keys(node.value, test), _bounds(node.value)
            return Leaf(key, feature, wanted, test, private=private, keys=keys, bounds=bounds)


def _keys(value: Any, test: Test) -> frozenset[Any] | None:  # noqa: ANN401 - a value of a rule file
    """Give the values for which a condition holds, None where it lists none."""
    if isinstance(value, dict) and "eq" not in value and "in" not in value:
        return None
    listed = _listed(value.get("eq", value.get("in")) if isinstance(value, dict) else value)
    return frozenset(filter(test, listed))


def _bounds(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - a value of a rule file
    """Give the least and the greatest number with which a condition can hold, None where it names neither."""
    if not isinstance(value, dict) or value.keys().isdisjoint(("gt", "gte", "lt", "lte")):
        return None
    least = [value[name] for name in ("gt", "gte") if name in value]
    most = [value[name] for name in ("lt", "lte") if name in value]
    return max(least, default=-inf), min(most, default=inf)


def _feature(key: str) -> str:
    return key.lower() if key.startswith("header.") else key


def _check_header(key: str, node: Node, findings: Findings) -> None:
    """A credential is never seen, so that a condition on one would be as if none had been sent."""
    if _feature(key).removeprefix("header.") in CREDENTIALS:
        hint = "who asks is seen by the conditions caller and team"
        findings.add(node.problem(f"no rule ever sees '{key}': it is a credential", hint, at_key=True))


def _check_categories(node: Node, findings: Findings, categories: Collection[str]) -> None:
    """A category that is written out must be one there is."""
    names = [node] if isinstance(node.value, str) else list(node) if isinstance(node.value, list) else []
    if isinstance(node.value, dict):
        names = [node["eq"]] if "eq" in node.value else []
        names += list(node["in"]) if "in" in node.value else []
    for name in names:
        if name.value not in categories:
            findings.missing(name, "category", name.value, list(categories))


def written(value: Any) -> str:  # noqa: ANN401 - a value of a rule file
    """Give a value of a rule file on one line, as a person would write it; what differs in meaning differs here."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value if _PLAIN.fullmatch(value) else msgspec.json.encode(value).decode()
        case list():
            return f"[{', '.join(written(each) for each in value)}]"
        case dict():
            return " and ".join(f"{key} {written(each)}" for key, each in value.items())
        case _:
            return str(value)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - a value of a rule file
    return value if isinstance(value, list) else [value]


def _each(node: Node) -> Iterable[Node]:
    return node if isinstance(node.value, list) else (node,)


def _test(node: Node, findings: Findings) -> Test:
    """Compile a value, a list of values or a map of operators; what is absent in the request holds for none."""
    match node.value:
        case dict():
            return _all_of([_operator(name, operand, findings) for name, operand in node.items()])
        case list():
            return frozenset(node.value).__contains__
        case value:
            return _COMPARE["eq"](value)


def _operator(name: str, operand: Node, findings: Findings) -> Test:
    match name:
        case "glob":
            return _search(f"^(?s:{_glob(operand.value)})$", operand, findings)
        case "regex":
            return _search(operand.value, operand, findings)
        case _:
            return _COMPARE[name](operand.value)


def _glob(pattern: str) -> str:
    """Give a glob as RE2: `*` any characters, `?` one, and nothing else is special."""
    translated = {"*": ".*", "?": "."}
    return "".join(translated.get(character) or re2.escape(character) for character in pattern)


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda seen: all(test(seen) for test in tests)


def _never(_: object) -> bool:
    return False


def _search(pattern: str, node: Node, findings: Findings) -> Test:
    try:
        compiled = compile_pattern(pattern)
    except ValueError as error:
        findings.add(node.problem(f"'{node.value}': {error}", RE2_HINT))
        return _never
    return lambda seen: seen is not None and compiled.search(_encodable(seen)) is not None


def _encodable(text: str) -> str:
    """Give text that RE2 can read: bytes of a header that were no UTF-8 come as lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _contains(node: Node, findings: Findings) -> Finder:
    for phrase in _each(node):
        if not needle(phrase.value).strip():
            findings.add(phrase.problem("a phrase needs a letter or a digit", "look for signs with 'matches'"))
    return Finder.of(phrase.value for phrase in _each(node))


def _matches(node: Node, findings: Findings) -> Test:
    tests = [_search(pattern.value, pattern, findings) for pattern in _each(node)]
    return lambda text: any(test(text) for test in tests)


def _any_of_set(test: Test) -> Test:
    return lambda seen: any(test(each) for each in seen)


def _ordered(value: Any) -> Test:  # noqa: ANN401 - a value of a rule file
    """Compile a condition on complexity, where low < medium < high."""

    def rank(word: str) -> int:
        return _ORDER[Complexity(word)]

    if not isinstance(value, dict):
        return frozenset(_listed(value)).__contains__
    ranked = {name: [rank(w) for w in operand] if name == "in" else rank(operand) for name, operand in value.items()}
    test = _all_of([_COMPARE[name](operand) for name, operand in ranked.items()])
    return lambda seen: test(_ORDER[seen])


def _time(node: Node, findings: Findings) -> Test:
    """Compile a span of the day, days, or both; a span over midnight belongs to the day it begins on."""
    value = node.value
    zone = zone_of(node.get("timezone"), findings)
    days = frozenset(value.get("days", _DAYS))
    start, _, end = value.get("between", "00:00-24:00").partition("-")
    if start == end:
        hint = "leave it out for the whole day"
        findings.add(node["between"].problem("this span begins and ends at the same time: it is empty", hint))
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

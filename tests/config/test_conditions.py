"""Every condition that the schema takes is compiled to a test of the feature it names; none is silently ignored."""

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import packaged
from gateway.config.conditions import LOOK_SENSITIVE, Named, condition_of, mentions, written
from gateway.config.node import Findings, Node
from gateway.config.schema import validate
from gateway.config.yamltree import Document, parse
from gateway.domain.category import Complexity
from gateway.domain.health import HealthState
from gateway.domain.rule import Condition, Leaf
from gateway.engine.features import Features
from gateway.engine.match import first_miss
from gateway.engine.reading import Reading

CONDITION = packaged.rules_schema()["$defs"]["condition"]
BUILT = {name for name, each in CONDITION["properties"].items() if not each.get("x-not-built")}
NUMBERS = ("confidence", "words", "characters", "estimated_tokens", "turns", "max_tokens")
TEXTS = ("category", "model", "caller", "team", "header.x-app", "metadata.ticket")

# For each condition: how it is written, the feature it reads, values for which it holds, values for which it does not.
ROWS: dict[str, tuple[str, str, list[Any], list[Any]]] = {
    **{name: ("{gte: 2, lt: 4}", name, [2, 3.5], [1, 4]) for name in NUMBERS},
    **{name: ("[a, b]", name, ["a", "b"], ["c", ""]) for name in TEXTS},
    "complexity": ("{gt: low}", "complexity", ["medium", Complexity.HIGH], [Complexity.LOW, "low"]),
    "needs_reasoning": ("true", "needs_reasoning", [True], [False]),
    "stream": ("false", "stream", [False], [True]),
    "contains": ("[big cat]", "folded", [Reading("a big cat")], [Reading("a bigcat"), Reading("big")]),
    "matches": ('["^a", "z$"]', "text", ["ab", "yz"], ["ba", ""]),
    "has": ("[images, tools]", "has", [frozenset({"tools", "x"})], [frozenset(), frozenset({"x"})]),
    "tags": ('{glob: "a*"}', "tags", [frozenset({"b", "ab"})], [frozenset(), frozenset({"b"})]),
    "surface": ("[chat, execute]", "surface", ["chat"], ["messages"]),
    "prefer": ("{in: [cost]}", "prefer", ["cost"], ["speed"]),
    "budget": ("{name: growth, used: {gte: 50%, lt: 80%}}", "budget.growth", [0.5, 0.79], [0.49, 0.8]),
    "health": ("{model: mini, is: [cooling, degraded]}", "health.mini", ["cooling", HealthState.DEGRADED], ["ok"]),
    "time": (
        "{days: [mon]}",
        "at",
        [datetime(2026, 1, 5, tzinfo=UTC)],
        [datetime(2026, 1, 6, tzinfo=UTC)],
    ),
}


def compiled(text: str, known: tuple[str, ...] = ("a", "b")) -> tuple[Condition, list[str]]:
    document = parse("r.yaml", f"rules: [{{name: r, route: c, when: {text}}}]".encode())
    assert isinstance(document, Document), document
    assert validate(document) == ()
    findings = Findings(complete=True)
    made = condition_of(
        Node(document, (), document.data)["rules"][0]["when"], findings, Named(known, ("mini", "gpt"), ("growth",))
    )
    return made, [str(problem) for problem in findings.problems]


def leaf(text: str) -> Leaf:
    made, problems = compiled(text)
    assert problems == []
    assert isinstance(made, Leaf)
    return made


def test_every_condition_of_the_schema_has_a_row() -> None:
    """U-93: a condition that the schema takes and that does nothing would be a row that fails."""
    named = {name.partition(".")[0] if "." in name else name for name in ROWS}
    assert named - {"header", "metadata"} == BUILT - {"all", "any", "not", "look_at"}
    assert {pattern[1:9] for pattern in CONDITION["patternProperties"]} == {"header\\.", "metadata"}


@pytest.mark.parametrize("name", ROWS)
def test_a_condition_reads_its_feature_and_tells_its_values_apart(name: str) -> None:
    written_as, feature, good, bad = ROWS[name]
    for look in ("user", "system", "conversation") if name in LOOK_SENSITIVE else ("",):
        beside = f", look_at: {look}" if look not in ("", "user") else ""
        made = leaf(f"{{{name}: {written_as}{beside}}}")
        assert made.feature == (f"{feature}@{look}" if look else feature)
        assert [value for value in good if not made.test(value)] == []
        assert [value for value in bad if made.test(value)] == []


@pytest.mark.parametrize("name", sorted({*ROWS} - {"complexity"}))
def test_what_reads_text_is_private(name: str) -> None:
    assert leaf(f"{{{name}: {ROWS[name][0]}}}").private is (name in ("contains", "matches") or "." in name)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("2", {2}),
        ("[1, 3]", {1, 3}),
        ("{gt: 2}", {3, 4}),
        ("{gte: 2}", {2, 3, 4}),
        ("{lt: 2}", {1}),
        ("{lte: 2}", {1, 2}),
        ("{eq: 2}", {2}),
        ("{in: [2, 4]}", {2, 4}),
        ("{gt: 1, lte: 3}", {2, 3}),
    ],
)
def test_operators_on_numbers(name: str, wanted: str, held: set[int]) -> None:
    made = leaf(f"{{{name}: {wanted}}}")
    assert {value for value in (1, 2, 3, 4) if made.test(value)} == held
    assert not made.test(None)


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("medium", "m"),
        ("[low, high]", "lh"),
        ("{eq: low}", "l"),
        ("{in: [low, medium]}", "lm"),
        ("{gt: low}", "mh"),
        ("{gte: medium}", "mh"),
        ("{lt: high}", "lm"),
        ("{lte: low}", "l"),
        ("{gt: low, lt: high}", "m"),
        ("{gt: high}", ""),
    ],
)
def test_complexities_are_ordered(wanted: str, held: str) -> None:
    made = leaf(f"{{complexity: {wanted}}}")
    assert "".join(each.value[0] for each in Complexity if made.test(each)) == held
    assert "".join(each.value[0] for each in Complexity if made.test(each.value)) == held


KEYS: dict[str, set[Any] | None] = {
    "{team: a}": {"a"},
    "{team: [a, b]}": {"a", "b"},
    "{header.x: {eq: a}}": {"a"},
    "{team: {in: [a, ba], glob: 'a*'}}": {"a"},
    "{tags: {in: [a, ba], regex: '^a'}}": {"a"},
    "{team: {glob: 'a*'}}": None,
    "{turns: {gt: 1}}": None,
    "{turns: [1, 2]}": {1, 2},
    "{stream: false}": {False},
    "{has: [images, tools]}": {"images", "tools"},
    "{complexity: {gte: medium}}": {"medium", "high"},
    "{complexity: low}": {"low"},
    "{contains: [big lion, dog]}": {"lion", "dog"},
    "{contains: [翻訳, dog]}": None,
    "{matches: a}": None,
    "{time: {days: [mon]}}": None,
}


@pytest.mark.parametrize(("text", "keys"), KEYS.items(), ids=KEYS.keys())
def test_the_keys_of_a_condition_are_the_values_that_it_needs(text: str, keys: set[Any] | None) -> None:
    assert leaf(text).keys == keys


BOUNDS: dict[str, tuple[float, float] | None] = {
    "{words: {gt: 5}}": (5, inf),
    "{words: {gt: 5, gte: 7}}": (7, inf),
    "{words: {lt: 5}}": (-inf, 5),
    "{words: {lte: 5, lt: 4}}": (-inf, 4),
    "{turns: {gte: 5, lt: 8, in: [6]}}": (5, 8),
    "{turns: {eq: 5}}": None,
    "{turns: [5]}": None,
    "{turns: 5}": None,
    "{complexity: {gte: medium}}": None,
    "{team: {glob: 'a*'}}": None,
}


@pytest.mark.parametrize(("text", "bounds"), BOUNDS.items(), ids=BOUNDS.keys())
def test_the_bounds_of_a_condition_are_those_of_its_numbers(text: str, bounds: tuple[float, float] | None) -> None:
    assert leaf(text).bounds == bounds


@settings(deadline=None)
@given(st.text(alphabet="ab.*?\n\u00e9[", max_size=6), st.text(alphabet="ab.\n\u00e9[", max_size=6))
def test_a_glob_is_that_of_any_book(pattern: str, text: str) -> None:
    made = leaf(f"{{header.x: {{glob: {quoted(pattern or '*')}}}}}")
    assert made.test(text) is matches_glob(pattern or "*", text)


def quoted(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'


def matches_glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return matches_glob(pattern[1:], text) or (bool(text) and matches_glob(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and matches_glob(pattern[1:], text[1:])


@pytest.mark.parametrize("wanted", ['{glob: "caf*"}', '{regex: "^caf"}'])
def test_a_header_that_is_no_text_is_matched_all_the_same(wanted: str) -> None:
    """Bytes that are no UTF-8 come as lone surrogates, which RE2 does not take."""
    assert leaf(f"{{header.x: {wanted}}}").test("caf\udce9")


PIECES = st.lists(st.sampled_from(["a", "[", "]", ", ", " and ", "gt ", '"', "\\", "5", "."]), min_size=1, max_size=4)
TEXTS_WRITTEN = PIECES.map("".join)
VALUES = st.one_of(
    TEXTS_WRITTEN,
    st.lists(TEXTS_WRITTEN, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["gt", "a"]), TEXTS_WRITTEN, min_size=1, max_size=2),
    st.sampled_from(["[a]", "[a, a]", "gt a", ["a", "a"], {"gt": "a"}, ["a, a"]]),
)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_what_differs_is_written_differently(one: object, other: object) -> None:
    """Warnings and the log take conditions that are written alike for the same; numbers and texts share no feature."""
    if written(one) == written(other):
        assert plain(one) == plain(other)


def plain(value: object) -> object:
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return [(name, plain(each)) for name, each in value.items()]
    return str(value).lower() if isinstance(value, bool) else str(value)


START, MINUTES = datetime(2026, 3, 27, tzinfo=UTC), st.integers(0, 5 * 24 * 60)
CLOCKS = st.tuples(st.integers(0, 23), st.sampled_from([0, 30, 59])).map(lambda each: f"{each[0]:02}:{each[1]:02}")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@settings(deadline=None)
@given(CLOCKS, CLOCKS, st.sets(st.sampled_from(DAYS), min_size=1), MINUTES)
def test_a_span_holds_from_its_begin_to_its_end_on_the_day_it_begins(
    begin: str, end: str, days: set[str], minutes: int
) -> None:
    """Checked by walking back to the last begin, over the night in which summer time comes."""
    if begin == end:
        return
    zone = ZoneInfo("Europe/Berlin")
    made = leaf(f'{{time: {{between: "{begin}-{end}", days: [{", ".join(sorted(days))}], timezone: Europe/Berlin}}}}')
    at = START + timedelta(minutes=minutes)
    local = at.astimezone(zone).replace(tzinfo=None)
    spans = []
    for back in (0, 1):
        day = local.replace(hour=0, minute=0) - timedelta(days=back)
        first = day + clock(begin)
        last = day + clock(end) + timedelta(days=begin > end)
        spans.append(first <= local < last and DAYS[day.weekday()] in days)
    assert made.test(at) is any(spans)


def clock(text: str) -> timedelta:
    hours, _, minutes = text.partition(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{category: [a, c]}", "r.yaml:1:50: there is no category 'c' (one of a, b)"),
        ("{category: {eq: c}}", "r.yaml:1:51: there is no category 'c' (one of a, b)"),
        ("{look_at: system, stream: true}", "r.yaml:1:36: no condition beside this 'look_at' looks at text"),
        ('{contains: [a, "?"]}', "r.yaml:1:50: a phrase needs a letter or a digit (look for signs with 'matches')"),
    ],
)
def test_what_no_request_can_meet_is_a_problem(text: str, problem: str) -> None:
    (told,) = compiled(text)[1]
    assert told.startswith(problem)


def test_a_category_by_pattern_need_not_be_known() -> None:
    assert leaf('{category: {glob: "x*"}}').test("xy")


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("{}", {}, True),
        ("{words: 1, stream: true}", {"words@user": 1, "stream": False}, False),
        ("{all: [{words: 1}, {stream: true}]}", {"words@user": 1, "stream": True}, True),
        ("{any: [{words: 1}, {stream: true}]}", {"words@user": 2, "stream": True}, True),
        ("{any: [{words: 1}, {stream: true}]}", {"words@user": 2, "stream": False}, False),
        ("{not: {words: 1, stream: true}}", {"words@user": 1, "stream": False}, True),
        ("{not: {not: {words: 1}}}", {"words@user": 1}, True),
        ("{words: 1, not: {stream: true}}", {"words@user": 1, "stream": True}, False),
    ],
)
def test_conditions_nest(text: str, values: dict[str, Any], holds: bool) -> None:  # noqa: FBT001 - a column of the table
    made, problems = compiled(text)
    assert problems == []
    assert (first_miss(made, Features.recorded(values)) is None) is holds


@pytest.mark.parametrize(
    ("text", "there"),
    [("{model: a}", True), ("{any: [{not: {all: [{model: a}]}}]}", True), ("{words: 1}", False), ("{}", False)],
)
def test_a_mention_is_found_at_any_depth(text: str, there: bool) -> None:  # noqa: FBT001 - a column of the table
    assert mentions(compiled(text)[0], "model") is there

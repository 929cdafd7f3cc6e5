"""Any bytes give a Document or Problems; data is read the YAML 1.2 way; every mark lies inside the text."""

import codecs
import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.yamltree import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, Document, Tree, parse, resolve
from gateway.domain.problem import Mark, Problem

SIGNS = st.sampled_from(
    (
        *(
            "a",
            "b: ",
            ": ",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "*a",
            "&a ",
            "!t ",
            "!!str ",
            "? ",
        ),
        *(
            "'",
            '"',
            "\\",
            "# ",
            "|\n",
            ">-\n",
            "%",
            "@",
            "`",
            "<<: ",
            "---\n",
            "...\n",
            "1",
            ".5",
            "~",
            "no",
            "é",
            "😀",
        ),
        *("\r\n", "\r", "\0", "\x85", "\u2028", "\ufeff", "\ufffe"),
    )
)
WORDS = st.sampled_from(["no", "on", "yes", "12:30", "2026-01-01", "1e3", "012", "<<", "~", "", "=", "- a", "a: b"])
TEXTS = WORDS | st.text(max_size=12)
NUMBERS = st.integers(-(2**62), 2**62) | st.floats(-1e18, 1e18)
TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def data_of(text: str) -> Tree:
    document = parse("rules.yaml", text.encode())
    assert isinstance(document, Document), document
    return document.data


def problems_of(data: str | bytes) -> tuple[Problem, ...]:
    problems = parse("rules.yaml", data.encode() if isinstance(data, str) else data)
    assert isinstance(problems, tuple), problems
    return problems


def lines_of(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def is_inside(text: str, line: int, column: int) -> bool:
    lines = lines_of(text)
    return 1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1


def quoted(text: str) -> str:
    """Write a text in double quotes, with what may not stand in a file as escapes; JSON would make two of some."""
    hidden = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
    return hidden.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def flow(value: Tree) -> str:
    """Write a value in flow style, over several lines."""
    if isinstance(value, dict):
        return "{" + ",\n ".join(f"{quoted(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n ".join(flow(each) for each in value) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def written(value: Tree, depth: int = 0) -> str:
    """Write a value in block style, with every text and key in double quotes."""
    space = "  " * depth
    if isinstance(value, dict) and value:
        return "".join(f"\n{space}{quoted(key)}: {written(each, depth + 1)}" for key, each in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{space}- {written(each, depth + 1)}" for each in value)
    return flow(value)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_problems(data: bytes) -> None:
    assert isinstance(parse("rules.yaml", data), Document | tuple)


@given(st.lists(SIGNS, max_size=30).map("".join), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
@example("? a", "utf-8")
@example("a: [b\n", "utf-8")
def test_any_text_gives_a_document_or_problems_with_marks_inside_it(text: str, encoding: str) -> None:
    parsed = parse("rules.yaml", text.encode(encoding))
    seen = text.removeprefix("\ufeff") if encoding == "utf-8" else text
    if isinstance(parsed, tuple):
        assert parsed
        assert encoding == "utf-16" or all(is_inside(seen, each.line, each.column) for each in parsed)
    else:
        assert all(is_inside(seen, *astuple(mark)) for mark in (*parsed.marks.values(), *parsed.key_marks.values()))


def astuple(mark: Mark) -> tuple[int, int]:
    return mark.line, mark.column


@given(value=TREES, block=st.booleans(), windows=st.booleans())
def test_what_is_written_is_read_back_with_a_mark_for_every_part(value: Tree, *, block: bool, windows: bool) -> None:
    text = written(value) if block else flow(value)
    text = text.replace("\n", "\r\n") if windows else text
    document = parse("rules.yaml", text.encode())
    assert isinstance(document, Document), document
    assert document.data == value
    assert repr(document.data) == repr(value)  # 1, 1.0 and True are equal, and not the same
    assert set(document.marks) == set(paths_of(value))
    assert set(document.key_marks) == {path for path in paths_of(value) if path and isinstance(path[-1], str)}
    for path, mark in document.key_marks.items():
        assert lines_of(text)[mark.line - 1][mark.column - 1 :].startswith(flow(path[-1]))
    for path, mark in document.marks.items():
        if not isinstance(part := part_of(value, path), dict | list):
            assert lines_of(text)[mark.line - 1][mark.column - 1 :].startswith(flow(part))


def paths_of(value: Tree, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, each in items for inner in paths_of(each, (*path, key)))]


def part_of(value: Any, path: tuple[str | int, ...]) -> Tree:  # noqa: ANN401 - indexed by whatever the path says
    for key in path:
        value = value[key]
    part: Tree = value
    return part


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("-5", -5),
        ("+5", 5),
        ("1e3", 1000.0),
        ("3.10", 3.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.5e-1", -0.05),
        ("1.2.3", "1.2.3"),
        (".", "."),
        ("-", "-"),
        ("80%", "80%"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("=", "="),
        ("٣", "٣"),
    ],
)
def test_an_unquoted_scalar_means_what_yaml_1_2_says(text: str, value: Tree) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "9" * 19, "-" + "9" * 5000, "1e19"]
)
def test_a_number_that_nothing_could_hold_is_a_problem(text: str) -> None:
    (problem,) = problems_of(f"a: {text}")
    assert (problem.line, problem.column) == (1, 4)
    assert problem.message in {"a number must be finite", "this number is too large"}
    assert data_of(f"a: '{text}'") == {"a": text}


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
@example(-0.0)
def test_a_number_is_read_exactly(number: float) -> None:
    read = resolve(repr(number))
    assert isinstance(read, float)
    assert math.copysign(1, read) == math.copysign(1, number)
    assert read == number


def test_keys_are_text_however_they_look() -> None:
    assert data_of("on: 1\n1: 2\n1.50: 3\ntrue: 4\nnull: 5\n~: 6\n80%: 7\n'<<': 8\n2026-01-01: 9\n") == {
        "on": 1,
        "1": 2,
        "1.50": 3,
        "true": 4,
        "null": 5,
        "~": 6,
        "80%": 7,
        "<<": 8,
        "2026-01-01": 9,
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- # nothing\n...\n", "\ufeff"])
def test_an_empty_file_is_an_empty_map(text: str) -> None:
    document = parse("rules.yaml", text.encode())
    assert isinstance(document, Document)
    assert document.data == {}
    assert is_inside(text, *astuple(document.marks[()]))


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    text = b"a: 1\nb:\n  - c\n"
    plain = parse("rules.yaml", text)
    assert plain == parse("rules.yaml", codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n"))
    assert isinstance(plain, Document)
    assert plain.marks == {(): Mark(1, 1), ("a",): Mark(1, 4), ("b",): Mark(3, 3), ("b", 0): Mark(3, 5)}
    assert plain.key_marks == {("a",): Mark(1, 1), ("b",): Mark(2, 1)}


def test_columns_count_characters() -> None:
    document = parse("rules.yaml", '"é😀": {x: 1}'.encode())
    assert isinstance(document, Document)
    assert document.marks["é😀", "x"] == Mark(1, 11)


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (b"a: \xff", 1, 4, "this is not UTF-8 text"),
        ("a: é\nb: ".encode() + b"\xc3", 2, 4, "this is not UTF-8 text"),
        ("a: b".encode("utf-16"), 1, 1, "this is not UTF-8 text"),
        (b"a: 1\r\nb: \x07", 2, 4, "the character U+0007 is not allowed"),
        (b"a: 1\rb: \0", 2, 4, "the character U+0000 is not allowed"),
        ("a: é\u2028b".encode(), 1, 5, "the character U+2028 is not allowed"),
        ("a: 1\n\ufeffb: 2".encode(), 2, 1, "the character U+FEFF is not allowed"),
    ],
)
def test_unreadable_bytes_have_a_position(data: bytes, line: int, column: int, message: str) -> None:
    (problem,) = problems_of(data)
    assert (problem.line, problem.column, problem.message) == (line, column, message)


@pytest.mark.parametrize("sign", ["[", "{", "{a: ", "- ", "? ", "[{a: ", "!t [", "&a ["])
def test_a_hundred_thousand_levels_are_a_problem_and_no_crash(sign: str) -> None:
    problems = problems_of(sign * 100_000)
    assert problems[-1].message.startswith("nested more than 40 levels deep") or sign == "{"


def test_forty_levels_are_enough_for_anybody() -> None:
    assert data_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert problems_of("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_a_file_may_not_be_huge() -> None:
    (problem,) = problems_of(b"#" * (MAX_BYTES + 1))
    assert problem.message == "the file is larger than 1024 KiB"
    assert data_of("#" * MAX_BYTES) == {}


def test_a_file_may_not_hold_a_huge_number_of_values() -> None:
    (problem,) = problems_of("[" + "a," * (MAX_NODES + 1) + "]")
    assert problem.message == f"more than {MAX_NODES} values"


def test_every_duplicate_key_is_named_and_the_list_ends_somewhere() -> None:
    assert [(each.line, each.message) for each in problems_of("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3")] == [
        (2, "duplicate key 'c'"),
        (3, "duplicate key 'a'"),
        (4, "duplicate key 'a'"),
    ]
    assert len(problems_of("a: 1\n" * 1000)) == MAX_PROBLEMS


def test_problems_before_a_syntax_error_are_told_too() -> None:
    assert [each.line for each in problems_of("a: 1\na: 2\nb: *c\nd: }")] == [2, 3, 4]


@given(
    st.sampled_from("*&@{}%`[]!|>?:\t"), st.text("abcxyz:{}[]*&@ ", max_size=8), st.sampled_from(["", ": ", " #", "}"])
)
def test_no_message_repeats_a_value(sign: str, start: str, end: str) -> None:
    parsed = parse("rules.yaml", f"providers:\n  a:\n    api_key: {sign}{start}sk-live-0123{end}\n".encode())
    problems = parsed if isinstance(parsed, tuple) else ()
    assert "sk-live" not in "".join(f"{each.message} {each.hint}" for each in problems).replace("duplicate", "")

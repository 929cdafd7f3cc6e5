"""Broken rule files, each with the Problems it must get, at the position it must get them.

A case is a file in `tests/cases/broken`. Its first lines say what is expected, one Problem a line:
`# expect: LINE:COLUMN: message`, then ` | hint` if there is one. Positions count these lines too.
"""

import re
from pathlib import Path

import pytest

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.problem import Problem
from gateway.domain.snapshot import Rejected, RuleFile

CASES = sorted((Path(__file__).parent.parent / "cases" / "broken").glob("*.yaml"))
EXPECT = re.compile(r"# expect: (\d+):(\d+): (.*?)(?: \| (.*))?")


COMPILER = Compiler(catalogue.load())


def problems_of(file: str, data: bytes) -> tuple[Problem, ...]:
    """Give the Problems of a rule file that stands alone in its directory."""
    result = COMPILER.compile((RuleFile(file, data),))
    return result.problems if isinstance(result, Rejected) else ()


def expected_of(file: str, text: str) -> tuple[Problem, ...]:
    found = (EXPECT.fullmatch(line) for line in text.splitlines() if line.startswith("# expect"))
    return tuple(Problem(file, int(each[1]), int(each[2]), each[3], each[4] or "") for each in found if each)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_file_gets_exactly_the_problems_it_states(case: Path) -> None:
    expected = expected_of(case.name, case.read_text(encoding="utf-8"))
    assert expected
    assert problems_of(case.name, case.read_bytes()) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_file_gets_the_same_problems_with_windows_line_ends(case: Path) -> None:
    expected = expected_of(case.name, case.read_text(encoding="utf-8"))
    assert problems_of(case.name, case.read_bytes().replace(b"\n", b"\r\n")) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_messages_are_lowercase_and_hold_no_secret(case: Path) -> None:
    for problem in expected_of(case.name, case.read_text(encoding="utf-8")):
        assert not problem.message[0].isupper()
        assert not problem.message.endswith(".")
        assert "sk-live" not in str(problem)


def test_there_are_fifty_cases_or_more() -> None:
    assert len(CASES) >= 50

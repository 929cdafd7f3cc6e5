"""The rule files to begin with are right, whichever keys there are, and what stands in their comments is too."""

import re
from itertools import combinations

import pytest

from gateway.cli.starter import ACCOUNTS, LOCAL, SCHEMA, accounts_for, starter
from gateway.cli.test import untested_rules
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.wiring.surfaces import SURFACES

VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
COMPILER = Compiler(catalogue.load())
KEYS = pytest.mark.parametrize(
    "keys", [found for count in range(3) for found in combinations(VARIABLES, count)], ids="+".join
)


def compiled(files: dict[str, str]) -> Snapshot:
    result = COMPILER.compile(tuple(RuleFile(name, text.encode()) for name, text in files.items()))
    assert isinstance(result, Snapshot), [str(problem) for problem in result.problems]
    return result


@KEYS
def test_they_run_as_they_are(keys: tuple[str, ...]) -> None:
    """U-125: no Problem, no warning (of a missing catch-all, for one), and each rule has a test that holds."""
    files = starter(accounts_for(keys))
    snapshot = compiled(files)
    assert [str(warning) for warning in snapshot.warnings] == []
    verdicts = rehearse(snapshot, SURFACES)
    assert failures_of(verdicts) == ()
    assert untested_rules(snapshot, verdicts) == []
    assert {account.title for account in accounts_for(keys)} == {
        account.title for account in ACCOUNTS if account.provider.partition(":")[0] in snapshot.providers
    }
    assert all(text.startswith(f"# yaml-language-server: $schema={SCHEMA}\n") for text in files.values())


@KEYS
def test_a_line_whose_mark_is_taken_away_counts(keys: tuple[str, ...]) -> None:
    """All models of all accounts are there then, and it still runs."""
    files = starter(accounts_for(keys))
    uncommented = {name: re.sub(r"^  # (\w+: \{)", r"  \1", text, flags=re.MULTILINE) for name, text in files.items()}
    snapshot = compiled(uncommented)
    assert len(snapshot.providers) == len(ACCOUNTS)
    assert len(snapshot.models) == sum(len(account.models) for account in ACCOUNTS)


def test_without_a_key_the_models_are_those_of_this_machine() -> None:
    assert accounts_for(("PATH",)) == (LOCAL,)

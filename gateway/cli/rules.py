"""What the commands share: where the rules are, and how Problems are printed."""

from pathlib import Path
from shlex import quote

import click

from gateway.config import catalogue, sources
from gateway.config.compile import Compiler
from gateway.domain.problem import WHOLE_SET, Problem
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.runtime.reloader import emptiness
from gateway.wiring.rules import shipped_rules

DEFAULT_RULES = Path("rules.d")

RULES_OPTION = click.option(
    "--rules",
    type=click.Path(path_type=Path),
    envvar="RULEGATE_RULES",
    help="Directory of rule files.  [default: ./rules.d, or the shipped rules where there is none]",
)


def rules_or_shipped(given: Path | None, *, shipped: bool) -> Path | None:
    """Give the directory that is meant, None for the shipped rules."""
    directory = given or DEFAULT_RULES
    if directory.is_dir():
        return directory
    if given is None and shipped:
        return None
    if given is None:
        raise click.ClickException(
            f"there is no ./{DEFAULT_RULES} here: write rules to begin with: rulegate init; or give the directory with "
            "--rules DIR, or rehearse with the shipped rules: rulegate serve --simulate"
        )
    what = "is not a directory" if directory.exists() else "is not there"
    raise click.ClickException(
        f"{directory} {what}: write rules to begin with: rulegate init DIR; or give another directory with --rules DIR"
    )


def read_rules(directory: Path | None) -> tuple[RuleFile, ...] | Rejected:
    """Read the files of a directory, or the shipped ones."""
    if directory is None:
        return shipped_rules()
    files = sources.read(directory)
    if isinstance(files, sources.Unreadable):
        return Rejected("", files.problems)
    if not files:
        hint = f"add a file that ends in .yaml, or have some written: rulegate init {quote(str(directory))}"
        return Rejected("", (Problem(WHOLE_SET, 1, 1, "there is no rule file here", hint),))
    return files


def compile_rules(directory: Path | None) -> Snapshot | Rejected:
    """Read and compile; the same verdict as the daemon's, less its tests."""
    files = read_rules(directory)
    if isinstance(files, Rejected):
        return files
    result = Compiler(catalogue.load()).compile(files)
    if isinstance(result, Snapshot) and (problems := emptiness(result, None)):
        return Rejected(result.fingerprint, problems)
    return result


def snapshot_or_exit(given: Path | None) -> tuple[Snapshot, Path | None]:
    """Give a snapshot to ask, or print its Problems and exit with 1."""
    directory = rules_or_shipped(given, shipped=True)
    result = compile_rules(directory)
    if isinstance(result, Rejected):
        show_problems(result, directory)
        raise click.exceptions.Exit(1)
    return result, directory


def show_problems(rejected: Rejected, directory: Path | None) -> None:
    """Print why a set of rules cannot be asked anything."""
    for problem in rejected.problems:
        click.echo(place(problem, directory), err=True)


def place(problem: Problem, directory: Path | None) -> str:
    """Give a Problem with a path that editors and terminals can open."""
    return problem.within(directory)


def counted(count: int, word: str) -> str:
    """Give a number of things as a person says it: `1 rule`, `2 rules`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"

"""`rulegate test`: runs the `tests` sections."""

import json
from pathlib import Path

import click

from gateway.cli.rules import RULES_OPTION, compile_rules, place, rules_or_shipped, show_problems
from gateway.domain.snapshot import Rejected, Snapshot
from gateway.runtime.rehearsal import Verdict, failures_of, rehearse
from gateway.web.operations import problem_shown
from gateway.wiring.surfaces import SURFACES


@click.command("test", short_help="Run the tests that stand in the rule files.")
@RULES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(rules: Path | None, *, as_json: bool) -> None:
    """Run every test of the rule files and say which rules no test reaches.

    No provider, no clock and no state takes part. Exits with 1 when a test fails that is not advisory.
    """
    directory = rules_or_shipped(rules, shipped=True)
    snapshot = compile_rules(directory)
    if isinstance(snapshot, Rejected):
        if as_json:
            problems = [problem_shown(problem) for problem in snapshot.problems]
            click.echo(json.dumps({"ok": False, "problems": problems, "tests": [], "untested_rules": []}, indent=2))
        else:
            show_problems(snapshot, directory)
        raise click.exceptions.Exit(1)
    verdicts = rehearse(snapshot, SURFACES)
    untested = untested_rules(snapshot, verdicts)
    if as_json:
        tests = [
            {
                "name": v.test.name,
                "file": v.test.file,
                "line": v.test.mark.line,
                "rule": v.rule,
                "failed": list(v.failed),
            }
            for v in verdicts
        ]
        found = {"ok": not failures_of(verdicts), "problems": [], "tests": tests, "untested_rules": untested}
        click.echo(json.dumps(found, indent=2))
    else:
        _text(verdicts, untested, directory, len(snapshot.rules))
    if failures_of(verdicts):
        raise click.exceptions.Exit(1)


def untested_rules(snapshot: Snapshot, verdicts: tuple[Verdict, ...]) -> list[str]:
    """Name the rules that decide no test, and in shadow would not either."""
    reached = {name for verdict in verdicts for name in (verdict.rule, *verdict.shadows)}
    return [rule.name for rule in snapshot.rules if rule.name not in reached]


def _text(verdicts: tuple[Verdict, ...], untested: list[str], directory: Path | None, rules: int) -> None:
    for verdict in verdicts:
        if not verdict.failed:
            click.echo(f"{click.style('ok  ', fg='green')} {verdict.test.name}")
            continue
        word = "note" if verdict.test.advisory else "FAIL"
        click.echo(
            f"{click.style(word, fg='yellow' if verdict.test.advisory else 'red')} {place(verdict.problem, directory)}"
        )
    failed = sum(1 for verdict in verdicts if verdict.failed)
    click.echo(
        f"{len(verdicts) - failed} passed, {failed} failed; rules with a test: {rules - len(untested)} of {rules}"
    )
    if untested:
        click.echo(f"no test reaches: {', '.join(untested)}")

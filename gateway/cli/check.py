"""`rulegate check`: the daemon's verdict on a rules directory."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.adapters.clock import SystemClock
from gateway.cli.rules import RULES_OPTION, compile_rules, counted, place, rules_or_shipped
from gateway.domain.problem import Problem
from gateway.domain.snapshot import Rejected
from gateway.engine.callers import expiries
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.web.operations import problem_shown
from gateway.wiring.rules import lacking
from gateway.wiring.surfaces import SURFACES


@click.command("check", short_help="Check a rules directory as the gateway would.")
@RULES_OPTION
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(rules: Path | None, form: str, *, as_json: bool) -> None:
    """Say what is wrong with the rules, all of it, with file, line, column and remedy.

    The verdict is the daemon's own, the `tests` sections included. Warnings do not fail. No secret is needed; what
    `serve` will need is listed. Exits with 1 when the rules would not run.
    """
    directory = rules_or_shipped(rules, shipped=True)
    result = compile_rules(directory)
    if isinstance(result, Rejected):
        problems: Sequence[Problem] = result.problems
        warnings: Sequence[Problem] = ()
        needs: Sequence[Problem] = ()
        summary = ""
    else:
        verdicts = rehearse(result, SURFACES)
        problems = failures_of(verdicts)
        advisory = [v.problem for v in verdicts if v.failed and v.test.advisory]
        warnings = (*result.warnings, *expiries(result.callers, SystemClock().now()), *advisory)
        needs = lacking(result)
        parts = {"file": result.files, "rule": result.rules, "model": result.models, "test": verdicts}
        summary = ", ".join(counted(len(each), word) for word, each in parts.items())
    match "json" if as_json else form:
        case "json":
            shown = {"problems": problems, "warnings": warnings, "needs": needs}
            lists = {name: [problem_shown(problem) for problem in each] for name, each in shown.items()}
            click.echo(json.dumps({"ok": not problems, **lists}, indent=2))
        case "github":
            for kind, found in (("error", problems), ("warning", warnings)):
                for problem in found:
                    click.echo(annotation(kind, problem, directory))
        case _:
            _text(directory, problems, warnings, needs, summary)
    if problems:
        raise click.exceptions.Exit(1)


def annotation(kind: str, problem: Problem, directory: Path | None) -> str:
    """Give a Problem as a workflow command that GitHub shows at the line of a pull request."""
    words = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    path = problem.file if directory is None else f"{directory}/{problem.file}"
    file = _escaped(path).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} file={file},line={problem.line},col={problem.column}::{_escaped(words)}"


def _escaped(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _text(
    directory: Path | None,
    problems: Sequence[Problem],
    warnings: Sequence[Problem],
    needs: Sequence[Problem],
    summary: str,
) -> None:
    name = directory or "the shipped rules"
    for problem in problems:
        click.echo(place(problem, directory))
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {place(warning, directory)}")
    for need in needs:
        click.echo(f"serve needs: {place(need, directory)}")
    if problems:
        click.echo(f"{click.style('FAILED', fg='red')} {name}: {counted(len(problems), 'problem')}")
    else:
        click.echo(f"{click.style('ok', fg='green')} {name}: {summary}")

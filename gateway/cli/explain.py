"""`rulegate explain`: why a request goes where it goes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click

from gateway.adapters.clock import SystemClock
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.state_sqlite import State
from gateway.app import SIMULATED
from gateway.cli.rules import RULES_OPTION, snapshot_or_exit
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.caller import Caller
from gateway.domain.decision import Decision
from gateway.domain.refusal import Refusal
from gateway.domain.request import AUTO, Request
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import Surface
from gateway.engine.decide import decide_request
from gateway.engine.explain import account_of
from gateway.engine.recall import decide_again
from gateway.wiring.surfaces import SURFACES


@click.command("explain", short_help="Say why a request goes where it goes.")
@click.argument("prompt", required=False)
@click.option("--body", type=click.File("rb"), help="A whole request body as JSON; - for standard input.")
@click.option("--id", "row_id", help="The id of a logged request: its decision again, under the rules of that time.")
@click.option("--jsonl", type=click.File("rb"), help='Lines {"id", "prompt"} in, a decision a line out.')
@click.option("--surface", type=click.Choice([each.value for each in SURFACES]), default="chat", show_default=True)
@click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the request; may be repeated."
)
@click.option("--caller", metavar="NAME", default="", help="Who asks, by the name under callers: of the rules.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path("data"), envvar="RULEGATE_DATA", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
@click.pass_context
def command(context: click.Context, /, **_: object) -> None:
    """Give the Decision for a PROMPT, a body or a logged id: every rule tried, and the first condition that failed.

    No model is asked and no secret is needed. It is the same Decision that the gateway makes for the same request.
    """
    options = context.params
    asked = [name for name in ("prompt", "body", "row_id", "jsonl") if options[name] is not None]
    if len(asked) != 1:
        raise click.UsageError("give one of: a PROMPT, --body FILE, --id ID, --jsonl FILE")
    if options["jsonl"] is not None:
        _lines(options["jsonl"], options["rules"])
        return
    if options["row_id"] is not None:
        account = _logged(options["row_id"], options["data"])
    else:
        surface = Surface(options["surface"])
        body = options["body"].read() if options["body"] else _body(options["prompt"], surface)
        snapshot, _directory = snapshot_or_exit(options["rules"])
        request = _request(body, surface, _headers(options["headers"]), caller_named(options["caller"], snapshot))
        account = account_of(snapshot, *decide_request(snapshot, request, SystemClock().now()))
    click.echo(json.dumps(account, indent=2) if options["as_json"] else text_of(account))


def _body(prompt: str, surface: Surface) -> bytes:
    if surface is Surface.EXECUTE:
        return json.dumps({"prompt": prompt}).encode()
    if surface in (Surface.RESPONSES, Surface.EMBEDDINGS):
        return json.dumps({"model": AUTO, "input": prompt}).encode()
    return json.dumps({"model": AUTO, "messages": [{"role": "user", "content": prompt}]}).encode()


def _headers(written: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for each in written:
        name, colon, value = each.partition(":")
        if not colon:
            raise click.BadParameter(f"'{each}' is no header: write NAME:VALUE")
        headers[name.strip().lower()] = value.strip()
    return headers


def caller_named(name: str, snapshot: Snapshot) -> Caller:
    """Give the caller of a name; nobody for an empty one."""
    if name and name not in snapshot.callers.by_name:
        there = ", ".join(snapshot.callers.by_name) or "none"
        raise click.ClickException(f"there is no caller '{name}'; there is {there}")
    return snapshot.callers.named(name)


def _request(body: bytes, surface: Surface, headers: dict[str, str], caller: Caller) -> Request:
    request = SURFACES[surface].read_request(body, headers)
    if isinstance(request, Refusal):
        raise click.ClickException(request.message)
    return request.asked_by(caller)


def _lines(lines: BinaryIO, rules: Path | None) -> None:
    snapshot, _ = snapshot_or_exit(rules)
    at = SystemClock().now()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        asked = _asked(line)
        if asked is None:
            raise click.ClickException(f'line {number} is not {{"id": ..., "prompt": ...}}')
        row_id, prompt = asked
        request = SURFACES[Surface.CHAT].read_request(_body(prompt, Surface.CHAT), {})
        if isinstance(request, Refusal):
            raise click.ClickException(f"line {number}: {request.message}")
        features, decision = decide_request(snapshot, request, at)
        routed = decision if isinstance(decision, Decision) else None
        line_out = {
            "id": row_id,
            "rule": routed.rule if routed else None,
            "category": features["category@user"],
            "confidence": round(features["confidence@user"], 4),
            "score": round(features["score@user"], 4),
            "model": routed.model if routed else None,
        }
        click.echo(json.dumps(line_out))


def _asked(line: bytes) -> tuple[object, str] | None:
    """Read a line of `--jsonl`; None for one that is none. What else stands in it is left alone."""
    try:
        row = json.loads(line)
        row_id, prompt = row["id"], row["prompt"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (row_id, prompt) if isinstance(prompt, str) else None


def _logged(row_id: str, data: Path) -> dict[str, Any]:
    """Decide again for a row, under the rules that decided then."""
    for directory in (data, data / SIMULATED):
        row = LogReader(directory / "log").find(row_id) if (directory / "log").is_dir() else None
        if row is None:
            continue
        if not row["facts"]:
            raise click.ClickException(f"request {row_id} was refused before any rule was asked")
        snapshot = _snapshot_of(directory, row["fingerprint"], row["generation"])
        at = datetime.fromisoformat(row["at"]).astimezone(UTC)
        features, decision = decide_again(snapshot, row["facts"], at)
        kept = {name: row[name] for name in ("id", "at", "outcome", "attempts", "cost_nano_usd")}
        kept["repinned"] = row["facts"].get("repinned")
        return {**account_of(snapshot, features, decision), "row": kept}
    raise click.ClickException(f"there is no row {row_id} under {data}: give the gateway's directory with --data DIR")


def _snapshot_of(directory: Path, fingerprint: str, generation: int) -> Snapshot:
    state = State(directory / "state.db")
    try:
        files = state.files(fingerprint)
    finally:
        state.close()
    result = Compiler(catalogue.load()).compile(files)
    if not isinstance(result, Snapshot):
        raise click.ClickException(f"the rules of generation {generation} cannot be compiled by this version")
    return replace(result, generation=generation)


def text_of(account: dict[str, Any]) -> str:
    """Give an account as a person reads it."""
    lines = [*_decided(account), *_judged(account)]
    if account["tried"]:
        lines.append("tried before")
        for tried in account["tried"]:
            saw = ", ".join(f"{name} {value}" for name, value in tried["seen"].items())
            lines.append(f"  {tried['rule']} ({tried['file']}:{tried['line']}): needs {tried['failed']}; saw {saw}")
    if flip := account["flip"]:
        lines.append(f"flip        rule {flip['rule']} would take it with {' and '.join(flip['conditions'])}")
    if row := account.get("row"):
        attempts = ", ".join(map(_attempted, row["attempts"]))
        lines.append(f"happened    {row['outcome']}: {attempts}; {row['cost_nano_usd'] / 1e9:.9f} USD")
        if row["repinned"]:
            lines.append(f"repinned    the conversation goes on with {row['repinned']}")
    return "\n".join(lines)


def _attempted(event: dict[str, Any]) -> str:
    """Say what came of an attempt or a step; of two side by side, which was begun later and which was slower."""
    came = "slower" if event.get("kind") == "hedge" else event.get("failure") or event.get("skip") or "ok"
    beside = " beside it" if event.get("hedged") else ""
    return f"{event['model']}{beside} {came}"


def _decided(account: dict[str, Any]) -> list[str]:
    if lock := account.get("lock"):
        rule, may = account["rule"], ", ".join(lock["models"])
        return [f"refused     rule {rule} has no model for caller {lock['caller']}, who may use {may}"]
    if account["refused"] and account["model"] is None:
        return [f"refused     nothing answers to '{account['requested_model']}'"]
    place = f" ({account['file']}:{account['line']}, priority {account['priority']})" if account["file"] else ""
    lacking = {each["model"]: each["why"] for each in account["incapable"]}
    first, *others = [name for name in account["chain"] if name not in lacking] or ["none that can serve it"]
    then = f", then {', '.join(others)}" if others else ""
    cost = f"about {account['estimated_cost_usd']:.6f} USD with {account['assumed_output_tokens']} tokens out"
    lines = [
        f"rule        {account['rule']}{place}",
        f"because     {account['because']}",
        f"model       {first}{then}; {cost}",
    ]
    if after := account["hedge"]:
        lines.append(f"hedge       the next one too where the first gives no content within {after}")
    if affinity := account["affinity"]:
        asked = "is asked first" if affinity["stays"] else "is not in this chain"
        lines.append(f"affinity    {affinity['model']} answered the conversation last, and {asked}")
    lines += [f"incapable   {name} {why}" for name, why in lacking.items()]
    return lines + ([f"shadow      {', '.join(account['shadows'])} would have taken it"] if account["shadows"] else [])


def _judged(account: dict[str, Any]) -> list[str]:
    words = ", ".join(f"{cut(each['word'].strip())} {each['weight']:g}" for each in account["deciding"])
    runner_up = account["runner_up"]
    after = f"; next is {runner_up['category']}" if runner_up else ""
    why = f": {words}" if words else ""
    tokens = account["estimated_tokens"]
    return [
        f"category    {account['category']}, confidence {account['confidence']:.2f}{why}{after}",
        f"complexity  {account['complexity']} (score {account['score']:.2f}), about {tokens} tokens in",
    ]


LONGEST_WORD = 40


def cut(word: str) -> str:
    """Give a word, or the beginning of a pattern that is too long for a line."""
    return word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"

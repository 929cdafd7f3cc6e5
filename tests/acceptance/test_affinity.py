"""A conversation stays on the model that answered it, and goes on elsewhere when that cannot be."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.acceptance.test_fallback import STREAMED
from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.rule_files import MODELS, UPSTREAM, chosen_by_header

SURFACES = pytest.mark.parametrize("surface", ["chat", "messages", "responses"])
FILES = {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}
HELLO = ("Hello there.",)
SECOND = (*HELLO, "Good day.", "And now?")
THIRD = (*SECOND, "This.", "And then?")


def body_of(surface: str, said: Sequence[str], *, stream: bool = False) -> dict[str, Any]:
    """Give a request with turns that are in turn the user's and the assistant's."""
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    if surface == "responses":
        return {"model": "auto", "stream": stream, "input": turns}
    most = {"max_tokens": 300} if surface == "messages" else {}
    return {"model": "auto", "stream": stream, "messages": turns, **most}


async def ask(
    running: Daemon,
    said: Sequence[str] | dict[str, Any],
    surface: str = "chat",
    *,
    stream: bool = False,
    **headers: str,
) -> Mapping[str, str]:
    """Send turns, or a body, on the way of the pair nano, mini; give the headers of the answer."""
    body = said if isinstance(said, dict) else body_of(surface, said, stream=stream)
    named = {"x-pair": "nano-mini"} | {f"x-{name.replace('_', '-')}": value for name, value in headers.items()}
    async with running.http.post(running.url + PATHS[surface], json=body, headers=named) as response:
        await response.read()
        return response.headers


def told(headers: Mapping[str, str]) -> tuple[str, str]:
    return headers["x-rulegate-model"], headers["x-rulegate-attempts"]


async def facts(running: Daemon, headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Give which model had answered, and which one does instead, by the row."""
    kept = (await running.row(headers["x-rulegate-request-id"]))["facts"]
    return kept.get("pin"), kept.get("repinned")


async def moved_to_mini(running: Daemon, surface: str = "chat", *, stream: bool = False, **headers: str) -> None:
    """Begin a conversation whose first turn the second model answers, because the first one fails once."""
    await running.fault(UPSTREAM["nano"], "server_error", count=1)
    assert told(await ask(running, HELLO, surface, stream=stream, **headers)) == ("mini", "2")


@SURFACES
@STREAMED
async def test_the_second_turn_goes_to_the_model_that_answered_the_first(
    paired: Daemon, *, surface: str, stream: bool
) -> None:
    """U-51: within a dialect and across, and no other conversation is moved by it."""
    await moved_to_mini(paired, surface, stream=stream)
    for said in (SECOND, THIRD):
        headers = await ask(paired, said, surface, stream=stream)
        assert told(headers) == ("mini", "1")
        assert await facts(paired, headers) == ("mini", None)
        assert (await paired.row(headers["x-rulegate-request-id"]))["chain"] == ["mini", "nano"]
    for others in (HELLO, ("Another.", "Yes?", "Well.")):
        assert told(await ask(paired, others, surface, stream=stream)) == ("nano", "1")


@STREAMED
async def test_when_the_model_fails_the_conversation_goes_on_with_the_one_that_answers(
    paired: Daemon, *, stream: bool
) -> None:
    """U-52: the row says from which to which."""
    await ask(paired, HELLO, stream=stream)
    await paired.fault(UPSTREAM["nano"], "server_error", count=1)
    headers = await ask(paired, SECOND, stream=stream)
    assert (told(headers), await facts(paired, headers)) == (("mini", "2"), ("nano", "mini"))
    headers = await ask(paired, THIRD, stream=stream)
    assert (told(headers), await facts(paired, headers)) == (("mini", "1"), ("mini", None))


async def test_a_model_that_rests_is_passed_over_and_the_conversation_moves(paired: Daemon) -> None:
    """U-16 U-52: cooling wins over affinity."""
    await ask(paired, HELLO)
    await paired.fault(UPSTREAM["nano"], "auth", count=1)
    assert told(await ask(paired, ("Another.",))) == ("mini", "2")
    headers = await ask(paired, SECOND)
    assert (told(headers), await facts(paired, headers)) == (("mini", "1"), ("nano", "mini"))


@pytest.mark.parametrize("fault", ["cut", "error_in_stream", "no_terminal"])
async def test_a_stream_that_breaks_leaves_its_model(paired: Daemon, fault: str) -> None:
    """U-06 U-52: the turn that is sent again goes where the rule says."""
    await moved_to_mini(paired, stream=True)
    await paired.fault(UPSTREAM["mini"], fault, count=1)
    await ask(paired, SECOND, stream=True)
    assert told(await ask(paired, SECOND, stream=True)) == ("nano", "1")


async def test_a_request_at_fault_itself_moves_no_conversation(paired: Daemon) -> None:
    """U-12 U-51: what the caller did says nothing of the model."""
    await moved_to_mini(paired)
    await paired.fault(UPSTREAM["mini"], "bad_request", count=1)
    await ask(paired, SECOND)
    assert told(await ask(paired, SECOND)) == ("mini", "1")


CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
LOOP: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "user", "content": HELLO[0]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ],
}


async def test_the_result_of_a_tool_goes_to_the_model_that_called_it(paired: Daemon) -> None:
    """U-51: tool loops count as turns."""
    await moved_to_mini(paired)
    assert told(await ask(paired, LOOP)) == ("mini", "1")


async def test_a_conversation_may_be_named_by_header(paired: Daemon) -> None:
    """U-51: then what was said first does not matter."""
    await moved_to_mini(paired, rulegate_conversation="c-1")
    assert told(await ask(paired, ("Summed up.",), rulegate_conversation="c-1")) == ("mini", "1")
    assert told(await ask(paired, SECOND, rulegate_conversation="c-2")) == ("nano", "1")


async def test_the_rule_may_be_another_one_and_the_model_must_be_in_its_chain(paired: Daemon) -> None:
    """U-51: affinity is within what the rules allow now, after a reload too."""
    await moved_to_mini(paired)
    headers = await ask(paired, SECOND, pair="nano-sonnet")
    assert (told(headers), await facts(paired, headers)) == (("nano", "1"), ("mini", "nano"))
    assert told(await ask(paired, THIRD, pair="haiku-sonnet")) == ("haiku", "1")
    paired.write("more.yaml", "rules:\n  - {name: swapped, priority: 99, route: [mini, haiku]}\n")
    await paired.generation(1)
    headers = await ask(paired, THIRD)
    assert (headers["x-rulegate-rule"], *told(headers)) == ("swapped", "haiku", "1")


async def test_a_rule_opts_out(paired: Daemon) -> None:
    """U-51: it heeds nobody who answered before, and is not remembered by others."""
    paired.write("more.yaml", "rules:\n  - {name: out, priority: 99, affinity: none, route: [mini, haiku, nano]}\n")
    await paired.generation(1)
    await ask(paired, HELLO, stream=True)
    headers = await ask(paired, SECOND)
    assert (told(headers), await facts(paired, headers)) == (("mini", "1"), (None, None))
    (paired.rules / "more.yaml").unlink()
    await paired.generation(2)
    headers = await ask(paired, SECOND)
    assert (told(headers), await facts(paired, headers)) == (("nano", "1"), (None, None))


async def test_a_budget_without_room_moves_the_conversation(paired: Daemon) -> None:
    """U-51 U-72: a pin never beats a block."""
    await moved_to_mini(paired)
    paired.write("money.yaml", "budgets: {dry: {scope: {model: mini}, limit: 0.0000001 USD, per: year}}\n")
    await paired.generation(1)
    headers = await ask(paired, SECOND)
    assert (told(headers), await facts(paired, headers)) == (("nano", "1"), ("mini", "nano"))
    row = await paired.row(headers["x-rulegate-request-id"])
    assert [(each["model"], each.get("skip")) for each in row["attempts"]] == [("mini", "over_budget"), ("nano", None)]


async def test_a_conversation_stays_over_a_restart(tmp_path: Path) -> None:
    """U-51 U-79: and nothing that was said is kept for it."""
    async with daemon(tmp_path, FILES) as running:
        await moved_to_mini(running)
    async with daemon(tmp_path, FILES) as running:
        assert told(await ask(running, SECOND)) == ("mini", "1")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / "simulated").glob("state.db*"))
    assert HELLO[0].encode() not in kept


async def test_explain_and_route_say_that_a_conversation_stays(paired: Daemon) -> None:
    """U-51: a reason like any other: asked of the daemon, of a row, and as nobody knows it offline."""
    await moved_to_mini(paired)
    body = body_of("chat", SECOND)
    async with paired.http.post(f"{paired.url}/v1/route", json=body, headers={"x-pair": "nano-mini"}) as response:
        account = await response.json()
    assert (account["affinity"], account["chain"]) == ({"model": "mini", "stays": True}, ["mini", "nano"])
    await paired.fault(UPSTREAM["mini"], "server_error", count=1)
    row_id = (await ask(paired, SECOND))["x-rulegate-request-id"]
    await paired.row(row_id)
    logged = explained("--id", row_id, "--data", str(paired.data))
    assert "\naffinity    mini answered the conversation last, and is asked first\n" in logged
    assert "\nrepinned    the conversation goes on with nano" in logged
    again = json.loads(explained("--id", row_id, "--data", str(paired.data), "--json"))
    assert again["affinity"] == account["affinity"]
    assert again["chain"] == account["chain"]
    (paired.data / "body.json").write_text(json.dumps(body))
    offline = ["--body", str(paired.data / "body.json"), "--header", "x-pair:nano-mini", "--rules", str(paired.rules)]
    assert json.loads(explained(*offline, "--json"))["affinity"] is None


def explained(*options: str) -> str:
    result = CliRunner().invoke(main, ["explain", *options])
    assert result.exit_code == 0, result.output
    return result.stdout

"""The simulator's faults that have no end or no sense: the next step answers, or the stream ends with an error."""

from pathlib import Path

import pytest

from tests.fakes.answers import read
from tests.fakes.daemon import daemon
from tests.fakes.rule_files import MODELS, UPSTREAM

LIMITS = "timeout: {headers: 300ms, first_content: 300ms, idle: 300ms, total: 600ms}"
PAIR = {"chat": ("nano", "sonnet"), "messages": ("haiku", "mini")}
SURFACES = pytest.mark.parametrize("surface", PAIR)
BEFORE = {
    "headers_slowly": ("timeout", "timeout"),
    "pings_only": ("timeout", "timeout"),
    "endless": ("timeout", None),
    "endless_event": ("timeout", "malformed"),
    "gzip_bomb": ("malformed", "malformed"),
    "half_closed": ("truncated", None),
}
"""The failure without a stream and with one, None where content has come by then."""
CASES = [(fault, stream) for fault, failures in BEFORE.items() for stream in (False, True) if failures[stream]]
AFTER = {"endless": "timeout", "half_closed": "truncated", "cut": "truncated"}


def rules(surface: str, limits: str = LIMITS) -> str:
    first, second = PAIR[surface]
    return f"{MODELS}rules: [{{name: all, route: [{{model: {first}, {limits}}}, {second}]}}]\n"


@SURFACES
@pytest.mark.parametrize(("fault", "stream"), CASES)
async def test_before_content_the_next_step_answers(tmp_path: Path, surface: str, fault: str, *, stream: bool) -> None:
    """U-01 U-03 U-23: in time, whatever the provider does, and it is hung up on."""
    failure = BEFORE[fault][stream]
    first, second = PAIR[surface]
    limits = LIMITS if failure == "timeout" else "timeout: {total: 20s}"
    async with daemon(tmp_path, {"a.yaml": rules(surface, limits)}) as running:
        await running.fault(UPSTREAM[first], fault)
        async with running.ask(surface, stream=stream) as response:
            said = read(surface, await response.read(), stream=stream)
        assert (response.status, said.whole) == (200, True)
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert [each["failure"] for each in row["attempts"]] == [failure, None]
        assert (row["outcome"], row["model"]) == ("answered_after_fallback", second)
        seen = await running.upstream()
        assert seen["open_requests"] == 0


@SURFACES
@pytest.mark.parametrize("fault", AFTER)
async def test_after_content_a_stream_ends_with_an_error_event(tmp_path: Path, surface: str, fault: str) -> None:
    """U-06 U-23: and no other model is asked."""
    first, _ = PAIR[surface]
    limits = LIMITS if AFTER[fault] == "timeout" else "timeout: {total: 20s}"
    async with daemon(tmp_path, {"a.yaml": rules(surface, limits)}) as running:
        await running.fault(UPSTREAM[first], fault)
        async with running.ask(surface, stream=True) as response:
            said = read(surface, await response.read(), stream=True)
        assert (bool(said.text), said.whole, said.error is not None) == (True, False, True)
        row = await running.row(response.headers["x-rulegate-request-id"])
        assert ([each["failure"] for each in row["attempts"]], row["outcome"]) == ([AFTER[fault]], "interrupted")
        assert (await running.upstream())["total"] == 1

"""The first model fails before it has said anything, in every way there is: the second one answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.fakes.answers import Said, read
from tests.fakes.daemon import Daemon
from tests.fakes.rule_files import PAIRS, PROVIDER, UPSTREAM

SURFACES = pytest.mark.parametrize("surface", ["chat", "messages"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@dataclass(frozen=True)
class Case:
    """A fault, the Failure that it is, and the one it is in OpenAI's streams; `hasty` when a limit must run out."""

    fault: str
    failure: str
    in_openai_streams: str = ""
    hasty: bool = False

    def of(self, model: str, *, stream: bool) -> str:
        special = stream and PROVIDER[model] == "openai" and self.in_openai_streams
        return special or self.failure


CASES = [
    Case("refuse", "connect"),
    Case("stall", "timeout", hasty=True),
    Case("stall_after_headers", "timeout", hasty=True),
    Case("rate_limited", "rate_limited"),
    Case("server_error", "server_error"),
    Case("overloaded", "overloaded"),
    Case("auth", "auth"),
    Case("quota", "quota"),
    Case("not_found", "not_found"),
    Case("error_in_200", "server_error"),
    Case("error_in_stream", "overloaded", in_openai_streams="server_error"),
    Case("empty", "empty"),
    Case("malformed_line", "malformed"),
]


async def ask(
    daemon: Daemon, surface: str, pair: tuple[str, str], *, stream: bool, hasty: bool = False
) -> tuple[int, Mapping[str, str], Said]:
    """Give the status, the headers and what was said."""
    headers = {"x-pair": "-".join(pair)} | ({"x-haste": "yes"} if hasty else {})
    async with daemon.ask(surface, headers=headers, stream=stream) as response:
        return response.status, response.headers, read(surface, await response.read(), stream=stream)


@SURFACES
@STREAMED
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
async def test_the_second_model_answers_and_all_accounts_agree(
    paired: Daemon, *, case: Case, surface: str, stream: bool
) -> None:
    """U-01 U-03 U-05 U-09 U-10 U-14 U-21 U-23 U-24 U-26: within a dialect and across, the caller, the headers, the
    row, the metrics and the wire say the same."""
    for first in ("nano", "haiku"):
        await paired.fault(UPSTREAM[first], case.fault)
    answers = await asyncio.gather(*(ask(paired, surface, pair, stream=stream, hasty=case.hasty) for pair in PAIRS))
    metrics = await paired.metrics()
    for (first, second), (status, headers, said) in zip(PAIRS, answers, strict=True):
        rule = f"{first}-{second}" + ("-hasty" if case.hasty else "")
        assert status == 200
        assert said.text.startswith(f"(simulated {UPSTREAM[second]})")
        assert (said.whole, said.error, said.model) == (True, None, UPSTREAM[second])
        named = {name: headers[f"x-rulegate-{name}"] for name in ("rule", "model", "provider", "attempts")}
        assert named == {"rule": rule, "model": second, "provider": PROVIDER[second], "attempts": "2"}
        row = await paired.row(headers["x-rulegate-request-id"])
        assert [(each["model"], each["failure"]) for each in row["attempts"]] == [
            (first, case.of(first, stream=stream)),
            (second, None),
        ]
        assert {name: row[name] for name in ("rule", "model", "provider")} == {
            name: named[name] for name in ("rule", "model", "provider")
        }
        assert f"{row['generation']}-{row['fingerprint'][:7]}" == headers["x-rulegate-generation"]
        assert (row["outcome"], row["stream"], row["usage_source"]) == ("answered_after_fallback", stream, "reported")
        assert row["cost_nano_usd"] > 0
        assert metrics["rulegate_requests_total", "answered_after_fallback", rule, surface] == 1
    for first in ("nano", "haiku"):
        assert metrics["rulegate_attempts_total", case.of(first, stream=stream), first] == 2
    for second in ("mini", "sonnet"):
        assert metrics["rulegate_attempts_total", "none", second] == 2
    assert (await paired.upstream())["models"] == {UPSTREAM[name]: 2 for name in UPSTREAM}


@SURFACES
async def test_a_whole_answer_that_breaks_off_goes_to_the_second_model(paired: Daemon, surface: str) -> None:
    """U-09: without a stream nothing has reached the caller yet, so half an answer is a failure like any other."""
    await paired.fault(UPSTREAM["nano"], "cut")
    status, headers, said = await ask(paired, surface, ("nano", "mini"), stream=False)
    assert (status, headers["x-rulegate-model"], said.model) == (200, "mini", UPSTREAM["mini"])
    row = await paired.row(headers["x-rulegate-request-id"])
    assert [each["failure"] for each in row["attempts"]] == ["truncated", None]


@SURFACES
@STREAMED
async def test_a_full_window_is_not_tried_on_a_window_as_small(paired: Daemon, *, surface: str, stream: bool) -> None:
    """U-12: the second model's window is no larger, so it is passed over, and the caller is told why."""
    await paired.fault(UPSTREAM["nano"], "context_length")
    status, headers, said = await ask(paired, surface, ("nano", "mini"), stream=stream)
    assert (status, headers["x-rulegate-attempts"], said.whole) == (400, "1", False)
    row = await paired.row(headers["x-rulegate-request-id"])
    assert [each.get("failure") or each.get("skip") for each in row["attempts"]] == ["context_length", "incapable"]
    assert (await paired.metrics())["rulegate_skips_total", "mini", "incapable"] == 1


@SURFACES
async def test_holding_back_ends_with_the_first_content_limit(paired: Daemon, surface: str) -> None:
    """U-04: a stream that opens and then says nothing is given up, and none of its opening reaches the caller."""
    await paired.fault(UPSTREAM["nano"], "stall_after_headers")
    _, _, said = await ask(paired, surface, ("nano", "mini"), stream=True, hasty=True)
    assert (said.model, said.whole) == (UPSTREAM["mini"], True)
    seen = await paired.upstream()
    assert [entry["disconnected"] for entry in seen["requests"]] == [True, False]

"""A model that fails is left alone, as long as its provider asks; there is a last resort, and an honest answer."""

import pytest

from tests.acceptance.test_fallback import STREAMED, SURFACES, ask
from tests.fakes.daemon import Daemon
from tests.fakes.rule_files import UPSTREAM


async def states(running: Daemon) -> dict[str, tuple[str, str | None]]:
    return {each["name"]: (each["state"], each["reason"]) for each in (await running.get("/api/models"))["models"]}


async def limit(running: Daemon, model: str, retry_after_s: float, count: int | None = None) -> None:
    script = {
        "model": UPSTREAM.get(model, model),
        "fault": "rate_limited",
        "count": count,
        "retry_after": retry_after_s,
    }
    async with running.http.post(f"{running.simulator}/faults", json=script) as response:
        assert response.status == 200


@SURFACES
@STREAMED
async def test_after_one_429_the_model_is_left_alone(paired: Daemon, *, surface: str, stream: bool) -> None:
    """U-16 U-20: the next request goes to the second model at once; row, header, metric and endpoint say so."""
    await limit(paired, "nano", 600)
    await ask(paired, surface, ("nano", "mini"), stream=stream)
    status, headers, said = await ask(paired, surface, ("nano", "mini"), stream=stream)
    assert (status, headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == (200, "mini", "1")
    assert said.whole
    row = await paired.row(headers["x-rulegate-request-id"])
    assert [each.get("skip") for each in row["attempts"]] == ["cooling", None]
    assert row["outcome"] == "answered_after_fallback"
    assert (await paired.upstream())["models"][UPSTREAM["nano"]] == 1
    metrics = await paired.metrics()
    assert metrics["rulegate_skips_total", "nano", "cooling"] == 1
    assert metrics["rulegate_model_state", "nano", "cooling"] == 1
    assert metrics["rulegate_model_state", "nano", "ok"] == 0
    assert await states(paired) == {
        "nano": ("cooling", "rate_limited"),
        **dict.fromkeys(("mini", "haiku", "sonnet"), ("ok", None)),
    }


@SURFACES
@STREAMED
async def test_when_all_rest_one_request_tries_and_the_others_are_told_when_to_come(
    paired: Daemon, *, surface: str, stream: bool
) -> None:
    """U-19: the one that recovers first is tried once; then 429 with the Retry-After of the earliest recovery."""
    await limit(paired, "nano", 900)
    await limit(paired, "mini", 300)
    await ask(paired, surface, ("nano", "mini"), stream=stream)
    status, headers, _ = await ask(paired, surface, ("nano", "mini"), stream=stream)
    assert (status, headers["x-rulegate-attempts"]) == (429, "1")
    assert (await paired.upstream())["models"] == {UPSTREAM["nano"]: 1, UPSTREAM["mini"]: 2}
    for _ in range(3):
        status, headers, said = await ask(paired, surface, ("nano", "mini"), stream=stream)
        assert (status, headers["x-rulegate-attempts"], said.whole) == (429, "0", False)
        assert 290 <= int(headers["Retry-After"]) <= 300
        assert said.error is not None
        assert said.error["rulegate"] == {
            "blame": "provider",
            "attempts": [{"model": name, "skip": "cooling"} for name in ("nano", "mini")],
        }
    assert (await paired.upstream())["total"] == 3


async def test_a_last_resort_that_answers_ends_the_rest(paired: Daemon) -> None:
    """U-19: and the next request goes where the rule says."""
    for name in ("nano", "mini"):
        await limit(paired, name, 600, count=1)
    await ask(paired, "chat", ("nano", "mini"), stream=False)
    status, headers, _ = await ask(paired, "chat", ("nano", "mini"), stream=False)
    assert (status, headers["x-rulegate-model"]) == (200, "nano")
    assert (await states(paired))["nano"] == ("ok", None)
    status, headers, _ = await ask(paired, "chat", ("nano", "mini"), stream=True)
    assert (status, headers["x-rulegate-model"], headers["x-rulegate-attempts"]) == (200, "nano", "1")


@pytest.mark.parametrize("fault", ["bad_request", "context_length", "content_filter"])
async def test_a_request_that_is_at_fault_itself_punishes_no_model(paired: Daemon, fault: str) -> None:
    """U-12: however often."""
    await paired.fault(UPSTREAM["nano"], fault)
    for _ in range(8):
        await ask(paired, "chat", ("nano", "mini"), stream=False)
    assert (await states(paired))["nano"] == ("ok", None)
    assert (await paired.upstream())["models"][UPSTREAM["nano"]] == 8


@pytest.mark.parametrize("fault", ["server_error", "refuse", "malformed_line", "stall"])
async def test_failures_must_be_several(paired: Daemon, fault: str) -> None:
    """U-17: four say nothing, the fifth in a row does."""
    await paired.fault(UPSTREAM["nano"], fault)
    for count in range(1, 8):
        _, headers, said = await ask(paired, "chat", ("nano", "mini"), stream=False, hasty=True)
        assert said.whole
        assert headers["x-rulegate-attempts"] == ("2" if count <= 5 else "1")
    assert (await states(paired))["nano"][0] == "cooling"


async def test_a_deadline_of_the_request_is_not_the_models_fault(paired: Daemon) -> None:
    """U-18: the rule's own deadline ended the attempt."""
    paired.write("late.yaml", "rules:\n  - {name: late, priority: 99, deadline: 20ms, route: [nano]}\n")
    await paired.generation(1)
    await paired.fault(UPSTREAM["nano"], "stall")
    for _ in range(8):
        async with paired.ask("chat") as response:
            assert response.status == 504
    assert (await states(paired))["nano"] == ("ok", None)


async def test_a_new_key_is_tried_at_once(paired: Daemon) -> None:
    """U-10: the model is marked, not the request; what an operator mends ends with a reload."""
    await paired.fault(UPSTREAM["nano"], "auth", count=1)
    await ask(paired, "chat", ("nano", "mini"), stream=False)
    assert (await states(paired))["nano"] == ("cooling", "auth")
    async with paired.http.post(f"{paired.url}/api/reload") as response:
        assert response.status == 200
    _, headers, _ = await ask(paired, "chat", ("nano", "mini"), stream=False)
    assert headers["x-rulegate-model"] == "nano"


async def test_rules_can_look_at_how_a_model_is_doing(paired: Daemon) -> None:
    """The condition `health` sees what /api/models shows, and the row keeps what it saw."""
    rule = "{name: spare, priority: 99, when: {health: {model: nano, is: cooling}}, route: [sonnet]}"
    paired.write("health.yaml", f"rules:\n  - {rule}\n")
    await paired.generation(1)
    await limit(paired, "nano", 600)
    await ask(paired, "chat", ("nano", "mini"), stream=False)
    _, headers, _ = await ask(paired, "chat", ("nano", "mini"), stream=False)
    assert (headers["x-rulegate-rule"], headers["x-rulegate-model"]) == ("spare", "sonnet")
    row = await paired.row(headers["x-rulegate-request-id"])
    assert row["facts"]["health.nano"] == "cooling"
    async with paired.http.post(f"{paired.url}/v1/route", json={"prompt": "hello"}) as response:
        assert (await response.json())["rule"] == "spare"

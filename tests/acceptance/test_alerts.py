"""Alerts through the whole daemon: what is spent, what fails and what is rejected reaches whoever is to be told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.faults import Faults
from gateway.simulator.server import build_app, start
from tests.fakes.alerts import OLD_SECRET, SECRET
from tests.fakes.daemon import Daemon, daemon, until
from tests.fakes.hooks import Got, Hooks, flood, hang, hooks, status

GENERIC = "{{kind: generic, url: {{env: {0}}}, signing_secret: [{{env: SIGNING}}, {{env: OLD_SIGNING}}]}}"
MODELS = """\
providers:
  local: {{kind: openai, base_url: "{simulator}/openai/v1", api_key: none}}
models:
  mini: {{provider: local, model: gpt-5-mini, price: {{input: 1000, output: 1000}}}}
  nano: {{provider: local, model: gpt-5-nano, price: free}}
rules:
  - {{name: all, route: [mini, nano]}}
"""
BROKEN = "rules: [{name: broken, route: nowhere}]\n"


@asynccontextmanager
async def providers() -> AsyncIterator[str]:
    """Run the simulated providers on their own: the daemon is a real one, with real receivers."""
    runner, port = await start(build_app(Faults(), speed=0.0))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", SECRET)
    monkeypatch.setenv("OLD_SIGNING", OLD_SECRET)


@asynccontextmanager
async def told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, alerts: str, *receivers: str
) -> AsyncIterator[tuple[Daemon, Hooks]]:
    """Run a daemon with generic receivers of these names, and the receivers."""
    lines = ["receivers:"]
    async with providers() as simulator, hooks() as there:
        for name in receivers:
            monkeypatch.setenv(name.upper(), f"{there.url}/{name}/canary-of-{name}")
            lines.append(f"  {name}: {GENERIC.format(name.upper())}")
        files = {"a.yaml": MODELS.format(simulator=simulator), "b.yaml": "\n".join([*lines, alerts])}
        async with daemon(directory, files, simulate=False) as running:
            yield running, there


async def standing(running: Daemon, receiver: str, result: str) -> dict[str, Any]:
    """Give how a receiver stands, once the last attempt came to this."""

    async def look() -> dict[str, Any] | None:
        found: list[dict[str, Any]] = (await running.get("/api/alerts"))["receivers"]
        (one,) = (each for each in found if each["name"] == receiver)
        return one if one["last"] and one["last"]["result"] == result else None

    return await until(look, f"result '{result}' of receiver {receiver}")


def verified(got: Got) -> None:
    """Let the specification's own library judge a signature, by the new secret and by the old one."""
    library = pytest.importorskip(
        "standardwebhooks", reason="SIGNATURES NOT VERIFIED INDEPENDENTLY: standardwebhooks is missing (make lock)"
    )
    for secret in (SECRET, OLD_SECRET):
        assert library.Webhook(secret).verify(got.body, dict(got.headers))


BUDGET = """\
budgets:
  all: {limit: 10 USD, per: month, at: {100%: warn}}
alerts:
  money: {kind: budget, at: [50%, 100%], notify: [ops]}
"""


async def spend(running: Daemon, budget: str, usd: float) -> None:
    """Ask until so much of a budget is spent."""
    while (await running.metrics())["rulegate_budget_spend_usd", budget] < usd:
        async with running.ask("chat") as response:
            assert response.status == 200


async def test_money_that_goes_is_told_level_by_level_and_so_is_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-80, U-82, U-105: through the daemon, the simulator and a receiver that verifies what it gets."""
    async with told(tmp_path, monkeypatch, BUDGET, "ops") as (running, there):
        await spend(running, "all", 5)
        (first,) = await there.until("ops", 1)
        assert (first.data["phase"], first.data["scope"]) == ("firing", {"budget": "all"})
        assert first.data["values"]["spent_nano_usd"] >= 5_000_000_000
        await spend(running, "all", 10)
        escalated = (await there.until("ops", 2))[1]
        assert (escalated.data["phase"], escalated.data["severity"]) == ("escalated", "critical")
        open_ = (await running.get("/api/alerts"))["open"]
        assert [(each["id"], each["alert"], each["severity"]) for each in open_] == [
            (first.data["incident_id"], "money", "critical")
        ]
        metrics = await running.metrics()
        rows = await running.rows(int(metrics["rulegate_attempts_total", "none", "mini"]))
        assert metrics["rulegate_alerts_firing", "money"] == 1
        spent = sum(row["cost_nano_usd"] for row in rows)
        assert round(metrics["rulegate_budget_spend_usd", "all"] * 10**9) == spent
        text = (running.rules / "b.yaml").read_text()
        running.write("b.yaml", text.replace("10 USD", "1000000 USD"))
        resolved = (await there.until("ops", 3))[2]
        assert (resolved.data["phase"], resolved.data["incident_id"]) == ("resolved", first.data["incident_id"])
        assert (await running.get("/api/alerts"))["open"] == []
        delivered = await until(lambda: counted(running, "ops", "delivered", 3), "third delivery in the metrics")
        assert delivered == 3
        for got in there.of("ops"):
            verified(got)


async def counted(running: Daemon, receiver: str, result: str, least: float) -> float | None:
    value = (await running.metrics())["rulegate_alert_deliveries_total", receiver, result]
    return value if value >= least else None


RATES = """\
alerts:
  errors: {kind: error_rate, by: model, minimum: 5, notify: [ops]}
  fallbacks: {kind: fallback_rate, minimum: 5, notify: [ops]}
"""


async def test_models_that_fail_are_told_with_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-80: the rates are counted from the requests as they are noted."""
    async with told(tmp_path, monkeypatch, RATES, "ops") as (running, there):
        simulator = (running.rules / "a.yaml").read_text().split('"')[1].removesuffix("/openai/v1")
        script = {"model": "gpt-5-mini", "fault": "empty", "count": None}
        async with running.http.post(f"{simulator}/faults", json=script) as response:
            assert response.status == 200
        for _ in range(8):
            async with running.ask("chat") as response:
                assert response.headers["x-rulegate-model"] == "nano"
        found = {got.data["alert"]: got.data for got in await there.until("ops", 2)}
    assert found["errors"]["scope"] == {"model": "mini"}
    assert found["errors"]["values"]["failures"].keys() == {"empty"}
    assert found["fallbacks"]["summary"].startswith("100 % of all requests fell back in the last 5 min")
    assert found["fallbacks"]["values"]["failures"].keys() == {"mini: empty"}


REJECTED = "alerts:\n  rules: {kind: config_rejected, notify: [%s]}\n"
NAMES = ("fine", "down", "slow", "moved", "gone", "busy", "huge")


async def test_receivers_that_misbehave_keep_neither_requests_nor_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-82, U-103: one is slow, one down, one redirects, one is gone, one is busy, one never stops talking."""
    alerts = REJECTED % ", ".join(NAMES)
    async with told(tmp_path, monkeypatch, alerts, *NAMES) as (running, there):
        there.behaviours = {
            "down": status(500),
            "slow": hang,
            "moved": status(302, location=f"{there.url}/elsewhere"),
            "gone": status(410),
            "busy": status(429, retry_after="3600"),
            "huge": flood,
        }
        running.write("broken.yaml", BROKEN)
        (message,) = await there.until("fine", 1)
        await there.until("slow", 1)
        for _ in range(20):  # while one of them hangs
            async with running.ask("chat") as response:
                assert response.status == 200
        assert (await standing(running, "fine", "delivered"))["failed_in_a_row"] == 0
        assert (await standing(running, "huge", "delivered"))["last"]["status"] == 200
        assert (await standing(running, "down", "server_error"))["waiting"] == 1
        assert (await standing(running, "moved", "redirect"))["last"]["status"] == 302
        assert (await standing(running, "gone", "gone"))["disabled"] == "gone"
        busy = await standing(running, "busy", "rate_limited")
        assert (busy["waiting"], busy["not_before"] is not None) == (1, True)
        assert there.of("elsewhere") == []
        assert "no model" not in message.data["summary"]
        (running.rules / "broken.yaml").unlink()
        ended = (await there.until("fine", 2))[1]
        assert ended.data["phase"] == "resolved"
        assert (len(there.of("gone")), len(there.of("busy"))) == (1, 1)
        moved = (await running.metrics())["rulegate_alert_deliveries_total", "moved", "redirect"]
        assert moved >= 1


async def test_a_receiver_that_was_down_gets_the_message_under_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-82: the second attempt comes five seconds after the first."""
    async with told(tmp_path, monkeypatch, REJECTED % "ops", "ops") as (running, there):
        there.behaviours["ops"] = status(503)
        running.write("broken.yaml", BROKEN)
        await there.until("ops", 1)
        await standing(running, "ops", "server_error")
        del there.behaviours["ops"]
        first, second = await there.until("ops", 2)
        assert first.id == second.id != ""
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
        assert (await standing(running, "ops", "delivered"))["waiting"] == 0
        verified(second)


async def test_a_receiver_that_was_gone_is_told_again_once_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-82: its address is read anew at a reload, like the keys of providers."""
    async with told(tmp_path, monkeypatch, REJECTED % "ops", "ops") as (running, there):
        there.behaviours["ops"] = status(410)
        running.write("broken.yaml", BROKEN)
        await standing(running, "ops", "gone")
        (running.rules / "broken.yaml").unlink()

        async def waits() -> bool | None:
            (one,) = (await running.get("/api/alerts"))["receivers"]
            return one["waiting"] == 1 or None

        await until(waits, "message that waits")
        monkeypatch.setenv("OPS", f"{there.url}/new/place")
        async with running.http.post(f"{running.url}/api/reload") as response:
            assert response.status == 200
        (got,) = await there.until("new", 1)
        assert got.data["phase"] == "resolved"
        assert (await standing(running, "ops", "delivered"))["disabled"] is None
        assert len(there.of("ops")) == 1


async def test_a_secret_that_is_missing_or_none_keeps_the_rules_from_being_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-92, U-114: a reload names it, without what stands there."""
    async with told(tmp_path, monkeypatch, REJECTED % "ops", "ops") as (running, _):
        receiver = "receivers:\n  more: {kind: generic, url: {env: MORE}, signing_secret: {env: MORE_SIGNING}}\n"
        running.write("more.yaml", receiver)
        said = (await running.status(lambda status: status["rejected"] is not None, "rejection"))["rejected"]
        assert [each["message"] for each in said["problems"]] == [
            "receiver 'more' needs environment variable MORE",
            "receiver 'more' needs environment variable MORE_SIGNING",
        ]
        monkeypatch.setenv("MORE", "canary-no-address")
        monkeypatch.setenv("MORE_SIGNING", "canary-no-secret")
        async with running.http.post(f"{running.url}/api/reload") as response:
            said = await response.json()
            assert response.status == 422
        assert [(each["file"], each["line"], each["message"]) for each in said["rejected"]["problems"]] == [
            ("more.yaml", 2, "receiver 'more': its url is no http or https address"),
            ("more.yaml", 2, "receiver 'more': its signing_secret is none: a signing secret begins with 'whsec_'"),
        ]
        assert "canary" not in str(said)


async def test_operators_see_silence_and_accept_incidents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-80: over HTTP, with what is wrong with a request said in it."""

    async def post(path: str, body: object = None) -> tuple[int, Any]:
        async with running.http.post(running.url + path, json=body) as response:
            return response.status, await response.json()

    async def one_open(number: int = 1) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = (await running.get("/api/alerts"))["open"]
        return found if len(found) == number else None

    async with told(tmp_path, monkeypatch, REJECTED % "ops", "ops") as (running, there):
        code, made = await post("/api/silences", {"matchers": {"kind": "config_rejected"}, "for": "1h", "comment": "c"})
        assert (code, made["matchers"], made["comment"]) == (200, {"kind": "config_rejected"}, "c")
        running.write("broken.yaml", BROKEN)
        (incident,) = await until(one_open, "incident")
        assert (incident["silenced"], incident["told"], incident["kind"]) == (True, [], "config_rejected")
        shown = await running.get("/api/alerts")
        assert ([each["id"] for each in shown["silences"]], shown["recent"][0]["silenced"]) == ([made["id"]], True)
        async with running.http.delete(f"{running.url}/api/silences/{made['id']}") as response:
            assert (response.status, await response.json()) == (200, {"id": made["id"], "ended": True})
        (got,) = await there.until("ops", 1)
        assert got.data["incident_id"] == incident["id"]
        code, made = await post(f"/api/alerts/{incident['id']}/silence", {"until": "2100-01-01T00:00:00Z"})
        assert (code, made["matchers"]) == (200, {"incident_id": incident["id"]})
        code, accepted = await post(f"/api/alerts/{incident['id']}/accept")
        assert (code, accepted) == (200, {"id": incident["id"], "accepted": True})
        resolved = (await there.until("ops", 2))[1]
        assert (resolved.data["phase"], resolved.data["values"]["accepted"]) == ("resolved", True)
        await until(lambda: one_open(0), "end of the incident")
        for path in (f"/api/alerts/{incident['id']}/accept", "/api/alerts/nope/silence"):
            code, error = await post(path, {"for": "1h"})
            assert (code, error["error"]["message"].startswith("there is no open incident")) == (404, True)
        async with running.http.delete(f"{running.url}/api/silences/nope") as response:
            assert response.status == 404
        code, error = await post("/api/silences", {"for": "1h"})
        assert (code, error["error"]["message"]) == (
            400,
            "matchers holds at least one label with a text: alert, kind, severity, or what the incident is about",
        )


async def test_nothing_of_a_receivers_address_comes_out_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """U-114: not in the log at its most talkative, in what operators are shown, in a metric or on the disk."""
    caplog.set_level("DEBUG")
    async with told(tmp_path, monkeypatch, REJECTED % "ops, bad", "ops", "bad") as (running, there):
        there.behaviours["bad"] = status(500)
        running.write("broken.yaml", BROKEN)
        await standing(running, "ops", "delivered")
        await standing(running, "bad", "server_error")
        assert "canary-of-ops" not in there.url
        out = []
        for path in ("/metrics", "/api/status", "/api/config", "/api/alerts", "/api/log"):
            async with running.http.get(running.url + path) as response:
                out.append(await response.text())
        stored = b"".join(path.read_bytes() for path in running.data.rglob("*") if path.is_file())
        out += [stored.decode("latin-1"), caplog.text, repr(running.reloader.active)]
    assert "cannot be told" in caplog.text
    assert b"config_rejected" in stored
    for secret in ("canary-of-ops", "canary-of-bad", SECRET, SECRET.removeprefix("whsec_"), OLD_SECRET):
        assert [secret in text for text in out] == [False] * len(out)

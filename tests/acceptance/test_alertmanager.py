"""A real Alertmanager is handed our alerts: it groups them, tells of them, and hears of their end."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_alerts import MODELS, providers, spend
from tests.fakes.alertmanager import alertmanager
from tests.fakes.daemon import daemon, until
from tests.fakes.hooks import Hooks, hooks

ALERTS = """\
budgets:
  growth: {limit: 10 USD, per: month, at: {100%: warn}}
  drafts: {limit: 10 USD, per: day, at: {100%: warn}}
receivers:
  manager: {kind: alertmanager_api, url: {env: MANAGER}}
alerts:
  money: {kind: budget, at: [50%, 100%], notify: [manager]}
"""


def told(there: Hooks) -> list[dict[str, Any]]:
    """Give the notifications that the Alertmanager sent."""
    return [json.loads(got.body) for got in there.of("hook")]


async def notification(there: Hooks, state: str, severity: str, budget: str) -> dict[str, Any]:
    """Wait for a notification of a group in which an alert of this severity has this state."""

    async def look() -> dict[str, Any] | None:
        return next(
            (
                each
                for each in told(there)
                if each["groupLabels"] == {"budget": budget}
                and (state, severity) in {(one["status"], one["labels"]["severity"]) for one in each["alerts"]}
            ),
            None,
        )

    return await until(look, f"notification that {budget} is {state} ({severity})")


async def test_a_real_alertmanager_receives_groups_and_resolves_our_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-82: by budget as its route says; an escalation ends what it was before, and a raised limit ends it all."""
    async with hooks() as there, alertmanager(tmp_path, f"{there.url}/hook") as manager, providers() as simulator:
        monkeypatch.setenv("MANAGER", manager.url)
        files = {"a.yaml": MODELS.format(simulator=simulator), "b.yaml": ALERTS}
        async with daemon(tmp_path, files, simulate=False) as running:
            await spend(running, "growth", 5)
            active = await manager.until_alerts(lambda found: len(found) == 2, "pair of alerts")
            assert {each["labels"]["budget"]: each["labels"] for each in active} == {
                name: {"alertname": "money", "kind": "budget", "budget": name, "severity": "warning"}
                for name in ("growth", "drafts")
            }
            for name in ("growth", "drafts"):
                firing = await notification(there, "firing", "warning", name)
                assert firing["commonAnnotations"]["summary"].startswith(f"Budget {name} has spent ")
            await spend(running, "growth", 10)
            for name in ("growth", "drafts"):
                await notification(there, "firing", "critical", name)
                await notification(there, "resolved", "warning", name)
            text = (running.rules / "b.yaml").read_text()
            running.write("b.yaml", text.replace("10 USD", "1000000 USD"))
            for name in ("growth", "drafts"):
                await notification(there, "resolved", "critical", name)
            assert await manager.until_alerts(lambda found: not found, "end of all alerts") == []

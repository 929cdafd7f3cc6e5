"""Money that goes too fast and prices that change, through the daemon, to a receiver that verifies what it gets."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_alerts import secrets, spend, told, verified
from tests.fakes.daemon import Daemon, until

__all__ = ["secrets"]

BURNING = """\
budgets:
  all: {limit: 100 USD, per: month, at: {100%: warn}}
alerts:
  burning: {kind: burn_rate, budget: all, notify: [ops]}
  looking: {kind: threshold, metric: catalogue_age_days, above: -1, notify: [looked]}
"""
"""The second alert fires at the first look, from which on minutes are heard of; what was before, the ledger knows."""


async def one_shift(running: Daemon) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = (await running.get("/api/spend"))["shifts"]
    return found[0] if found else None


async def test_a_budget_that_burns_is_told_once_with_who_burns_it_and_until_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-80 U-82: the numbers are the ledger's, the incident is marked beside the chart, more of the same is no news."""
    async with told(tmp_path, monkeypatch, BURNING, "ops", "looked") as (running, there):
        await there.until("looked", 1)
        await spend(running, "all", 4)
        (got,) = await there.until("ops", 1)
        values = got.data["values"]
        assert (got.data["phase"], got.data["severity"], got.data["scope"]) == ("firing", "critical", {"budget": "all"})
        assert got.data["summary"].startswith("Budget all is spent at ")
        assert "times its even rate: all of it is used up by " in got.data["summary"]
        assert (values["short_s"], values["long_s"], values["above"]) == (300, 3_600, 14.4)
        # the short window is heard of from the first look on, the long one is read from the ledger
        assert values["long_nano_usd"] >= values["short_nano_usd"] >= 1_000_000_000
        assert [each["dimension"] for each in values["most"]] == ["team", "rule", "model"]
        assert [each["name"] for each in values["most"]] == ["", "all", "mini"]
        await spend(running, "all", 12)
        mark = await until(lambda: one_shift(running), "mark")
        assert (mark["id"], mark["kind"], mark["ended_at"]) == (got.data["incident_id"], "burn_rate", None)
        answer = await running.get("/api/spend?budget=all&by=model")
        assert answer["total"]["nano_usd"] >= 12_000_000_000
        assert answer["budget"]["limit_nano_usd"] == 100_000_000_000
        assert len(there.of("ops")) == 1
        verified(got)


PRICES = """\
alerts:
  prices: {kind: price_change, notify: [ops]}
"""


async def test_another_price_is_told_at_the_reload_and_not_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-66 U-80: exact, of a model in use, with what it comes to; the price of another model is no news."""
    async with told(tmp_path, monkeypatch, PRICES, "ops") as (running, there):
        async with running.ask("chat") as response:
            assert response.headers["x-rulegate-model"] == "mini"
        output = (await running.get("/api/spend"))["total"]["output_tokens"]
        text = (running.rules / "a.yaml").read_text()
        dearer = text.replace("{input: 1000, output: 1000}", "{input: 1000, output: 1500}")
        generation = (await running.status(lambda _: True, "status"))["generation"]
        running.write("a.yaml", dearer.replace("price: free", "price: {input: 1, output: 1}"))
        status = await running.generation(generation)
        (got,) = await there.until("ops", 1)
        change = f"{status['generation']}-{status['fingerprint'][:7]}"
        assert got.data["scope"] == {"model": "mini", "change": change}
        assert (got.data["phase"], got.data["severity"]) == ("firing", "warning")
        assert "output 1000 -> 1500 (+50 %) USD per million tokens" in got.data["summary"]
        assert output > 0
        assert got.data["values"]["month_nano_usd"] == round(output * 500_000 * 30 / 7)
        assert (got.data["values"]["attempts"], got.data["values"]["source"]) == (1, "rules")
        assert [mark["kind"] for mark in (await running.get("/api/spend"))["shifts"]] == ["price_change"]
    rejected = PRICES + "  rules: {kind: config_rejected, notify: [ops]}\n"
    (tmp_path / "rules.d" / "a.yaml").unlink()
    async with told(tmp_path, monkeypatch, rejected, "ops") as (running, there):
        text = (running.rules / "a.yaml").read_text()  # the first prices again, which is another change
        (got,) = await there.until("ops", 1)
        assert (got.data["phase"], got.data["severity"], got.data["alert"]) == ("firing", "info", "prices")
        running.write("broken.yaml", "rules: [{name: broken, route: nowhere}]\n")
        second = (await there.until("ops", 2))[1]
        assert second.data["alert"] == "rules"
        assert len((await running.get("/api/alerts"))["open"]) == 3

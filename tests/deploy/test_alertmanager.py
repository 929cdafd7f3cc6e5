"""deploy/alertmanager: whom an alert reaches, and which alerts make another needless, asked of Alertmanager itself."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.deploy.shipped import DEPLOY, loaded
from tests.fakes.daemon import until

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
LONGEST_S = 30.0
Labels = dict[str, str]


def installed(*names: str) -> str:
    tool = next(filter(None, map(shutil.which, names)), None)
    if tool is None:
        pytest.skip(f"ALERTMANAGER'S CONFIGURATION IS NOT TESTED: there is no {names[0]} here "
                    "(Debian: prometheus-alertmanager)")  # fmt: skip
    return tool


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run([installed("amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_well_formed() -> None:
    amtool("check-config", CONFIG)


WAYS: dict[str, tuple[Labels, str]] = {
    "a warning of Prometheus": ({"alertname": "RulegateFallbackRate", "severity": "warning"}, "chat"),
    "a page of Prometheus": ({"alertname": "RulegateDown", "severity": "critical"}, "pager"),
    "a look for some time": ({"alertname": "RulegateCatalogueOld", "severity": "info"}, "chat"),
    "a warning of the gateway": ({"alertname": "spend", "kind": "spend_shift", "severity": "warning"}, "chat"),
    "a page of the gateway": ({"alertname": "budget", "kind": "budget", "severity": "critical"}, "pager"),
    "a sample": ({"alertname": "budget", "kind": "budget", "severity": "critical", "sample": "true"}, "chat"),
}


@pytest.mark.parametrize("name", WAYS)
def test_an_alert_goes_its_way(name: str) -> None:
    """By severity, whoever raised it; a sample wakes nobody."""
    labels, receiver = WAYS[name]
    words = [f"{label}={value}" for label, value in labels.items()]
    assert amtool("config", "routes", "test", f"--config.file={CONFIG}", *words).split() == [receiver]


def test_the_alerts_that_are_named_are_there() -> None:
    """A name that no alert has would inhibit nothing, and nobody would notice."""
    rules = loaded("prometheus/rules/alerts.yml")
    there = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    for inhibition in loaded("alertmanager/alertmanager.yml")["inhibit_rules"]:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            if found := re.fullmatch(r'alertname=~?"(.+)"', matcher):
                named = {name for name in there if re.fullmatch(found[1], name)}
                assert len(named) >= found[1].count("|") + 1, matcher


DOWN = {"alertname": "RulegateDown", "job": "rulegate", "instance": "a:1", "severity": "critical"}
FAILING = {"alertname": "RulegateErrorRate", "job": "rulegate", "severity": "critical"}
USED_UP = {"alertname": "RulegateBudgetUsedUp", "job": "rulegate", "budget": "growth", "severity": "critical"}
NEARLY = {"alertname": "RulegateBudgetNearlyUsed", "job": "rulegate", "budget": "growth", "severity": "warning"}
FALLING = {"alertname": "RulegateFallbackRate", "job": "rulegate", "severity": "warning"}
COOLING = {"alertname": "RulegateModelCooling", "job": "rulegate", "model": "gpt", "severity": "warning"}
KEYLESS = {"alertname": "RulegateAccountTrouble", "job": "rulegate", "model": "gpt", "severity": "critical"}
OWN_BUDGET = {"alertname": "monthly", "kind": "budget", "budget": "growth", "severity": "warning"}
OWN_SHIFT = {"alertname": "spend", "kind": "spend_shift", "team": "growth", "severity": "critical"}
OWN_ERRORS = {"alertname": "errors", "kind": "error_rate", "severity": "critical"}

INHIBITIONS: dict[str, tuple[list[Labels], list[Labels]]] = {
    "a gateway that is down explains the rest": ([DOWN, FALLING, COOLING, NEARLY], [FALLING, COOLING, NEARLY]),
    "of another job it explains nothing": ([DOWN | {"job": "other"}, FALLING], []),
    "nor what the gateway said itself": ([DOWN, OWN_SHIFT, OWN_BUDGET], []),
    "where few are answered": ([FAILING, FAILING | {"severity": "warning"}, FALLING],
                               [FAILING | {"severity": "warning"}, FALLING]),
    "a budget that is used up": ([USED_UP, NEARLY], [NEARLY]),
    "another budget is used up": ([USED_UP | {"budget": "everything"}, NEARLY], []),
    "a wrong key is why a model rests": ([KEYLESS, COOLING], [COOLING]),
    "another model's key": ([KEYLESS | {"model": "opus"}, COOLING], []),
    "the gateway's own says more about a budget": ([OWN_BUDGET, NEARLY], [NEARLY]),
    "and less than one that is worse": ([OWN_BUDGET, USED_UP], []),
    "of another budget it says nothing": ([OWN_BUDGET | {"budget": "everything"}, NEARLY], []),
    "the gateway's own says more about errors": ([OWN_ERRORS, FAILING], [FAILING]),
    "but not where it is about one rule": ([OWN_ERRORS | {"rule": "code"}, FAILING], []),
    "the gateway's own shift silences no other team's": (
        [OWN_SHIFT, OWN_SHIFT | {"team": "sales", "severity": "warning"}], []),
    "nobody's trouble but its own": ([FALLING, COOLING, NEARLY], []),
}  # fmt: skip


@asynccontextmanager
async def alertmanager(directory: Path) -> AsyncIterator[str]:
    """Run an Alertmanager with the configuration of deploy/, on a port that the system chose; it tells nobody."""
    tool = installed("prometheus-alertmanager", "alertmanager")
    process = await asyncio.create_subprocess_exec(
        *(tool, f"--config.file={CONFIG}", f"--storage.path={directory}"),
        *("--web.listen-address=127.0.0.1:0", "--cluster.listen-address="),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    said = []
    try:
        async with asyncio.timeout(LONGEST_S):
            async for line in process.stderr:
                said.append(line.decode())
                if found := re.search(r'msg="Listening on".* address=(\S+)', said[-1]):
                    break
            else:
                raise AssertionError("".join(said))
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(process.stderr.read())
            yield f"http://{found[1]}/api/v2/alerts"
            process.terminate()
            await reading
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


LAST = [DOWN | {"job": "last"}, FALLING | {"job": "last"}]
"""A pair that is told after all others: once the second is inhibited, what was told before has been taken in."""


@pytest.mark.parametrize("name", INHIBITIONS)
async def test_an_alert_that_says_no_more_keeps_quiet(tmp_path: Path, name: str) -> None:
    """Alertmanager says of each alert which others inhibit it."""
    alerts, quiet = INHIBITIONS[name]
    async with alertmanager(tmp_path) as api, aiohttp.ClientSession() as http:
        for told in (alerts, LAST):
            async with http.post(api, json=[{"labels": labels} for labels in told]) as response:
                assert response.status == 200, await response.text()

        async def judged() -> list[Labels] | None:
            async with http.get(api) as answer:
                seen: list[dict[str, Any]] = await answer.json()
            inhibited: list[Labels] = [each["labels"] for each in seen if each["status"]["inhibitedBy"]]
            return inhibited if LAST[1] in inhibited else None

        inhibited = await until(judged, "inhibition of the last alert")
    assert in_order(inhibited) == in_order([*quiet, LAST[1]])


def in_order(alerts: list[Labels]) -> list[list[tuple[str, str]]]:
    return sorted(sorted(labels.items()) for labels in alerts)

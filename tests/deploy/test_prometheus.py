"""deploy/prometheus: promtool takes the rules, and has cases in which each alert fires and keeps quiet."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.shipped import DEPLOY, loaded

HERE = DEPLOY / "prometheus"
RULES = sorted((HERE / "rules").glob("*.yml"))
TESTS = sorted((HERE / "tests").glob("*.yml"))


def entries(path: Path) -> list[dict[str, Any]]:
    groups = loaded(f"prometheus/rules/{path.name}")["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = entries(HERE / "rules" / "alerts.yml")
RECORDED = [rule["record"] for rule in entries(HERE / "rules" / "recording.yml")]
CASES: list[dict[str, Any]] = [case for path in TESTS for case in loaded(f"prometheus/tests/{path.name}")["tests"]]


def promtool(*arguments: str | Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("THE ALERTS ARE NOT TESTED: there is no promtool here (Debian: prometheus)")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, cwd=HERE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed() -> None:
    promtool("check", "rules", "--lint-fatal", *RULES)


def test_the_configuration_is_well_formed() -> None:
    promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    """With the words that people will read."""
    promtool("test", "rules", path)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires, keeps_quiet = set(), set()
    for case in CASES:
        for each in case.get("alert_rule_test", []):
            seen = {(each["alertname"], alert["exp_labels"]["severity"]) for alert in each.get("exp_alerts", [])}
            fires |= seen
            if not seen:
                keeps_quiet.add(each["alertname"])
    assert fires == {(alert["alert"], alert["labels"]["severity"]) for alert in ALERTS}
    assert keeps_quiet == {alert["alert"] for alert in ALERTS}


def test_each_recorded_series_has_a_case() -> None:
    asked = " ".join(each["expr"] for case in CASES for each in case.get("promql_expr_test", []))
    assert [name for name in RECORDED if name not in asked] == []


def test_the_cases_are_run_over_all_rules() -> None:
    names = {f"../rules/{path.name}" for path in RULES}
    assert all(set(loaded(f"prometheus/tests/{path.name}")["rule_files"]) == names for path in TESTS)
    assert loaded("prometheus/prometheus.yml")["rule_files"] == ["rules/*.yml"]


def test_alerts_say_what_is_wrong_and_how_urgent_it_is() -> None:
    """The words of severity are those of the gateway's own alerts, which go the same ways."""
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"info", "warning", "critical"}, alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description"}, alert["alert"]
        assert all(text.endswith(".") for text in alert["annotations"].values()), alert["alert"]


def test_alerts_go_by_the_job_that_is_scraped() -> None:
    jobs = {job["job_name"] for job in loaded("prometheus/prometheus.yml")["scrape_configs"]}
    asked = {name for alert in ALERTS for name in re.findall(r'job="(\w+)"', alert["expr"])}
    assert asked == {"rulegate"}
    assert asked <= jobs

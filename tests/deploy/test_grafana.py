"""deploy/grafana: a dashboard that Grafana can lay out. What it asks for is checked in test_metric_names.py."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.shipped import DEPLOY

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "rulegate.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
WIDTH = 24
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}


def expressions() -> list[str]:
    targets = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
    return targets + [each["expr"] for each in DASHBOARD["annotations"]["list"]]


def test_panels_lie_side_by_side() -> None:
    """None outside the grid, none over another, and no gap in the order of rows."""
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= WIDTH, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    assert [p["gridPos"]["y"] for p in PANELS] == sorted(p["gridPos"]["y"] for p in PANELS)


def test_each_panel_is_one_of_its_own_and_says_what_it_shows() -> None:
    ids = [panel["id"] for panel in PANELS]
    titles = [panel["title"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert all(panel["description"].endswith(".") for panel in PANELS if panel["type"] != "row")
    inner = [(panel["title"], target["refId"]) for panel in PANELS for target in panel.get("targets", [])]
    assert len(set(inner)) == len(inner)
    assert {"Requests by outcome", "Spend by rule", "Spend by model", "Fallback tax", "Budgets used"} <= set(titles)


def test_everything_asks_the_prometheus_that_was_chosen() -> None:
    """Whoever imports it has another one."""
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert VARIABLES["datasource"]["query"] == "prometheus"
    data = [panel["datasource"] for panel in PANELS if panel["type"] != "row"]
    data += [target["datasource"] for panel in PANELS for target in panel.get("targets", [])]
    data += [
        each["datasource"]
        for each in (*VARIABLES.values(), *DASHBOARD["annotations"]["list"])
        if each.get("datasource")
    ]
    assert data
    assert all(each == chosen for each in data)


def test_it_needs_no_recording_rule() -> None:
    assert not [text for text in expressions() if re.search(r"rulegate:", text)]


def test_every_choice_is_there_and_counts() -> None:
    used = set(re.findall(r"\$(\w+)", " ".join(expressions()))) - {"__rate_interval", "__range"}
    assert used == VARIABLES.keys() - {"datasource"}


def test_prometheus_reads_its_queries(tmp_path: Path) -> None:
    """As recording rules, with an interval where Grafana fills one in."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("THE DASHBOARD'S QUERIES ARE NOT READ: there is no promtool here (Debian: prometheus)")
    rules = [
        {"record": f"query:{number}", "expr": re.sub(r"\$__(rate_interval|range)", "5m", text)}
        for number, text in enumerate(expressions())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([tool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

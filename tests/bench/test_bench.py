"""The bench runs: it starts what it measures, drives it, and writes figures of the shape that its reader expects."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="THE BENCH IS NOT TESTED: it reads /proc and needs Linux"
)
ROOT = Path(__file__).resolve().parents[2]


def run(out: Path, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench/run.py"), "--quick", "--seconds", "0.2", "--out", str(out), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "aim" in done.stdout
    result: dict[str, Any] = json.loads(out.read_text())
    return result


@linux_only
@pytest.mark.skipif(shutil.which("cc") is None, reason="THE BENCH IS NOT TESTED: its driver needs a C compiler, cc")
def test_one_cell_gives_the_ratio_of_the_whole_job_to_the_bare_proxy(tmp_path: Path) -> None:
    """One short cell: CPU of both sides, every answer good, logged and counted, and a value for each aim it serves."""
    result = run(tmp_path / "result.json", "--cells", "chat-1")
    cell = result["cells"]["chat-1"]
    assert result["about"]["driver"] == "c"
    assert set(cell) >= {"gateway", "b", "direct", "cpu_ratio", "cpu_ratios", "added_whole_p50_us_ratio"}
    assert cell["cpu_ratio"] == cell["cpu_ratios"][0] > 0
    for target in ("gateway", "b"):
        assert cell[target]["all"] > 0
        assert cell[target]["bad"] == 0
        assert cell[target]["cpu_ms"] > 0
        assert result["processes"]["first_answer_s"][target] > 0
        assert result["processes"]["idle_memory_mb"][target] > 0
    assert result["done"]["rows"] >= result["done"]["answers"] == cell["gateway"]["all"]
    assert result["decisions"]["1000"]["p99_us"] >= result["decisions"]["100"]["p50_us"] > 0
    reached = {aim["aim"] for aim in result["aims"] if aim["value"] is not None}
    assert reached == {
        "added latency, 1 connection, p50, x b",
        "added latency, 1 connection, p99, x b",
        "decision at 1,000 rules, p50, x 100 rules",
        "start to first answer, x b",
        "resident memory when idle, MB",
    }


@linux_only
def test_without_a_c_compiler_the_driver_in_python_gives_the_same_figures(tmp_path: Path) -> None:
    """Streams over many connections, so that both sides of the slow driver are put to use."""
    environment = {name: value for name, value in os.environ.items() if name != "CC"} | {"PATH": str(tmp_path)}
    result = run(tmp_path / "result.json", "--cells", "stream-64", environment=environment)
    cell = result["cells"]["stream-64"]
    assert result["about"]["driver"] == "python"
    assert cell["cpu_ratio"] > 0
    assert cell["gateway"]["bad"] == cell["b"]["bad"] == 0
    assert result["done"]["rows"] >= result["done"]["answers"] >= 64


def test_a_cell_that_there_is_not_is_named_with_those_that_are() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench/run.py"), "--cells", "chat-65"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "chat-65" in done.stderr
    assert "messages-64" in done.stderr

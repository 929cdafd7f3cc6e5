"""The chaos bench runs: it lets each thing really go wrong, and gives ratios of one run."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="THE CHAOS BENCH IS NOT TESTED: it reads /proc and needs Linux"),
    pytest.mark.timeout(120),
]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "bench/chaos.py"), "--quick", "--seconds", "0.4", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_each_case_is_measured_beside_the_same_load_without_it(tmp_path: Path) -> None:
    """U-82 U-99: while a store or a receiver hangs every request is answered; the table has the ratio of each round."""
    out = tmp_path / "chaos.json"
    done = run("--out", str(out))
    assert done.returncode == 0, done.stderr
    rounds: dict[str, list[dict[str, dict[str, Any]]]] = json.loads(out.read_text())
    assert list(rounds) == ["log store stalled", "disk full", "webhook stalled", "1,000 slow callers"]
    for name, (seen,) in rounds.items():
        assert all(seen[part]["all"] > 0 == seen[part]["bad"] for part in ("calm", "disturbed"))
        ratio = seen["disturbed"]["whole_p99_us"] / seen["calm"]["whole_p99_us"]
        assert re.search(rf"^{name} .* {ratio:.2f}  {ratio:.2f}$", done.stdout, re.MULTILINE), done.stdout


def test_a_case_that_there_is_not_is_named() -> None:
    done = run("--cases", "disk full;moon full")
    assert done.returncode == 2
    assert "there is no case moon full" in done.stderr

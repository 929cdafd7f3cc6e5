"""The bench of folding runs: buckets are really folded meanwhile, and the ratio is of one run."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="THE FOLDING BENCH IS NOT TESTED: it reads /proc, needs Linux"),
    pytest.mark.timeout(120),
]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "bench/folding.py"), "--quick", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_requests_are_answered_while_buckets_are_folded(tmp_path: Path) -> None:
    """U-97: the table has the ratio of the round, and how long a bucket takes."""
    out = tmp_path / "folding.json"
    done = run("--cells", "50", "--seconds", "0.4", "--out", str(out))
    assert done.returncode == 0, done.stderr
    rounds: dict[str, list[dict[str, dict[str, Any]]]] = json.loads(out.read_text())
    assert list(rounds) == ["folding"]
    (seen,) = rounds["folding"]
    assert all(seen[part]["all"] > 0 == seen[part]["bad"] for part in ("calm", "disturbed"))
    ratio = seen["disturbed"]["whole_p99_us"] / seen["calm"]["whole_p99_us"]
    assert re.search(rf"^folding .* {ratio:.2f}  {ratio:.2f}$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^a bucket of 50 cells took \d+ ms", done.stdout, re.MULTILINE), done.stdout


def test_cells_that_there_cannot_be_are_refused() -> None:
    done = run("--cells", "0")
    assert done.returncode == 2
    assert "--cells is from 1 to 20000" in done.stderr

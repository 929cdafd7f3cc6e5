"""What the daemon says on standard error, as lines and as JSON."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from gateway.cli.logs import JsonLines, TextLines
from tests.fakes.daemon import until
from tests.fakes.process import fails, serving
from tests.fakes.rule_files import to_model

QUOTED = "words of a request"
ENDS = ("critical", "ends by a mistake of its own, ValueError:\n  File")


def said_by(program: str) -> list[dict[str, str]]:
    """Run a program that logs as JSON, and give what it said on standard error."""
    start = "from gateway.cli.logs import *; configure_logging('info', 'json'); take_over()\n"
    done = subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("program", "level", "words"),
    [
        (f"raise ValueError('{QUOTED}')", *ENDS),
        (f"import threading; t = threading.Thread(target=int, args=['{QUOTED}']); t.start(); t.join()", *ENDS),
        ("import warnings; warnings.warn('old')", "warning", "UserWarning: old"),
        (r"import logging; logging.warning('a line\n \u00fc \udcff \u2028 %s', 1)", "warning", "a line\n \u00fc"),
        ("import logging\ntry: 1 / 0\nexcept ZeroDivisionError: logging.exception('x')", "error", "ZeroDivisionError"),
    ],
    ids=["a mistake", "a mistake in a thread", "a warning", "odd characters", "a trace"],
)
def test_whatever_python_would_write_is_one_object_a_line(program: str, level: str, words: str) -> None:
    """U-114: and what ends the process or a thread says where, not what it met."""
    (said,) = said_by(program)
    assert said["level"] == level
    assert words in said["message"] + said.get("trace", "")
    assert QUOTED not in str(said)
    at = datetime.fromisoformat(said["at"])
    assert (at.utcoffset() is not None, said["at"][10]) == (True, "T")


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()], ids=["text", "json"])
def test_a_time_is_that_of_rfc_3339(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"created": 1767605400.25, "msg": "hello", "levelname": "INFO", "name": "gateway"})
    assert "2026-01-05T09:30:00.250+00:00" in formatter.format(record)


async def test_every_line_of_a_run_is_json(tmp_path: Path) -> None:
    """The start, a reload, a rejection and the stop; also where the rules do not run at all."""
    (tmp_path / "rules.d").mkdir()
    rules = tmp_path / "rules.d" / "rules.yaml"
    rules.write_text(to_model("nano"))
    async with serving("--log-format", "json", "--ops", "127.0.0.1:0", directory=tmp_path) as daemon:
        for text, words in ((to_model("mini"), "rules reloaded"), ("rules: [", "rules rejected")):
            rules.write_text(text)

            async def said(words: str = words) -> bool | None:
                return words in daemon.words or None

            await until(said, f"line with {words}")
        reader, writer = await asyncio.open_connection(*daemon.url.removeprefix("http://").split(":"))
        writer.write(b"no HTTP\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.0 400 ")
        writer.close()
        assert await daemon.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in daemon.words.splitlines()]
    assert all(line.keys() >= {"at", "level", "logger", "message"} for line in lines)
    assert [(line["level"], line["message"].split()[0]) for line in lines] == [
        *(("info", "rulegate"), ("info", "rules"), ("info", "ops"), ("warning", "rules:")),
        *(("warning", "rules:"), ("info", "rules"), ("error", "rules"), ("info", "stopping"), ("info", "stopped")),
    ]
    code, ended = await fails("--log-format", "json", directory=tmp_path)
    assert code == 1
    (line,) = [json.loads(each) for each in ended.splitlines()]
    assert (line["level"], line["message"].startswith("rules.d/rules.yaml:1:")) == ("critical", True)

"""A daemon that is killed, or stopped, in the middle: no alert is lost, none comes under another name."""

import signal
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.alerts import SECRET
from tests.fakes.daemon import until
from tests.fakes.hooks import hang, hooks
from tests.fakes.process import serving
from tests.fakes.rule_files import to_model

ALERTS = """\
receivers:
  ops: {kind: generic, url: {env: OPS}, signing_secret: {env: SIGNING}}
  slow: {kind: generic, url: {env: SLOW}}
alerts:
  old: {kind: threshold, metric: catalogue_age_days, above: -1, notify: [ops, slow]}
  rules: {kind: config_rejected, notify: [ops]}
"""
BROKEN = "rules: [{name: broken, route: nowhere}]\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    rules = tmp_path / "rules.d"
    rules.mkdir()
    (rules / "a.yaml").write_text(to_model("mini"))
    (rules / "b.yaml").write_text(ALERTS)
    return tmp_path


def environment(url: str) -> Mapping[str, str]:
    return {"OPS": f"{url}/ops", "SLOW": f"{url}/slow", "SIGNING": SECRET}


async def noted(url: str, receiver: str) -> bool | None:
    """Say whether the daemon has noted that it told a receiver."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/alerts") as response:
        found = (await response.json())["receivers"]
    return any(each["name"] == receiver and each["last"] is not None for each in found) or None


async def test_a_kill_in_the_middle_of_a_delivery_sends_it_again_under_the_same_name(directory: Path) -> None:
    """U-82: kill -9; what was delivered is not repeated, what was under way is, with its webhook-id."""
    async with hooks() as there:
        there.behaviours["slow"] = hang
        async with serving(directory=directory, env=environment(there.url)) as daemon:
            (delivered,) = await there.until("ops", 1)
            (under_way,) = await there.until("slow", 1)
            await until(lambda: noted(daemon.url, "ops"), "delivery that was noted")
            assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
        del there.behaviours["slow"]
        async with serving(directory=directory, env=environment(there.url)) as daemon:
            again = (await there.until("slow", 2))[1]
            assert await daemon.end(signal.SIGTERM) == 0
        async with serving(directory=directory, env=environment(there.url)) as daemon:
            (directory / "rules.d" / "broken.yaml").write_text(BROKEN)
            # What comes next comes after the first looks at what goes on.
            assert [got.data["alert"] for got in await there.until("ops", 2)] == ["old", "rules"]
            (directory / "rules.d" / "broken.yaml").unlink()
            assert (await there.until("ops", 3))[-1].data["phase"] == "resolved"
            assert await daemon.end(signal.SIGTERM) == 0
    assert (under_way.id, under_way.body) == (again.id, again.body)
    assert delivered.id == under_way.id
    assert [got.id for got in there.of("ops")].count(delivered.id) == 1
    assert len(there.of("slow")) == 2


async def test_what_arose_while_its_receiver_was_down_is_not_lost_by_any_number_of_kills(directory: Path) -> None:
    """U-79, U-82: over kills before, while and after the message is written."""
    seen: set[str] = set()
    async with hooks() as there:
        there.behaviours["ops"] = there.behaviours["slow"] = hang
        for _ in range(4):
            there.asked.clear()
            async with serving(directory=directory, env=environment(there.url)) as daemon:
                await there.asked.wait()
                await daemon.end(signal.SIGKILL)
        seen |= {got.id for got in there.got}
        there.behaviours.clear()
        there.got.clear()
        async with serving(directory=directory, env=environment(there.url)) as daemon:
            ops, slow = (await there.until("ops", 1))[0], (await there.until("slow", 1))[0]
            await daemon.end(signal.SIGTERM)
    assert {ops.id, slow.id} == seen
    assert len(seen) == 1

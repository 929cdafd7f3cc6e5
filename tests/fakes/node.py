"""The official Node clients: tests/node, installed once into the environment that the tests run in."""

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "node"
_PACKAGES = ("package.json", "package-lock.json")
LONGEST_S = 40.0


def clients() -> Path:
    """Give the folder with the clients and our scripts; skips where Node is not installed.

    The folder is named after what stands in it, and one of several test processes fills it while the others wait.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("THE NODE CLIENTS ARE NOT TESTED: there is no node or no npm here (Debian: nodejs npm)")
    scripts = sorted(SOURCE.glob("*.mjs"))
    contents = b"".join((SOURCE / name).read_bytes() for name in _PACKAGES) + b"".join(map(Path.read_bytes, scripts))
    folder = Path(sys.prefix) / "node-clients" / hashlib.sha256(contents).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            for path in (*(SOURCE / name for name in _PACKAGES), *scripts):
                shutil.copy(path, folder)
            _install(folder)
            (folder / "installed").touch()
    return folder


def _install(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm could not install the clients: {done.stdout}{done.stderr}"


async def run(script: str, url: str, tasks: Mapping[str, str]) -> dict[str, Any]:
    """Give what a script saw of the gateway at a URL: by the name of each task what came of it."""
    folder = await asyncio.to_thread(clients)
    process = await asyncio.create_subprocess_exec(
        *("node", folder / script, url, json.dumps(tasks)),
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen

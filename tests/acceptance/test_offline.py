"""Without a network: everything but the providers works."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, ipaddress, socket, sys
from pathlib import Path

reached = []

def guarded(name, original):
    def connect(self, address, *rest):
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            reached.append(address)
            raise OSError(101, "network is unreachable")
        return original(self, address, *rest)
    return connect

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, guarded(name, getattr(socket.socket, name)))

def no_name(host, *rest, **more):
    if host not in ("127.0.0.1", "::1", "localhost"):
        reached.append(host)
        raise socket.gaierror(-3, "temporary failure in name resolution")
    return looked_up(host, *rest, **more)

looked_up, socket.getaddrinfo = socket.getaddrinfo, no_name

from tests.fakes.daemon import daemon
from gateway.wiring.rules import shipped_rules

async def main():
    files = {file.name: file.data.decode() for file in shipped_rules()}
    async with daemon(Path(sys.argv[1]), files) as running:
        for surface in ("chat", "messages", "execute"):
            async with running.ask(surface) as response:
                assert response.status == 200, await response.text()
        assert all(row["cost_nano_usd"] > 0 for row in await running.rows(3))

asyncio.run(main())
assert reached == [], reached
print("answered")
"""


def test_the_daemon_runs_with_loopback_alone(tmp_path: Path) -> None:
    """U-54 U-117: import, start, routing, prices, estimates and the simulated providers open no other connection and
    look up no name."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "answered\n"), done.stderr

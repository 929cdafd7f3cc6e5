"""What the command line of the daemon says: settings that take a restart, as opposed to rules."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, port: int | None = None) -> str:
        """Give the address for a browser or a client; `port` replaces a 0 that the system chose for."""
        return f"http://{Address(self.host, port or self.port)}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of `rulegate serve`; `rules` None means the rules that come with the gateway.

    `ops` is where operators ask, None for the address of the callers.
    Every delay of the simulated providers is multiplied by `simulate_speed`: 1 is life-like, 0 is no delay at all.
    `allow_anonymous` says that other machines may connect though no caller needs a key.
    """

    rules: Path | None
    data: Path
    listen: Address
    simulate: bool = False
    simulate_speed: float = 1.0
    use_last_good: bool = False
    ops: Address | None = None
    allow_anonymous: bool = False


def address_of(text: str) -> Address:
    """Read `HOST:PORT`, `:PORT` (loopback) or `[IPV6]:PORT`; raises ValueError with the remedy."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ValueError(f"'{text}' is not an address: write HOST:PORT, such as 127.0.0.1:8080")
    return Address(host.strip("[]") or "127.0.0.1", int(port))

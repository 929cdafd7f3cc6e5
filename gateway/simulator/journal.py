"""The journal: what a simulated provider was asked, kept in memory for those who rehearse or test.

It never holds the value of a header that may be secret.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from gateway.simulator.plan import Ending

TOLD_HEADERS = frozenset({"anthropic-version", "anthropic-beta", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: what came in, what was decided, and how it ended.

    `provider` is the first segment of the path, if there was one. `headers` has the values of `TOLD_HEADERS` only.
    `body` is the JSON that came, or None if it was large or not JSON. `ended` is None while it is under way and if the
    client went first; then `disconnected` is true.
    """

    provider: str | None
    model: str
    dialect: str
    stream: bool
    header_names: tuple[str, ...]
    headers: Mapping[str, str]
    body_sha256: str
    body_bytes: int
    body: object
    fault: str | None
    status: int | None
    ended: Ending | None = None
    disconnected: bool = False


class Journal:
    """The last requests and the counts of all, since the start or the last `clear`."""

    def __init__(self, keep: int = 200) -> None:
        self._keep = keep
        self._serial = 0
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._open: dict[int, bool] = {}
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def models(self) -> frozenset[str]:
        """Give the upstream models that were asked for."""
        return frozenset(name for name in self._counts if name)

    def begin(self, entry: Entry) -> int:
        """Note a request under way and give the number to end it with."""
        self._serial += 1
        self._entries[self._serial] = entry
        self._counts[entry.model] += 1
        self._open[self._serial] = entry.stream
        self._settled.clear()
        while len(self._entries) > self._keep:
            self._entries.popitem(last=False)
        return self._serial

    def end(self, serial: int, ended: Ending | None) -> None:
        """Note how a request ended; None says that the client went before. Only the first word counts."""
        if self._open.pop(serial, None) is None:
            return
        if serial in self._entries:
            self._entries[serial] = replace(self._entries[serial], ended=ended, disconnected=ended is None)
        if not self._open:
            self._settled.set()

    async def settle(self, longest_s: float) -> None:
        """Wait until no request is under way, or until the time in seconds is over."""
        try:
            async with asyncio.timeout(longest_s):
                await self._settled.wait()
        except TimeoutError:
            return

    def clear(self) -> None:
        """Forget all requests; those under way are still counted as open."""
        self._entries.clear()
        self._counts.clear()

    def as_document(self) -> dict[str, object]:
        """Give everything as JSON can hold it, the oldest request first."""
        return {
            "total": self._counts.total(),
            "models": dict(self._counts),
            "open_requests": len(self._open),
            "open_streams": sum(self._open.values()),
            "requests": [asdict(entry) for entry in self._entries.values()],
        }

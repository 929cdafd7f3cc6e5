"""Looks up the addresses of hosts beside the loop: a resolver that hangs keeps one thread a name, and nothing else.

The loop's own threads are few, and the log, the ledger and a reload need them too; a name that nobody answers for would
take them all. Nobody waits for these threads at the end.
"""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

from aiohappyeyeballs import AddrInfoType

Place = tuple[str, int]
Found = Sequence[AddrInfoType]


class Names:
    """Finds addresses; made inside a running loop. Nothing is remembered but what is being looked up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[Place, asyncio.Future[Found]] = {}

    async def find(self, host: str, port: int) -> Found:
        """Give the addresses of a host, those who ask at once by one look-up. Raises OSError and UnicodeError.

        Whoever waits may leave: the look-up goes on, and whoever comes next waits for the same one.
        """
        if (address := _address(host, port)) is not None:
            return (address,)
        place = (host, port)
        found = self._under_way.get(place)
        if found is None:
            found = self._under_way[place] = self._loop.create_future()
            found.add_done_callback(_taken)
            thread = threading.Thread(target=self._look_up, args=(place, found), name="names", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                self._settle(place, found, OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
        return await asyncio.shield(found)

    def _look_up(self, place: Place, found: "asyncio.Future[Found]") -> None:
        outcome: Found | Exception
        try:
            outcome = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            outcome = error
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._settle, place, found, outcome)

    def _settle(self, place: Place, found: "asyncio.Future[Found]", outcome: Found | Exception) -> None:
        del self._under_way[place]
        if isinstance(outcome, Exception):
            found.set_exception(outcome)
        else:
            found.set_result(outcome)


def _taken(found: "asyncio.Future[Found]") -> None:
    """Look at an error that nobody waits for any more, so that nobody is told of it."""
    if not found.cancelled():
        found.exception()


def _address(host: str, port: int) -> AddrInfoType | None:
    """Give the address that a host is itself, None for a name."""
    for family, version in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        at = (host, port) if version == 4 else (host, port, 0, 0)
        return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at)
    return None

"""What is to leave in a turn leaves at its end: in its order, over transports of the system's own."""

import asyncio
import socket

import pytest

from gateway.adapters.departures import Departures


class Line(asyncio.Protocol):
    """One end of a pair of sockets; the other one is `peer`."""

    def __init__(self) -> None:
        self.there, self.peer = socket.socketpair()
        self.peer.setblocking(False)
        self.transport: asyncio.Transport

    async def open(self) -> "Line":
        self.transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=self.there)
        return self

    def heard(self) -> bytes:
        try:
            return self.peer.recv(100)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.transport.abort()
        self.peer.close()


class Broken(asyncio.WriteTransport):
    """A transport that cannot be written to."""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise RuntimeError("broken")


def in_company() -> bool:
    return False


class Closed(Broken):
    """One that is closed, which uvloop's cannot be written to."""

    def is_closing(self) -> bool:
        return True


async def turn() -> None:
    await asyncio.sleep(0)


async def test_bytes_leave_at_the_end_of_the_turn_in_their_order() -> None:
    first, second = await Line().open(), await Line().open()
    departures = Departures(asyncio.get_running_loop(), in_company)
    departures.add(first.transport, b"a")
    departures.add(second.transport, b"b")
    departures.add(first.transport, b"c")
    assert (first.heard(), second.heard()) == (b"", b"")
    await turn()
    assert (first.heard(), second.heard()) == (b"ac", b"b")
    departures.add(second.transport, b"d")
    await turn()
    assert second.heard() == b"d"
    first.close()
    second.close()


async def test_who_is_alone_leaves_at_once_but_overtakes_nobody() -> None:
    alone, line = False, await Line().open()
    departures = Departures(asyncio.get_running_loop(), lambda: alone)
    departures.add(line.transport, b"a")
    alone = True
    departures.add(line.transport, b"b")
    assert line.heard() == b""
    await turn()
    assert line.heard() == b"ab"
    departures.add(line.transport, b"c")
    assert line.heard() == b"c"
    line.close()


async def test_a_connection_that_is_closed_by_then_is_passed_over() -> None:
    first, second = await Line().open(), await Line().open()
    departures = Departures(asyncio.get_running_loop(), in_company)
    departures.add(first.transport, b"a")
    departures.add(second.transport, b"b")
    first.transport.abort()
    await turn()
    assert second.heard() == b"b"
    assert first.heard() == b""
    first.close()
    second.close()


async def test_who_is_alone_writes_to_no_closed_connection_either() -> None:
    Departures(asyncio.get_running_loop(), lambda: True).add(Closed(), b"a")


async def test_one_that_cannot_be_written_to_keeps_no_other_from_leaving() -> None:
    loop, line = asyncio.get_running_loop(), await Line().open()
    met: list[object] = []
    loop.set_exception_handler(lambda _, context: met.append(context["exception"]))
    departures = Departures(loop, in_company)
    departures.add(Broken(), b"a")
    departures.add(line.transport, b"b")
    await turn()
    await turn()
    assert line.heard() == b"b"
    with pytest.raises(RuntimeError, match="broken"):
        raise met[0]  # type: ignore[misc]
    line.close()

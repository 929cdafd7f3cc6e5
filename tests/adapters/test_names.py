"""Look-ups of names, with resolvers that hang: they keep nobody else from anything."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.adapters.names import Names

LONGEST_S = 20.0
HERE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Resolver:
    """Answers for each name once it may; `asked` is who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may = threading.Event()

    def __call__(self, host: str, *_: object, **__: object) -> object:
        self.asked.append(host)
        if host.startswith("hangs"):
            self.may.wait(LONGEST_S)
        if host.startswith("nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HERE


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.may.set()


async def test_an_address_is_looked_up_by_nobody(resolver: Resolver) -> None:
    names = Names()
    assert await names.find("127.0.0.1", 80) == tuple(HERE)
    (found,) = await names.find("::1", 80)
    assert found[0] is socket.AF_INET6
    assert resolver.asked == []


async def test_many_who_ask_at_once_are_answered_by_one_look_up(resolver: Resolver) -> None:
    names = Names()
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(names.find("hangs", 80)) for _ in range(100)]
        await asyncio.sleep(0)
        resolver.may.set()
    assert [each.result() for each in found] == [HERE] * 100
    assert resolver.asked == ["hangs"]
    await names.find("hangs", 80)
    assert resolver.asked == ["hangs", "hangs"]


@pytest.mark.usefixtures("resolver")
async def test_names_that_hang_keep_no_other_from_being_found_nor_the_loops_threads_busy() -> None:
    """A dead resolver for one provider is no reason for another to fail, or for a reload to stand still."""
    names = Names()
    async with asyncio.TaskGroup() as tasks:
        hanging = [tasks.create_task(names.find(f"hangs-{number}", 80)) for number in range(50)]
        assert await names.find("there", 80) == HERE
        assert await asyncio.to_thread(lambda: "a thread of the loop's") == "a thread of the loop's"
        for each in hanging:
            each.cancel()


async def test_whoever_comes_after_one_who_left_is_answered_by_the_same_look_up(resolver: Resolver) -> None:
    names = Names()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(names.find("hangs", 80), 0.01)
    async with asyncio.TaskGroup() as tasks:
        found = tasks.create_task(names.find("hangs", 80))
        await asyncio.sleep(0)
        resolver.may.set()
    assert (found.result(), resolver.asked) == (HERE, ["hangs"])


@pytest.mark.usefixtures("resolver")
async def test_a_name_that_is_not_known_is_an_error_for_all_who_asked() -> None:
    names = Names()
    found = await asyncio.gather(*(names.find("nowhere", 80) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in found] == [socket.gaierror] * 2


@pytest.mark.usefixtures("resolver")
async def test_without_a_thread_left_it_is_an_error_of_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    names = Names()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="memory"):
            await names.find("there", 80)
    assert await names.find("there", 80) == HERE

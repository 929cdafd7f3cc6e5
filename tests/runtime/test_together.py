"""Work that is done together: of those who come while others do, in their order, and nobody waits for long."""

import asyncio

import pytest

from gateway.runtime.together import MOST_AT_ONCE, MOST_TURNS, Together


class Way:
    """What happens at a place where work is done together: who came, and at which turn of the loop it was done."""

    def __init__(self) -> None:
        self.alone = False
        self.together: Together[str] = Together(lambda: self.alone)
        self.turn = 0
        self.said: list[str] = []
        self.done_at: dict[str, int] = {}

    async def walk(self, name: str) -> str:
        def work() -> str:
            self.said.append(f"{name} done")
            self.done_at[name] = self.turn
            return name.upper()

        self.said.append(f"{name} came")
        return await self.together.done(work)

    async def next_turn(self) -> None:
        await asyncio.sleep(0)
        self.turn += 1


async def test_the_work_of_one_who_is_alone_is_done_at_once() -> None:
    way = Way()
    way.alone = True
    walk = way.walk("a")
    with pytest.raises(StopIteration, match="A"):
        walk.send(None)
    assert way.said == ["a came", "a done"]


async def test_the_work_of_one_whom_nobody_joins_is_done_after_a_turn() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        walk = walks.create_task(way.walk("a"))
        for _ in range(3):
            await way.next_turn()
        assert (way.said, walk.result()) == (["a came", "a done"], "A")


async def test_the_work_of_those_who_come_while_others_do_is_done_at_once_and_in_their_order() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        for names in ("ab", "c", "d"):
            for name in names:
                walks.create_task(way.walk(name))
            await way.next_turn()
    assert way.said == [f"{name} {did}" for did in ("came", "done") for name in "abcd"]


async def test_nobody_waits_for_long_however_many_go_on_coming() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        for number in range(10 * MOST_TURNS):
            walks.create_task(way.walk(str(number)))
            if number % 2:
                await way.next_turn()
    assert MOST_TURNS <= way.done_at["0"] <= MOST_TURNS + 2
    done = [each.removesuffix(" done") for each in way.said if each.endswith(" done")]
    assert done == [str(number) for number in range(10 * MOST_TURNS)]


async def test_of_many_only_some_are_done_in_a_turn() -> None:
    """What else there is to do has its turns between them; the order stays, and those who come later come later."""
    way = Way()
    names = [str(number) for number in range(3 * MOST_AT_ONCE + 1)]
    async with asyncio.TaskGroup() as walks:
        for name in names:
            walks.create_task(way.walk(name))
        while len(way.done_at) < len(names):
            await way.next_turn()
            if len(way.done_at) == MOST_AT_ONCE:
                walks.create_task(way.walk("late"))
    turns = list(way.done_at.values())
    assert [turns.count(turn) for turn in sorted(set(turns))] == [MOST_AT_ONCE] * 3 + [2]
    assert list(way.done_at) == [*names, "late"]


async def test_the_work_of_one_who_leaves_is_not_done_and_holds_nobody_up() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        leaver = walks.create_task(way.walk("a"))
        walks.create_task(way.walk("b"))
        await way.next_turn()
        leaver.cancel()
    assert way.said == ["a came", "b came", "b done"]


async def test_a_mistake_is_that_of_one_alone() -> None:
    together: Together[float] = Together(lambda: False)
    first, second = together.done(lambda: 1 / 0), together.done(lambda: 1 / 4)
    with pytest.raises(ZeroDivisionError):
        await first
    assert await second == 0.25


async def test_it_goes_on_and_on() -> None:
    way = Way()
    for name in "ab":
        await way.walk(name)
    assert way.said == ["a came", "a done", "b came", "b done"]

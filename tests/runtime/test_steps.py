"""What a step promises: those who come while others do pass together and in their order, and nobody waits for long."""

import asyncio

from gateway.runtime.steps import MOST_TURNS, Step


class Way:
    """A step with what happens at it: who came, who passed, and at which turn of the loop."""

    def __init__(self) -> None:
        self.step = Step()
        self.turn = 0
        self.said: list[str] = []
        self.passed_at: dict[str, int] = {}

    async def walk(self, name: str) -> None:
        self.said.append(f"{name} came")
        await self.step.together()
        self.said.append(f"{name} passed")
        self.passed_at[name] = self.turn

    async def next_turn(self) -> None:
        await asyncio.sleep(0)
        self.turn += 1


async def test_who_is_alone_passes_after_a_turn() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        walks.create_task(way.walk("a"))
        for _ in range(3):
            await way.next_turn()
        assert way.said == ["a came", "a passed"]


async def test_those_who_come_while_others_do_pass_together_and_in_their_order() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        for names in ("ab", "c", "d"):
            for name in names:
                walks.create_task(way.walk(name))
            await way.next_turn()
    assert way.said == [f"{name} {did}" for did in ("came", "passed") for name in "abcd"]


async def test_nobody_waits_for_long_however_many_go_on_coming() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        for number in range(10 * MOST_TURNS):
            walks.create_task(way.walk(str(number)))
            if number % 2:
                await way.next_turn()
    assert MOST_TURNS <= way.passed_at["0"] <= MOST_TURNS + 2
    passed = [each.removesuffix(" passed") for each in way.said if each.endswith(" passed")]
    assert passed == [str(number) for number in range(10 * MOST_TURNS)]


async def test_who_leaves_holds_nobody_up() -> None:
    way = Way()
    async with asyncio.TaskGroup() as walks:
        leaver = walks.create_task(way.walk("a"))
        walks.create_task(way.walk("b"))
        await way.next_turn()
        leaver.cancel()
    assert way.said == ["a came", "b came", "b passed"]


async def test_a_step_is_taken_again_and_again() -> None:
    way = Way()
    for name in "ab":
        await way.walk(name)
    assert way.said == ["a came", "a passed", "b came", "b passed"]

"""The task that runs is told, whichever loop was asked before."""

import asyncio

import pytest

from gateway.adapters.tasks import Tasks


async def told(tasks: Tasks) -> bool:
    return tasks.current() is asyncio.current_task() and tasks.loop() is asyncio.get_running_loop()


def test_it_is_asked_for_anew_where_another_loop_runs() -> None:
    tasks = Tasks()
    for _ in range(3):
        assert asyncio.run(told(tasks))
        with pytest.raises(RuntimeError):
            tasks.current().done()
        with pytest.raises(RuntimeError):
            tasks.loop()


async def test_each_task_is_told_its_own() -> None:
    tasks = Tasks()
    assert await asyncio.gather(*(told(tasks) for _ in range(3))) == [True] * 3


async def test_what_the_loop_calls_itself_is_no_task() -> None:
    tasks, said = Tasks(), asyncio.get_running_loop().create_future()
    assert await told(tasks)

    def call() -> None:
        try:
            said.set_result((tasks.loop(), tasks.current()))
        except RuntimeError as error:
            said.set_result((tasks.loop(), str(error)))

    asyncio.get_running_loop().call_soon(call)
    assert await said == (asyncio.get_running_loop(), "a task waits, nobody else")

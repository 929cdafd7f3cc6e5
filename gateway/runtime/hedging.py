"""Two attempts side by side: a step that is slow, and the next one that can be asked; the first content wins.

When and whom to ask is for `engine.hedges`, `engine.chain` and `engine.retries` to say. Tasks are made here alone, and
none outlives the race. Whoever loses is cancelled, which closes its connection, and is paid.
"""

import asyncio
from contextlib import closing
from dataclasses import dataclass

from gateway.domain.attempt import Skipped
from gateway.domain.rule import Usual
from gateway.domain.words import Outcome
from gateway.engine.chain import Away, Pass, next_hedge
from gateway.engine.hedges import delay_s
from gateway.runtime.attempts import Attempts
from gateway.runtime.ports import Timekeeper
from gateway.runtime.retries import Further, Retries
from gateway.runtime.running import Boards, Running
from gateway.runtime.streamer import Stream
from gateway.runtime.whole import Answered, Whole

Came = Whole | Stream
"""Content that has come, and that nobody has been given yet."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One of the two."""

    running: Running
    task: "asyncio.Task[Came | None]"

    @property
    def came(self) -> Came | None:
        """What has come of it, None where nothing has."""
        well = self.task.done() and not self.task.cancelled() and self.task.exception() is None
        return self.task.result() if well else None

    def overtaken(self) -> None:
        """End it, because the other one was faster."""
        if self.task.done():
            if (came := self.came) is not None:
                self.running.lost = True
                came.overtaken()
            return
        self.running.lost = True
        self.task.cancel()

    def left(self) -> None:
        """See that it is noted, because the caller left."""
        if self.running.noted:
            return
        if (came := self.came) is not None:
            came.left()


class Hedges:
    """Races attempts of requests whose rule hedges."""

    def __init__(self, attempts: Attempts, clock: Timekeeper, boards: Boards, retries: Retries) -> None:
        self._attempts = attempts
        self._clock = clock
        self._boards = boards
        self._retries = retries

    def delay_s(self, running: Running) -> float | None:
        """Give how long an attempt may give no content before another is begun beside it, None for no other."""
        chain, stream = running.exchange.decision.chain, running.exchange.request.stream
        if chain.hedge is None or running.position + 1 >= len(chain.steps):
            return None
        learned = chain.hedge.after is Usual.P95
        return delay_s(chain.hedge, self._boards.usual.usual_s(running.model.name, stream) if learned else None)

    async def race(self, first: Running, after_s: float) -> Answered | Stream | None:
        """Carry an attempt out, with another one beside it once it is slow; None when neither answered.

        Where one of the two fails, the other is waited for. On a cancellation both have ended before it goes on.
        """
        lanes: list[Lane] = []
        whole = False
        try:
            async with asyncio.TaskGroup() as tasks:
                lanes.append(Lane(first, tasks.create_task(self._attempts.carry_out(first))))
                if await self._slow(lanes[0], after_s) and (second := self._second(first)) is not None:
                    lanes.append(Lane(second, tasks.create_task(self._attempts.carry_out(second))))
                winner = await _first_content(lanes)
                for lane in lanes:
                    if winner is not None and lane is not winner:
                        lane.overtaken()
            whole = True
        except ExceptionGroup:
            first.exchange.outcome = Outcome.FAILED  # a bug: the caller has not left
            raise
        finally:
            if not whole:
                for lane in lanes:
                    lane.left()
        if winner is None or (came := winner.came) is None:
            return None
        if first.lost:
            self._boards.usual.add(first.model.name, first.exchange.request.stream, after_s)
        return came.taken()

    async def _slow(self, lane: Lane, after_s: float) -> bool:
        """Wait for the end of an attempt; say whether it has not come after a time."""
        deadline = self._clock.deadline()
        with closing(deadline):
            try:
                with deadline.until(lane.running.started_s + after_s):
                    await asyncio.wait({lane.task})
            except TimeoutError:
                return not lane.task.done()
        return False

    def _second(self, first: Running) -> Running | None:
        """Begin an attempt at the next step that can be asked; None where there is none, or no budget for it."""
        exchange, position = first.exchange, first.position
        decision = exchange.decision
        away = Away(self._boards.health.resting(), decision.unfit)
        passed: list[Skipped] = []
        allowed = False
        while True:
            elapsed_s = self._clock.monotonic() - exchange.started_s
            step = next_hedge(decision.chain, exchange.history, position, elapsed_s, away)
            if step is None:
                return None
            position = step.position
            if isinstance(step, Pass):
                lacks = decision.unfit.get(position, ())
                passed.append(Skipped(position, decision.chain.steps[position].model, step.skip, lacks))
                continue
            budget = exchange.active.snapshot.defaults.retry_budget
            allowed = allowed or self._retries.allows(Further.HEDGE, budget)
            if not allowed:
                return None
            begun = self._attempts.begin(exchange, step, hedged=True)
            if isinstance(begun, Running):
                exchange.history += passed  # who is asked was not the next one, and the row says why
                return begun
            passed.append(begun)


async def _first_content(lanes: list[Lane]) -> Lane | None:
    """Wait until one has content; the earlier one where both have. None where both failed."""
    waiting = {lane.task for lane in lanes}
    while waiting:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for lane in lanes:
            if lane.came is not None:
                return lane
    return None

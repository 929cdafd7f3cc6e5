"""Keeps the active generation: the last set of rule files that compiled and passed its own tests."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.config.compile import Compiler
from gateway.config.sources import Unreadable
from gateway.domain.problem import Problem
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.runtime.exchange import Active
from gateway.runtime.ports import Clock, Generations, Meters, Targets

logger = logging.getLogger(__name__)

Read = Callable[[], tuple[RuleFile, ...] | Unreadable]
Gate = Callable[[Snapshot], tuple[Problem, ...]]
Resolve = Callable[[Snapshot], Targets]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The set on disk that does not run, and since when."""

    at: datetime
    fingerprint: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reload is made of. `gate` gives the reasons not to run a snapshot; `resolve` where providers are."""

    read: Read
    compiler: Compiler
    gate: Gate
    resolve: Resolve
    generations: Generations
    meters: Meters
    clock: Clock


class Reloader:
    """All files of the directory together, or nothing. Whoever reads `active` holds it for the whole request."""

    def __init__(self, parts: Parts, active: Active) -> None:
        self._parts = parts
        self._one_at_a_time = asyncio.Lock()
        self.active = active
        self.rejection: Rejection | None = None

    async def reload(self) -> Active | Rejection:
        """Read, compile and test the files off the loop, then swap by one assignment, or change nothing."""
        async with self._one_at_a_time:
            result = await asyncio.to_thread(prepare, self._parts, self.active)
            match result:
                case Snapshot():
                    if result is self.active.snapshot:
                        self._cleared()
                        return self.active
                    return await self._accept(result)
                case Rejected():
                    return self._reject(result)

    async def _accept(self, snapshot: Snapshot) -> Active:
        before = self.active.snapshot
        self.active = await asyncio.to_thread(activate, self._parts, snapshot)  # one assignment: no half change
        self._cleared()
        self._parts.meters.prepare(self.active.snapshot)
        self._parts.meters.reloaded(self.active.snapshot, self.active.loaded_at)
        logger.info("rules reloaded: %s replaces %s", self.active.snapshot.label, before.label)
        return self.active

    def _cleared(self) -> None:
        if self.rejection is not None:
            self.rejection = None
            self._parts.meters.reloaded(self.active.snapshot, self.active.loaded_at)
            logger.info("rules are as they run again: %s", self.active.snapshot.label)

    def _reject(self, rejected: Rejected) -> Rejection:
        seen_before = self.rejection is not None and self.rejection.fingerprint == rejected.fingerprint
        if seen_before and self.rejection is not None:
            return self.rejection
        self.rejection = Rejection(self._parts.clock.now(), rejected.fingerprint, rejected.problems)
        self._parts.meters.rejected()
        running = self.active.snapshot.label
        problems = "\n  ".join(str(problem) for problem in rejected.problems)
        logger.error("rules rejected, %s goes on running:\n  %s", running, problems)
        return self.rejection


def prepare(parts: Parts, active: Active | None) -> Snapshot | Rejected:
    """Do all of a reload that can fail. Gives the active snapshot itself when the files are those that run."""
    files = parts.read()
    if isinstance(files, Unreadable):
        return Rejected("unreadable", files.problems)
    if active is not None and parts.compiler.fingerprint(files) == active.snapshot.fingerprint:
        return active.snapshot
    if not files and (active is None or not active.snapshot.defaults.allow_empty):
        words = "there is no rule file here" if active is None else "the directory was emptied: the last rules stay"
        hint = "add a file that ends in .yaml; an empty set needs 'defaults: {allow_empty: true}' before"
        return Rejected(parts.compiler.fingerprint(files), (Problem(".", 1, 1, words, hint),))
    result = parts.compiler.compile(files)
    if isinstance(result, Rejected):
        return result
    problems = parts.gate(result)
    return Rejected(result.fingerprint, problems) if problems else result


def activate(parts: Parts, snapshot: Snapshot) -> Active:
    """Give a snapshot its generation and its targets."""
    at = parts.clock.now()
    generation = parts.generations.accepted(snapshot.fingerprint, snapshot.files, at)
    numbered = replace(snapshot, generation=generation)
    return Active(numbered, parts.resolve(numbered), at)


async def follow(reloader: Reloader, changed: asyncio.Event, stamp: Callable[[], object], clock: Clock) -> None:
    """Reload whenever the directory has changed and then kept still for a moment; never ends."""
    while True:
        await changed.wait()
        changed.clear()
        before: object = None
        while before != (now := await asyncio.to_thread(stamp)):
            before = now
            await clock.sleep(SETTLE_S)
        await reloader.reload()


SETTLE_S = 0.1
"""How long the files must keep still before they are read: longer than an editor takes between its steps."""

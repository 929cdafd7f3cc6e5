"""Keeps the active generation: the last set of rule files that compiled and passed its own tests."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from gateway.config.compile import Compiler
from gateway.config.sources import Unreadable
from gateway.domain.problem import WHOLE_SET, Problem, StoreError
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.runtime.exchange import Active
from gateway.runtime.ports import Addresses, Clock, Generations, Meters, Targets

logger = logging.getLogger(__name__)

Read = Callable[[], tuple[RuleFile, ...] | Unreadable]
Gate = Callable[[Snapshot], tuple[Problem, ...]]
Around = Callable[[], AbstractContextManager[None]]
Resolve = Callable[[Snapshot], Targets]


def no_addresses(_: Snapshot) -> Addresses:
    """Say that no receiver is to be reached."""
    return {}


@dataclass(frozen=True, slots=True)
class Rejection:
    """The set on disk that does not run, and since when."""

    at: datetime
    fingerprint: str
    problems: tuple[Problem, ...]


class Budgets(Protocol):
    """The budgets in force."""

    async def read(self, snapshot: Snapshot) -> dict[str, Mapping[int, int]]:
        """Give what was spent of those that are new, by name; nothing of those of which it cannot be read."""
        ...

    def take_up(self, snapshot: Snapshot, sums: dict[str, Mapping[int, int]]) -> None:
        """Put those of a snapshot into force."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reload is made of.

    `gate` gives the tests of a snapshot that fail, `lacking` the secrets that cannot be had; `resolve` says where its
    providers are, `addresses` where its receivers are. `mended` is called once rules and secrets have been read anew.
    `budgets` puts those into force.
    """

    read: Read
    compiler: Compiler
    gate: Gate
    lacking: Gate
    resolve: Resolve
    generations: Generations
    meters: Meters
    mended: Callable[[], None]
    budgets: Budgets
    clock: Clock
    addresses: Callable[[Snapshot], Addresses] = no_addresses


class Reloader:
    """All files of the directory together, or nothing. Whoever reads `active` holds it for the whole request.

    Each reload, whatever becomes of it, is made within `around`. `looked` once one has read the files: before that
    nobody knows whether those on disk are those that run.
    """

    def __init__(self, parts: Parts, active: Active, around: Around = nullcontext) -> None:
        self._parts = parts
        self._around = around
        self._one_at_a_time = asyncio.Lock()
        self.active = active
        self.rejection: Rejection | None = None
        self.looked = False

    async def reload(self, *, asked: bool = True) -> Active | Rejection:
        """Read, compile and test the files off the loop, then swap by one assignment, or change nothing.

        Whoever asked may leave: a reload that has begun goes on to its end, and only then the next one begins. One that
        nobody `asked` for says that something was mended only where something is another.
        """
        return await asyncio.shield(self._reload(asked=asked))

    async def _reload(self, *, asked: bool) -> Active | Rejection:
        async with self._one_at_a_time:
            with self._around():
                return await self._look(asked=asked)

    async def _look(self, *, asked: bool) -> Active | Rejection:
        result = await asyncio.to_thread(prepare, self._parts, self.active)
        self.looked = True
        match result:
            case Snapshot():
                return await self._accept(result, asked=asked)
            case Rejected():
                return self._reject(result)

    async def _accept(self, snapshot: Snapshot, *, asked: bool) -> Active | Rejection:
        """Run a snapshot; the one that runs already has its secrets read anew, for a key file may have changed."""
        before = self.active.snapshot
        if snapshot is before:
            targets = await asyncio.to_thread(self._parts.resolve, before)
            addresses = await asyncio.to_thread(self._parts.addresses, before)
            same = (targets, addresses) == (self.active.targets, self.active.addresses)
            self.active = replace(self.active, targets=targets, addresses=addresses)
            if asked or not same:
                self._parts.mended()
            if self.rejection is not None:
                self._clear()
                logger.info("rules are as they run again: %s", before.label)
            return self.active
        sums = await self._parts.budgets.read(snapshot)
        try:
            active = await asyncio.to_thread(activate, self._parts, snapshot)
        except StoreError as error:
            hint = "free space or mend the data directory, and reload"
            return self._reject(Rejected(snapshot.fingerprint, (Problem(WHOLE_SET, 1, 1, str(error), hint),)))
        self._parts.budgets.take_up(snapshot, sums)
        self.active = active  # one assignment: no request sees half a change
        self._parts.meters.prepare(self.active.snapshot)
        self._parts.mended()
        self._clear()
        for warning in active.warnings(self._parts.clock.now()):
            logger.warning("rules: %s", warning)
        logger.info("rules reloaded: %s replaces %s", self.active.snapshot.label, before.label)
        return self.active

    def _clear(self) -> None:
        """Note that the rules on disk are those that run."""
        self.rejection = None
        self._parts.meters.reloaded(self.active.snapshot, self.active.loaded_at)

    def _reject(self, rejected: Rejected) -> Rejection:
        before = self.rejection
        if before is not None and (before.fingerprint, before.problems) == (rejected.fingerprint, rejected.problems):
            return before  # the same files, wrong in the same way: said once
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
        lacking = parts.lacking(active.snapshot)  # a key file may be gone by now
        return Rejected(active.snapshot.fingerprint, lacking) if lacking else active.snapshot
    result = parts.compiler.compile(files)
    if isinstance(result, Rejected):
        return result
    before = None if active is None else active.snapshot
    problems = emptiness(result, before) or (*parts.gate(result), *parts.lacking(result))
    return Rejected(result.fingerprint, problems) if problems else result


def emptiness(snapshot: Snapshot, before: Snapshot | None) -> tuple[Problem, ...]:
    """Give the Problem of a set that nothing could be answered by, unless it, or the one before, allows that."""
    if snapshot.rules or snapshot.models or snapshot.defaults.allow_empty:
        return ()
    if before is not None and before.defaults.allow_empty:
        return ()
    here = "the rule files are empty" if snapshot.files else "there is no rule file here"
    words = here if before is None else f"{here}: the last rules stay"
    begin = ", or have some written: rulegate init DIR" if before is None and not snapshot.files else ""
    hint = f"add a file that ends in .yaml{begin}; an empty set needs 'defaults: {{allow_empty: true}}'"
    return (Problem(WHOLE_SET, 1, 1, words, hint),)


def first(parts: Parts, *, use_last_good: bool) -> Snapshot | Rejected:
    """Give what a daemon starts with: the files on disk, or what ran last where that was asked for.

    Files that were accepted before and now fail only their own tests run, with a warning: a test may stand on a
    catalogue that has changed since.
    """
    result = prepare(parts, None)
    if isinstance(result, Snapshot):
        return result
    files = parts.read()
    if not isinstance(files, Unreadable) and parts.generations.knows(result.fingerprint):
        accepted = parts.compiler.compile(files)
        if isinstance(accepted, Snapshot) and not parts.lacking(accepted):
            for problem in result.problems:
                logger.warning("rules that ran before: %s", problem)
            return accepted
    last = parts.compiler.compile(parts.generations.last_good() or ()) if use_last_good else result
    if isinstance(last, Rejected) or not (last.rules or last.models):
        return result
    if lacking := parts.lacking(last):
        return Rejected(last.fingerprint, lacking)
    logger.error("the rules on disk do not run, the last good ones do:\n%s", "\n".join(map(str, result.problems)))
    return last


def activate(parts: Parts, snapshot: Snapshot) -> Active:
    """Give a snapshot its generation and its targets."""
    at = parts.clock.now()
    generation = parts.generations.accepted(snapshot.fingerprint, snapshot.files, at)
    numbered = replace(snapshot, generation=generation)
    return Active(numbered, parts.resolve(numbered), at, parts.addresses(numbered))


async def follow(reloader: Reloader, changed: asyncio.Event, stamp: Callable[[], object], clock: Clock) -> None:
    """Reload whenever the directory has changed and then kept still for a moment; never ends.

    The first reload does not wait for a change: it notices files that were saved while the daemon started, and notes
    the rejection of those on disk where others run instead. Nobody has asked for it: what providers have said since the
    start holds.
    """
    asked = False
    while True:
        try:
            await _settled(stamp, clock)
            await reloader.reload(asked=asked)
        except Exception:  # a bug must not end the following: the rules that run go on, and the next change is tried
            logger.exception("reloading met a bug; the rules that run go on")
        await changed.wait()
        changed.clear()
        asked = True


async def _settled(stamp: Callable[[], object], clock: Clock) -> None:
    """Wait until the files keep still, or no longer than is worth waiting."""
    before: object = None
    for _ in range(SETTLES_AT_MOST):
        now = await asyncio.to_thread(stamp)
        if now == before:
            return
        before = now
        await clock.sleep(SETTLE_S)


SETTLE_S = 0.1
"""How long the files must keep still before they are read: longer than an editor takes between its steps."""
SETTLES_AT_MOST = 20

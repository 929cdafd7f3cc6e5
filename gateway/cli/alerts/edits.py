"""Edits of rules as `state.db` knows them: each generation of the rules, compared with the one before it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from gateway.adapters.state_sqlite import Generation, State
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.shift import Edit
from gateway.domain.snapshot import Snapshot
from gateway.engine.shifts.edited import edits


def edits_in(path: Path, since: datetime) -> list[Edit]:
    """Give the edits that `state.db` has from a moment on; none where there is no such file.

    A generation whose rules this version does not take any more is compared with none. Raises DataDirectoryError.
    """
    if not path.exists():
        return []
    state = State(path)
    try:
        every = state.generations()
        begun = max((place for place, each in enumerate(every) if each.at <= since), default=0)
        return list(_compared(state, every[begun:]))
    finally:
        state.close()


def _compared(state: State, generations: Iterable[Generation]) -> Iterator[Edit]:
    compiler, before = Compiler(catalogue.load()), None
    for each in generations:
        compiled = compiler.compile(state.files(each.fingerprint))
        after = replace(compiled, generation=each.number) if isinstance(compiled, Snapshot) else None
        if before is not None and after is not None:
            yield from edits(before, after, each.at.timestamp())
        before = after

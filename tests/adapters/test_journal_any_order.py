"""The journal in any order of batches, troubles of either file, kills and restarts."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.adapters import day_files
from gateway.adapters.journal import TURNS_OF_REST
from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage
from gateway.domain.words import Failure
from tests.adapters.entries import NOON, entry
from tests.adapters.journals import journal_of, leave, ledger_of, locked, rows_of, turn

BASE = 4
"""Entry number n costs BASE to the power of n, so that a sum says how often each is in it."""
MOST_ENTRIES = 26


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked file fails at once."""
    monkeypatch.setattr(day_files, "BUSY_TIMEOUT_S", 0.0)


COMMON = ["batch", "batch", "put", "put", "turn", "rested", "lock log", "lock state", "unlock", "stop"]


def steps_of(*rare: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([*COMMON, *rare]), min_size=8, max_size=30)


def priced(number: int) -> Entry:
    """Give an entry whose cost says which it is; every third one failed before it answered, at a price."""
    cost = BASE**number
    used = Usage(output_tokens=1)
    answered = Attempt(0, "gpt", "openai", None, committed=True, usage=used, cost_nano_usd=cost)
    whole = entry(number, NOON + timedelta(hours=number), events=(answered,), usage=used, cost_nano_usd=cost)
    if number % 3:
        return whole
    return replace(whole, model="", provider="", events=(replace(answered, failure=Failure.EMPTY, committed=False),))


def times_booked(data: Path, count: int) -> list[int]:
    """Say how often each entry is in the ledger."""
    total = sum(amounts.nano_usd for amounts in ledger_of(data).values())
    return [total // BASE**number % BASE for number in range(count)]


def written(data: Path, count: int) -> list[int]:
    found = {str(row["id"]) for row in rows_of(data)}
    return [int(priced(number).id in found) for number in range(count)]


class World:
    """A data directory with a journal over it, to which anything may happen."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.count = 0
        self.held = ExitStack()
        self.locked: set[Path] = set()
        self.journal = journal_of(data)

    def put(self) -> None:
        if self.count < MOST_ENTRIES:
            self.journal.put(added_up([priced(self.count)]))
            self.count += 1

    def batch(self) -> None:
        self.put()
        self.put()
        self.turn()

    def turn(self) -> None:
        turn(self.journal)

    def rested(self) -> None:
        turn(self.journal, TURNS_OF_REST)

    def lock_log(self) -> None:
        self.lock(*(self.data / "log").glob("*.db"))

    def lock_state(self) -> None:
        self.lock(self.data / "state.db")

    def lock(self, *paths: Path) -> None:
        for path in set(paths) - self.locked:
            self.held.enter_context(locked(path))
            self.locked.add(path)

    def unlock(self) -> None:
        self.held.close()
        self.locked.clear()

    def kill(self) -> None:
        """End without a further write; what a start finds is what there is."""
        leave(self.journal)
        self.unlock()
        self.journal = journal_of(self.data)

    def stop(self) -> None:
        """End in order, with nothing in the way."""
        self.unlock()
        leave(self.journal)  # a connection is of one thread
        self.journal.start()
        self.journal.close()
        self.journal = journal_of(self.data)

    def lose_state(self) -> None:
        """End in order, lose `state.db`, begin anew: the ledger is what the rows say."""
        self.stop()
        leave(self.journal)
        for path in self.data.glob("state.db*"):
            path.unlink()
        self.journal = journal_of(self.data)


@settings(max_examples=40)
@given(steps_of("kill", "kill", "lose state"))
def test_nothing_is_booked_twice_and_nothing_that_has_a_row_is_not_booked(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """U-79 U-100: any batches, troubles of either file, kills between any two writes, restarts and a lost state."""
    world = World(tmp_path_factory.mktemp("world"))
    for step in steps:
        getattr(world, step.replace(" ", "_"))()
        booked = times_booked(world.data, world.count)
        assert set(booked) <= {0, 1}, (step, booked)
    world.kill()  # a start reconciles: from here on there is no row without its money
    rows, booked = written(world.data, world.count), times_booked(world.data, world.count)
    leave(world.journal)
    event(f"rows {sum(rows) > 0}, money without a row {booked != rows}")
    assert all(money >= row for money, row in zip(booked, rows, strict=True)), (rows, booked)
    if "lock log" not in steps:
        assert booked == rows


@settings(max_examples=40)
@given(steps_of())
def test_without_a_kill_everything_is_written_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """U-99 U-100: whatever trouble there was, a stop without trouble leaves every row and all money."""
    world = World(tmp_path_factory.mktemp("world"))
    for step in steps:
        getattr(world, step.replace(" ", "_"))()
    world.stop()
    leave(world.journal)
    assert written(world.data, world.count) == times_booked(world.data, world.count) == [1] * world.count

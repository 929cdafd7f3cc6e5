"""What a daemon keeps: its data directory, and the stores in it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.budget_sums import BudgetSums
from gateway.adapters.coolings_sqlite import Coolings
from gateway.adapters.day_files import DayFiles
from gateway.adapters.journal import Journal
from gateway.adapters.ledger_sqlite import Ledger, LedgerReader
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.metrics import Metrics
from gateway.adapters.overrides_sqlite import Overrides
from gateway.adapters.pins_sqlite import KeptPins
from gateway.adapters.reconcile import reconcile
from gateway.adapters.state_sqlite import Lock, State
from gateway.domain.problem import StoreError
from gateway.domain.snapshot import Defaults


class StartError(Exception):
    """The daemon cannot start; the message has a line for each reason, with the remedy."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one data directory, which nobody else has meanwhile."""

    state: State
    hash_key: bytes
    log: LogReader
    journal: Journal
    sums: BudgetSums
    ledger: LedgerReader
    overrides: Overrides
    coolings: Coolings
    pins: KeptPins


def opened(data: Path, stack: AsyncExitStack) -> State:
    """Take a data directory for this process. Raises DataDirectoryError."""
    stack.callback(Lock(data).close)
    state = State(data / "state.db")
    stack.callback(state.close)
    return state


async def stores(data: Path, state: State, metrics: Metrics, defaults: Callable[[], Defaults]) -> Stores:
    """Open the stores of a data directory, the ledger brought up to the log; `defaults` says how long rows are kept."""
    with mendable(data):
        hash_key = state.hash_key()
        log = LogReader(data / "log")
        booked = await asyncio.to_thread(reconcile, log, data / "state.db")
    files, ledger = DayFiles(data / "log", defaults), Ledger(data / "state.db")
    journal = Journal(files, ledger, booked, metrics.store_failed, metrics.dropped)
    reader = LedgerReader(data / "state.db")
    sums = BudgetSums(journal, reader, log)
    coolings = Coolings(data / "state.db", journal, metrics.store_failed)
    pins = KeptPins(data / "state.db", journal, metrics.store_failed)
    return Stores(state, hash_key, log, journal, sums, reader, Overrides(data / "state.db"), coolings, pins)


@contextmanager
def mendable(data: Path) -> Iterator[None]:
    """Say what to do where the data directory does not let the daemon start. Raises StartError for a StoreError."""
    try:
        yield
    except StoreError as error:
        raise StartError(f"{error}\n  free space or mend {data}, or give another one with --data DIR") from error

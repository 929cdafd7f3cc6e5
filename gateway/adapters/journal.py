"""The thread that writes: each request's row to the log, and its money to the ledger.

`put` never waits. What came in a fraction of a second is one batch: a transaction in the file of its day, then one in
`state.db`. A kill between the two loses nothing: rows have numbers, the ledger keeps the last one that it has, and
what lies past that is added at the next start. When one of the two cannot be written, the other goes on.
"""

import logging
import queue
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import date
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeVar

from gateway.adapters.day_files import DayFiles, Numbered
from gateway.adapters.ledger_sqlite import Ledger
from gateway.adapters.waiting import Waiting
from gateway.domain.alike import Alike
from gateway.domain.ledger import Account, Amounts, postings_of

logger = logging.getLogger(__name__)

MOST_WAITING = 50_000
MOST_IN_A_BATCH = 1_000
BATCH_EVERY_S = 0.2
TURNS_OF_REST = 5
LOG, LEDGER = "log", "ledger"
"""The names of the two stores, as metrics have them."""

_T = TypeVar("_T")
Sums = Mapping[Account, Amounts]
Question = Callable[[Sums], None]
"""What is called between two batches, with what waits for the ledger."""


class Health:
    """Whether a store takes what it is given. A failure is said once, and the store is left alone for some turns."""

    def __init__(self, store: str, trouble: str, again: str, failed: Callable[[str], None]) -> None:
        self._store = store
        self._trouble = trouble
        self._again = again
        self._failed = failed
        self._rest = 0
        self.good = True

    @property
    def resting(self) -> bool:
        """Whether it is not to be tried in this turn."""
        return self._rest > 0

    def turn(self, *, last: bool) -> None:
        """Begin a turn; in the last one there is no time to rest."""
        self._rest = 0 if last else self._rest - 1

    def failed(self, error: Exception) -> None:
        """Note that a write failed."""
        if self.good:
            logger.error("%s: %s", self._trouble, error)
        self.good, self._rest = False, TURNS_OF_REST
        self._failed(self._store)

    def works(self) -> None:
        """Note that a write succeeded."""
        if not self.good:
            logger.warning("%s", self._again)
        self.good = True


class Journal:
    """Takes entries from any thread, and writes them from its own.

    `numbers` is up to which row each day is booked. `failed` is called with the name of a store for each write that
    fails, `dropped` for each row that is given up after `put` took it; both from that thread. A request is put once.
    """

    def __init__(
        self,
        files: DayFiles,
        ledger: Ledger,
        numbers: Mapping[date, int],
        failed: Callable[[str], None],
        dropped: Callable[[], None],
    ) -> None:
        self._files = files
        self._ledger = ledger
        self._numbers = dict(numbers)
        self._dropped = dropped
        self._queue: queue.SimpleQueue[Alike | Question] = queue.SimpleQueue()
        self._queued = 0
        self._late: deque[tuple[date, Numbered]] = deque()
        self._waiting = Waiting()
        self._rowless = Waiting()
        self._lock = threading.Lock()
        no_rows, no_money = f"log rows cannot be written to {files.directory}", "the ledger cannot be written"
        self._rows = Health(LOG, f"{no_rows} and wait", "log rows are written again", failed)
        self._money = Health(LEDGER, f"{no_money} to state.db and waits", "the ledger is written again", failed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def healthy(self) -> bool:
        """Whether the last write to each store succeeded."""
        return self._rows.good and self._money.good

    @property
    def rows_wait(self) -> bool:
        """Whether rows are known that no file has yet; for questions, which are asked between batches."""
        return bool(self._late)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, alike: Alike) -> bool:
        """Take entries without waiting; False when too many rows wait already: then their money alone is kept."""
        with self._lock:
            if self._queued + len(self._late) >= MOST_WAITING:
                self._rowless.add(postings_of(alike))
                return False
            self._queued += alike.times
        self._queue.put(alike)
        return True

    def ask(self, question: "Callable[[Sums], _T]") -> "Future[_T]":
        """Have a question answered between batches, when all that was put before is booked, and nothing put later.

        It is called from the journal's thread, with the sums that wait because the ledger could not take them.
        """
        answer: Future[_T] = Future()

        def answered(waiting: Sums) -> None:
            try:
                answer.set_result(question(waiting))
            except Exception as error:  # noqa: BLE001 - a question's failure is the asker's: the thread goes on
                answer.set_exception(error)

        self._queue.put(answered)
        return answer

    def close(self) -> None:
        """Write what waits and end; rows that cannot be written now are lost, and counted as dropped."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(BATCH_EVERY_S):
            self._turn(last=False)
        self._turn(last=True)
        for _ in self._late:
            self._dropped()
        if self._late:
            logger.error("%d log rows are lost: they could not be written before the end", len(self._late))
        if self._waiting.sums:
            logger.error("the ledger could not be written before the end: what has a row is added at the next start")
        self._files.close()
        self._ledger.close()

    def _turn(self, *, last: bool) -> None:
        """Write all that waits, as far as the stores take it."""
        self._rows.turn(last=last)
        self._money.turn(last=last)
        self._write_late()
        full = True
        while full:
            batch, question = self._batch()
            rows = sum([alike.times for alike in batch])
            with self._lock:
                self._queued -= rows
            full = question is not None or rows >= MOST_IN_A_BATCH
            by_day: defaultdict[date, list[Alike]] = defaultdict(list)
            for alike in batch:
                by_day[alike.first.at.date()].append(alike)
            for day, of_day in by_day.items():
                self._write(day, of_day)
            self._book()
            if question is not None:
                question(self._waiting.sums)

    def _batch(self) -> "tuple[list[Alike], Question | None]":
        """Take what waits, up to a question."""
        batch: list[Alike] = []
        rows = 0
        for _ in range(self._queue.qsize()):
            item = self._queue.get_nowait()
            if not isinstance(item, Alike):
                return batch, item
            batch.append(item)
            rows += item.times
            if rows >= MOST_IN_A_BATCH:
                break
        return batch, None

    def _write(self, day: date, batch: list[Alike]) -> None:
        """Give entries their numbers and write them; rows that must wait are late, their money is not."""
        top = self._in_file(day, lambda: self._files.top(day)) or 0
        entries = [entry for alike in batch for entry in alike.entries]
        rows = list(enumerate(entries, 1 + max(top, self._numbers.get(day, 0))))
        self._note(day, rows[-1][0])
        self._waiting.add(posting for alike in batch for posting in postings_of(alike))
        if not self._stored(day, rows):
            self._late.extend((day, row) for row in rows)

    def _write_late(self) -> None:
        while self._late and not self._rows.resting:
            day, late = next(groupby(islice(self._late, MOST_IN_A_BATCH), key=itemgetter(0)))
            rows = [row for _, row in late]
            if not self._stored(day, rows):
                return
            for _ in rows:
                self._late.popleft()

    def _stored(self, day: date, rows: list[Numbered]) -> bool:
        """Write rows to the file of their day, but for those that no file could take; False when they must wait."""
        refused = self._in_file(day, lambda: self._files.insert(day, rows))
        if refused is None:
            return False
        for _ in refused:
            self._dropped()
        self._rows.works()
        return True

    def _in_file(self, day: date, action: Callable[[], _T]) -> _T | None:
        """Do something with the file of a day; None when that fails, or is not to be tried now."""
        if self._rows.resting:
            return None
        try:
            return action()
        except (sqlite3.Error, OSError) as error:
            self._files.close()
            self._files.move_aside_if_broken(day, error)
            self._rows.failed(error)
            return None

    def _book(self) -> None:
        """Add to the ledger what waits; what fails goes on waiting."""
        with self._lock:
            rowless, self._rowless = self._rowless, Waiting()
        for day in rowless.days:  # rows that there are not have numbers too: each booking moves one on
            self._note(day, 1 + self._numbers.get(day, 0))
        self._waiting.merge(rowless.sums)
        if not self._waiting.numbers or self._money.resting:
            return
        try:
            self._ledger.book(self._waiting.sums, self._waiting.numbers)
        except (sqlite3.Error, OSError) as error:
            self._ledger.close()
            self._money.failed(error)
        else:
            self._waiting = Waiting()
            self._money.works()

    def _note(self, day: date, number: int) -> None:
        self._numbers[day] = self._waiting.numbers[day] = number

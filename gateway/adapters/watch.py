"""Notices that a directory has changed: a stat poll is the truth, the system's notifications only wake it early.

Notifications alone miss a replaced directory, a `..data` swap and most network file systems.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

logger = logging.getLogger(__name__)

POLL_S = 0.5
_READING = ("opened", "closed_no_write")


class DirectoryWatch:
    """A thread that calls back, from itself, once for each change of the stamp.

    `read` gives the stamp at which the files were read last, by whomever: a change that is taken back before it is
    seen here, and was read in between, is one as well.
    """

    def __init__(
        self,
        directory: Path,
        stamp: Callable[[], object],
        changed: Callable[[], None],
        read: Callable[[], object] | None = None,
    ) -> None:
        self._directory = directory
        self._stamp = stamp
        self._changed = changed
        self._read = read or (lambda: self._before)
        self._told: object = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules-watch", daemon=True)

    def start(self) -> None:
        """Take the first stamp and begin."""
        self._before = self._stamp()
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        observer = self._observe()
        try:
            while not self._stop.is_set():
                self._wake.wait(POLL_S)
                self._wake.clear()
                change = (self._read(), now := self._stamp())
                if change[0] != now and change != self._told and not self._stop.is_set():
                    self._before, self._told = now, change
                    self._changed()
        finally:
            if observer is not None:
                observer.stop()
                observer.join()

    def _observe(self) -> BaseObserver | None:
        """Ask the system for notifications; None where it gives none, with nothing left running."""
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            observer.schedule(_Waker(self._wake), str(self._directory), recursive=False)
            observer.start()
        except OSError as error:
            logger.info("no file notifications here (%s): rules are polled every %s s", error.strerror, POLL_S)
            if observer is not None:
                observer.stop()  # it has a thread and a descriptor from the moment it is made
            return None
        return observer


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in _READING:
            self._wake.set()

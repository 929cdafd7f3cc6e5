"""What the daemon says on standard error: lines for people, or one JSON object a line."""

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType

logger = logging.getLogger("gateway")


def moment_of(record: logging.LogRecord) -> str:
    """Give the time of a record in UTC, as RFC 3339 writes it."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """Time, level and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Give the time of a record."""
        return moment_of(record)


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII, so that no terminal and no locale can break a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, logger and message, and the trace where there is one."""
        fields = {
            "at": moment_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def configure_logging(level: str, form: str) -> None:
    """Send what the gateway says to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)  # its errors are of notifications, which polling outlives


def take_over() -> None:
    """Say in the form of the log what Python itself would write: warnings, and what ends the process or a thread."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _say_end
    threading.excepthook = _say_end_of_thread


def _say_end(kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
    """Say where a mistake that ends the process is: its kind and its place, without its words, which may quote."""
    place = "".join(traceback.format_tb(trace))
    logger.critical("the gateway ends by a mistake of its own, %s:\n%s", kind.__name__, place)


def _say_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Say where a mistake that ends a thread is."""
    name, place = ended.thread.name if ended.thread else "?", "".join(traceback.format_tb(ended.exc_traceback))
    logger.critical("thread %s ends by a mistake of its own, %s:\n%s", name, ended.exc_type.__name__, place)

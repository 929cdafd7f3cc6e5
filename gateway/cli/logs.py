"""What the daemon says on standard error: lines for people, or one JSON object a line."""

import json
import logging
import sys
import threading
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
    """Send what the gateway says to standard error; as JSON, also what Python itself would write there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)  # its errors are of notifications, which polling outlives
    if form == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = log_end
        threading.excepthook = log_end_of_thread


def log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an error that ends the process."""
    logger.critical("the gateway ends with a mistake of its own", exc_info=(kind, error, trace))


def log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log an error that ends a thread."""
    error = ended.exc_value or ended.exc_type()
    name = ended.thread.name if ended.thread else "?"
    logger.critical("thread %s ends with a mistake of its own", name, exc_info=error)

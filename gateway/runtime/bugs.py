"""Says where a bug is: its kind and its place, without its words, which may quote a request or a key."""

import logging
import traceback

logger = logging.getLogger(__name__)


def say(what: str, error: Exception) -> None:
    """Log that something met a bug."""
    place = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s met a bug, %s:\n%s", what, type(error).__name__, place)

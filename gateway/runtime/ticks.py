"""Work that is done again and again beside the requests, which no bug in one turn may end."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.runtime import bugs


@contextmanager
def survived(doing: str) -> Iterator[None]:
    """Let a bug in one turn be logged, and the next turn come."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a background tick: the others are worth more than this one
        bugs.say(doing, error)

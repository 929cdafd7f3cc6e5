"""Work that is done again and again beside the requests, which no bug in one turn may end."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.runtime import bugs


@contextmanager
def survived(doing: str, broken: set[str] | None = None) -> Iterator[None]:
    """Let a bug in one turn be logged, and the next turn come.

    What is done once a second would say the same bug once a second: with `broken`, which names what went wrong the
    last time, it is said once until it has gone well again.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a background tick: the others are worth more than this one
        if broken is None or doing not in broken:
            bugs.say(doing, error)
        if broken is not None:
            broken.add(doing)
    else:
        if broken is not None:
            broken.discard(doing)

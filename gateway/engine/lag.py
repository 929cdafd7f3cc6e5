"""Whether the event loop is too late for long enough that new requests would only make it later."""

from typing import Final, NamedTuple

FOR_S: Final = 2.0
"""How long every measure of the lag must be above its limit. One stall, however long, is one measure."""
CALM_SHARE: Final = 0.5
"""The share of the limit below which requests are taken again."""


class Lagging(NamedTuple):
    """Since when each measure was too late, None where the last was not; and whether requests are turned away."""

    since_s: float | None = None
    sheds: bool = False


IN_TIME: Final = Lagging()


def measured(before: Lagging, lag_s: float, now_s: float, limit_s: float) -> Lagging:
    """Take in a measure of the lag."""
    if lag_s <= (limit_s * CALM_SHARE if before.sheds else limit_s):
        return IN_TIME
    since_s = now_s if before.since_s is None else before.since_s
    return Lagging(since_s, before.sheds or now_s - since_s >= FOR_S)

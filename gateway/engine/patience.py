"""When a connection has been too slow: a fold over looks at it, a second or so apart. Nothing here asks the time."""

from typing import Final

from gateway.domain.load import Cut, Doing, Look, Patience, Seen

SLOWEST_BODY: Final = 1000
"""Bytes of a body in a second that are enough to go on for longer than `read_body`.

Apache's mod_reqtimeout goes by the same rule: each so many bytes extend the limit by a second.
"""


def watched(seen: Seen | None, look: Look, now_s: float) -> Seen:
    """Take in a look at a connection."""
    if seen is None or (seen.look.doing, seen.look.request) != (look.doing, look.request):
        took_s = seen.took_s if seen is not None and look.unsent else now_s
        return Seen(look, now_s, look.received, now_s, took_s)
    before = seen.look
    return Seen(
        look,
        seen.since_s,
        seen.began,
        now_s if look.received != before.received else seen.moved_s,
        now_s if not look.unsent or look.taken != before.taken else seen.took_s,
    )


def too_slow(seen: Seen, now_s: float, patience: Patience) -> Cut | None:
    """Say for what a connection is to be closed now, None for nothing.

    A body must go on coming, and must have come within its limit and a second more for each `SLOWEST_BODY` bytes.
    """
    look = seen.look
    if look.unsent and now_s - seen.took_s >= patience.write_s:
        return Cut.WRITE
    since_s = now_s - seen.since_s
    if look.doing is Doing.HEADER:
        return Cut.READ_HEADER if since_s >= patience.read_header_s else None
    if look.doing is Doing.IDLE:
        return Cut.IDLE if since_s >= patience.idle_s else None
    if look.doing is Doing.BODY:
        may_s = patience.read_body_s + (look.received - seen.began) / SLOWEST_BODY
        stopped = now_s - seen.moved_s >= patience.read_body_s
        return Cut.READ_BODY if stopped or since_s >= may_s else None
    return None

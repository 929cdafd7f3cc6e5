"""What failures and hedges cost beside money: the time that a caller waited in vain, and the tokens of it."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.attempt import Attempt, Event
from gateway.domain.words import Failure, SpendKind

NOTHING: Final[tuple[int, ...]] = (0,)


def extra_ms(events: Sequence[Event]) -> Sequence[int]:
    """Give the milliseconds, for each event of a request, by which it delayed the answer; events as they began.

    A delay lasts from the beginning of an attempt that gave no answer to its end, or to the beginning of the attempt
    that answered, whichever is earlier; a moment in which two were under way counts for the one that began first. Where
    nothing answered, all that was waited was in vain. What the caller ended is no delay.
    """
    if len(events) == 1:
        event = events[0]
        return (_ms(event.duration_s),) if _is_in_vain(event) and isinstance(event, Attempt) else NOTHING
    answers = (each.began_s for each in events if isinstance(each, Attempt) and each.kind is SpendKind.ANSWER)
    answered_s = next(answers, float("inf"))
    delays, counted_s = [], 0.0
    for event in events:
        if not isinstance(event, Attempt) or not _is_in_vain(event):
            delays.append(0)
            continue
        until_s = min(event.began_s + event.duration_s, answered_s)
        delays.append(_ms(until_s - max(event.began_s, counted_s)))
        counted_s = max(counted_s, until_s)
    return delays


def extra_tokens(attempt: Attempt) -> int:
    """Give the tokens of an attempt, in and out."""
    usage = attempt.usage
    return 0 if usage is None else usage.input_tokens + usage.output_tokens


def _is_in_vain(event: Event) -> bool:
    if not isinstance(event, Attempt) or event.kind is SpendKind.ANSWER:
        return False
    return event.lost or event.failure is not Failure.CANCELLED


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 0)

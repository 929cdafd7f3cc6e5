"""How long each model takes to its first content, or to its whole answer: learned from answers, kept over reloads."""

from collections import deque

from gateway.engine.hedges import FEWEST_TIMES, usual_s

REMEMBERED_TIMES = 256
RELEARN_EVERY = 16
"""Times after which what is usual is learned anew."""


class _Pace:
    """`lesson` are the times that what is usual is to be learned from, once somebody asks: that is to sort them all."""

    __slots__ = ("lesson", "times_s", "unlearned", "usual_s")

    def __init__(self) -> None:
        self.times_s: deque[float] = deque(maxlen=REMEMBERED_TIMES)
        self.unlearned = 0
        self.lesson: tuple[float, ...] = ()
        self.usual_s: float | None = None


class UsualTimes:
    """The times of each model, by registry name, streams and whole answers apart; it belongs to the event loop."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], _Pace] = {}

    def add(self, model: str, stream: bool, seconds: float) -> None:  # noqa: FBT001 - the kind of an answer
        """Take the time of one more answer.

        Of a model that another overtook no time is known but that it was longer than the wait before the other was
        asked. That wait stands for it: left out, slow answers would be missed one by one, and the usual time would
        shrink from hedge to hedge; counted until it was overtaken, it would grow for as long as a model hangs.
        """
        pace = self._known.get((model, stream))
        if pace is None:
            pace = self._known[model, stream] = _Pace()
        pace.times_s.append(seconds)
        pace.unlearned += 1
        if pace.unlearned == RELEARN_EVERY or len(pace.times_s) <= FEWEST_TIMES:
            pace.unlearned = 0
            pace.lesson = tuple(pace.times_s)

    def usual_s(self, model: str, stream: bool) -> float | None:  # noqa: FBT001 - the kind of an answer
        """Give what nearly all answers of a model stay within, in seconds; None while too few are known."""
        pace = self._known.get((model, stream))
        if pace is None:
            return None
        if pace.lesson:
            pace.usual_s, pace.lesson = usual_s(pace.lesson), ()
        return pace.usual_s

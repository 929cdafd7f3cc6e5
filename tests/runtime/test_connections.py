"""All connections together: how many there may be, who is closed for being slow, and that none is forgotten."""

from dataclasses import dataclass, field

from gateway.domain.load import Capacity, Cut, Doing, Look, Patience, Seen, Shed
from gateway.runtime.connections import SPARE, Connections, Standing
from tests.fakes.clock import HandClock


@dataclass(eq=False)
class Caller:
    """A connection that does what it is told."""

    doing: Doing
    seen: Seen | None = None
    cuts: list[Cut] = field(default_factory=list)

    def look(self) -> Look:
        return Look(self.doing, 1, 0, 0, 0)

    def cut(self, why: Cut) -> None:
        self.cuts.append(why)


@dataclass
class Meters:
    """Keeps what was counted."""

    cuts: list[Cut] = field(default_factory=list)

    def shed(self, why: Shed) -> None:
        raise AssertionError(why)

    def cut(self, why: Cut) -> None:
        self.cuts.append(why)


def several(most: int = 2) -> tuple[Connections, HandClock, Meters]:
    clock, meters = HandClock(), Meters()
    patience = Patience(read_header_s=10.0, idle_s=100.0)
    return Connections(clock, meters, lambda: Capacity(connections=most), lambda: patience), clock, meters


def test_more_connections_than_may_be_leave_a_few_for_operations_and_no_more() -> None:
    """U-113: those of operators do not count, and whoever goes makes room; what the system allows is a limit, too."""
    there, _, meters = several(most=2)
    callers = [Caller(Doing.IDLE) for _ in range(2 + SPARE)]
    standings = [there.came(each, counted=True) for each in callers]
    assert standings == [Standing.TAKEN] * 2 + [Standing.SPARE] * SPARE
    one_more = Caller(Doing.IDLE)
    assert there.came(one_more, counted=True) is Standing.REFUSED
    there.went(one_more, counted=True)
    assert meters.cuts == [Cut.CONNECTIONS]
    assert there.came(Caller(Doing.IDLE), counted=False) is Standing.TAKEN
    assert len(there) == 2 + SPARE + 1
    for each in callers:
        there.went(each, counted=True)
    assert there.came(callers[0], counted=True) is Standing.TAKEN
    there.most = 1
    assert there.came(callers[1], counted=True) is Standing.SPARE


def test_slow_ones_are_cut_and_others_are_not() -> None:
    there, clock, meters = several()
    slow, idle, working = callers = [Caller(doing) for doing in (Doing.HEADER, Doing.IDLE, Doing.ANSWER)]
    for each in callers[:2]:
        there.came(each, counted=True)
    there.came(working, counted=False)
    for _ in range(12):
        there.look_at(tuple(callers))
        clock.advance(1.0)
    assert (slow.cuts, idle.cuts, working.cuts) == ([Cut.READ_HEADER], [], [])
    assert meters.cuts == [Cut.READ_HEADER]


def test_idle_ones_make_room_once_there_are_too_many() -> None:
    there, clock, _ = several(most=1)
    callers = [Caller(Doing.IDLE), Caller(Doing.ANSWER)]
    for each in callers:
        there.came(each, counted=True)
    for _ in range(2):
        there.look_at(tuple(callers))
        clock.advance(1.0)
    assert [each.cuts for each in callers] == [[Cut.IDLE], []]


def test_one_that_was_closed_within_the_round_is_left_alone() -> None:
    there, clock, meters = several()
    caller = Caller(Doing.HEADER)
    there.came(caller, counted=True)
    there.look_at((caller,))
    clock.advance(60.0)
    there.went(caller, counted=True)
    there.look_at((caller,))
    assert (caller.cuts, meters.cuts) == ([], [])

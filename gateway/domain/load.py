"""What the daemon takes on at once, and how long it waits for its callers: limits, and the words for those reached."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple


class Shed(StrEnum):
    """Why a request was turned away that another moment would have taken."""

    IN_FLIGHT = "in_flight"
    LAG = "lag"
    BODIES = "bodies"
    CONNECTIONS = "connections"
    QUEUE = "queue"


class Cut(StrEnum):
    """Why a connection was closed before its caller did."""

    READ_HEADER = "read_header"
    READ_BODY = "read_body"
    WRITE = "write"
    IDLE = "idle"
    CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there may be at once: requests, connections, bytes of request bodies; and the lag of the event loop."""

    in_flight: int = 10_000
    connections: int = 10_000
    bodies_bytes: int = 1_000_000_000
    lag_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long callers may take, in seconds: for a head, for a body, to read what they are sent, between requests."""

    read_header_s: float = 10.0
    read_body_s: float = 60.0
    write_s: float = 60.0
    idle_s: float = 900.0


class Doing(Enum):
    """What a connection is at: a head or a body comes, it is answered, nothing is asked, or it is being closed."""

    HEADER = auto()
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()
    CLOSING = auto()


class Look(NamedTuple):
    """A connection as it is at a moment: `request` counts those that have begun to come over it.

    `received` are all bytes that came, `unsent` those that wait for the caller to read. `taken` grows whenever the
    caller reads some.
    """

    doing: Doing
    request: int
    received: int
    unsent: int
    taken: int


class Seen(NamedTuple):
    """What is known of a connection from looks at it: since when it is at what it does, and how that goes.

    `began` is what had been received by then; `moved_s` and `took_s` are when it last received and its caller last took
    something, or had nothing to take.
    """

    look: Look
    since_s: float
    began: int
    moved_s: float
    took_s: float

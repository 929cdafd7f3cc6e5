"""How long answers of a model usually take, as nouns."""

from typing import NamedTuple

from msgspec import Struct


class Kind(NamedTuple):
    """Answers that may be compared: those to inputs of about one size, and whole ones of about one length.

    `thinks` says that thoughts were asked for. The sizes are powers of two; `output_size` None is the first content of
    a stream, which does not wait for the rest.
    """

    thinks: bool
    input_size: int
    output_size: int | None


class Took(NamedTuple):
    """How many seconds an answer of a kind took."""

    kind: Kind
    seconds: float


class Pace(Struct, frozen=True, gc=False):
    """What answers of a kind usually take, by the natural logarithm of their seconds: mean, and mean deviation.

    `seen` is how many answers it goes by.
    """

    seen: int = 0
    mean: float = 0.0
    spread: float = 0.0


UNKNOWN = Pace()

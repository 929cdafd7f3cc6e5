"""Where in an event's values each dimension stands."""

from dataclasses import dataclass

from gateway.domain.shift import Dimensions


@dataclass(frozen=True, slots=True)
class Places:
    """Positions in the values of an event; `who` from the widest asker to the finest."""

    names: tuple[str, ...]
    who: tuple[int, ...]
    rule: int
    category: int
    model: int

    @property
    def finest(self) -> int:
        """The position of the finest asker."""
        return self.who[-1]


def places_of(dimensions: Dimensions) -> Places:
    """Give the positions of dimensions."""
    first = len(dimensions.who)
    return Places(dimensions.names, tuple(range(first)), first, first + 1, first + 2)

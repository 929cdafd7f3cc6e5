"""One byte string in all the portions that a network may cut it into."""

from collections.abc import Iterator

from hypothesis import strategies as st


def halves(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the two parts for a cut at every offset."""
    return ((data[:at], data[at:]) for at in range(len(data) + 1))


def cuts() -> st.SearchStrategy[list[int]]:
    """Give the lengths of portions, to be gone through in turn."""
    return st.lists(st.integers(1, 40), min_size=1, max_size=8)


def portions(data: bytes, lengths: list[int]) -> Iterator[bytes]:
    """Give the portions of these lengths, over and over until the data ends."""
    at = turn = 0
    while at < len(data):
        yield data[at : at + lengths[turn % len(lengths)]]
        at += lengths[turn % len(lengths)]
        turn += 1

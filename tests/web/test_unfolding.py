import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.unfolding import NotFoldedError, Unfolding
from tests.dialects.portions import cuts, portions

MOST = 2000


def bare(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


FOLDS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "two-members": ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
}


@given(st.sampled_from(sorted(FOLDS)), st.binary(max_size=MOST), cuts())
def test_any_portions_unfold_to_what_was_folded(fold: str, data: bytes, lengths: list[int]) -> None:
    encoding, folded = FOLDS[fold]
    unfolding = Unfolding(encoding)
    assert b"".join(unfolding.feed(part, MOST) for part in portions(folded(data), lengths)) == data
    unfolding.end()


@given(st.binary(min_size=1, max_size=60), st.sampled_from(["gzip", "deflate"]), cuts())
def test_any_bytes_unfold_or_are_not_folded(data: bytes, encoding: str, lengths: list[int]) -> None:
    unfolding = Unfolding(encoding)
    try:
        out = b"".join(unfolding.feed(part, MOST) for part in portions(data, lengths))
        unfolding.end()
    except NotFoldedError:
        return
    assert len(out) <= MOST + len(data)


@pytest.mark.parametrize("fold", FOLDS)
def test_no_more_is_unfolded_than_is_wanted(fold: str) -> None:
    """A small body must not become a large one in memory."""
    encoding, folded = FOLDS[fold]
    assert len(Unfolding(encoding).feed(folded(b"0" * 10**7), 1000)) == 1001


@pytest.mark.parametrize("fold", FOLDS)
def test_a_body_that_breaks_off_is_not_whole(fold: str) -> None:
    encoding, folded = FOLDS[fold]
    unfolding = Unfolding(encoding)
    unfolding.feed(folded(b"hello, hello")[:-3], MOST)
    with pytest.raises(NotFoldedError):
        unfolding.end()


def test_no_bytes_are_no_body() -> None:
    """What it is the dialect says: the request is empty."""
    unfolding = Unfolding("gzip")
    assert unfolding.feed(b"", MOST) == b""
    unfolding.end()

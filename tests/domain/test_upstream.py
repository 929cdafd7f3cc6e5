"""What the error of a call promises: one of our words, and a person's."""

from gateway.domain.upstream import UpstreamError
from gateway.domain.words import Failure


def test_an_upstream_error_is_a_failure_in_words() -> None:
    error = UpstreamError(Failure.CONNECT, "no route to host")
    assert (error.failure, str(error)) == (Failure.CONNECT, "no route to host")

"""Request ids: unique whatever the clock does, and in its order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.ids import new_id

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy wants bounds without a zone


@given(MOMENTS)
def test_an_id_is_a_uuid_of_version_7_that_says_its_moment(at: datetime) -> None:
    read = UUID(new_id(at))
    assert (read.version, read.variant, str(read)) == (7, "specified in RFC 4122", str(read))
    assert read.int >> 80 == int(at.timestamp() * 1000)


def test_ids_are_unique_while_the_clock_stands_and_when_it_goes_back() -> None:
    """A wall clock may be set back by an hour: the ids of the second hour are not those of the first."""
    moments = [NOON + timedelta(milliseconds=step % 100) for step in range(20_000)]
    ids = [new_id(at) for at in moments]
    assert len(set(ids)) == len(ids)


@given(MOMENTS, MOMENTS)
def test_ids_sort_by_the_moment_they_say(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    if int(first.timestamp() * 1000) < int(second.timestamp() * 1000):
        assert new_id(first) < new_id(second)

"""The system's clock, against the system."""

from datetime import UTC, timedelta

from gateway.adapters.clock import SystemClock


async def test_the_clock_says_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    before, began_s = clock.now(), clock.monotonic()
    await clock.sleep(0)
    after, ended_s = clock.now(), clock.monotonic()
    assert before.tzinfo is UTC
    assert after.utcoffset() == timedelta(0)
    assert ended_s >= began_s


async def test_sleep_lasts_at_least_as_long_as_asked() -> None:
    clock = SystemClock()
    began_s = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - began_s >= 0.009  # the loop rounds to its clock's resolution

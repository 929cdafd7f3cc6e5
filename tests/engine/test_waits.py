"""How long a provider asks to be left alone, in every form that the two have."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.waits import LONGEST_WAIT_S, wait_asked_s

WAITS = {
    "seconds": (429, {"retry-after": "7"}, 7.0),
    "seconds of an overloaded provider": (503, {"retry-after": "7"}, 7.0),
    "a date": (429, {"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
    "a date of a provider whose clock is an hour behind ours": (
        429,
        {"date": "Mon, 23 Nov 2026 11:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 11:00:30 GMT"},
        30.0,
    ),
    "a reset of a provider whose clock is an hour before ours": (
        429,
        {
            "date": "Mon, 23 Nov 2026 13:00:00 GMT",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-23T13:00:05Z",
        },
        5.0,
    ),
    "a date beside one that is none": (429, {"date": "now", "retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
    "milliseconds come first": (429, {"retry-after-ms": "250", "retry-after": "7"}, 0.25),
    "the limit of which nothing remains": (
        429,
        {
            "x-ratelimit-remaining-requests": "3",
            "x-ratelimit-reset-requests": "9h",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0.5s",
        },
        360.5,
    ),
    "milliseconds of a reset": (429, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
    "the longest of several": (
        429,
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:05Z",
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2026-11-23T12:01:00Z",
        },
        60.0,
    ),
    "a reset that has passed": (
        429,
        {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-11-23T11:59:59Z"},
        0.0,
    ),
    "a reset of no limit": (429, {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "9s"}, None),
    "a reset that comes with another error": (
        500,
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"},
        None,
    ),
    "words": (429, {"retry-after": "soon", "x-ratelimit-remaining-x": "0", "x-ratelimit-reset-x": "later"}, None),
    "nothing": (429, {}, None),
    "more than a day": (429, {"retry-after": "99999999"}, LONGEST_WAIT_S),
}


@pytest.mark.parametrize("case", WAITS)
def test_when_a_provider_says_to_come_again(case: str) -> None:
    """U-16: Retry-After in seconds or as a date, and the provider's own reset headers."""
    status, headers, wait_s = WAITS[case]
    assert wait_asked_s(status, headers, datetime(2026, 11, 23, 12, tzinfo=UTC)) == wait_s


@given(st.dictionaries(st.sampled_from(["date", "retry-after", "retry-after-ms", "x-reset-a"]), st.text()))
def test_whatever_the_headers_say_a_wait_is_none_or_a_bounded_time(headers: dict[str, str]) -> None:
    wait_s = wait_asked_s(429, headers | {"x-remaining-a": "0"}, datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert wait_s is None or 0 <= wait_s <= LONGEST_WAIT_S

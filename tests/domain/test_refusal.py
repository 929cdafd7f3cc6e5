"""What a refusal promises: a status for each kind."""

from gateway.domain.refusal import STATUS, Refusal, RefusalKind


def test_every_kind_of_refusal_has_its_status() -> None:
    assert set(STATUS) == set(RefusalKind)
    assert {kind.value: Refusal(kind, "no").status for kind in RefusalKind} == {
        "invalid_request": 400,
        "model_not_found": 404,
        "not_found": 404,
        "unauthenticated": 401,
        "forbidden": 403,
        "rate_limited": 429,
        "too_large": 413,
        "over_budget": 402,
        "store_failed": 503,
        "internal": 500,
        "stopping": 503,
        "overloaded": 503,
        "too_slow": 408,
    }

"""Every request is counted once, and what is counted, logged and charged agrees."""

import asyncio
import itertools
from collections import Counter

from tests.fakes.daemon import PATHS, Daemon, body_of
from tests.fakes.rule_files import PAIRS, UPSTREAM

ENDS = ("answered", "answered_after_fallback", "failed", "interrupted", "refused", "cancelled")


async def test_one_request_has_one_end_in_metrics_rows_and_money(paired: Daemon) -> None:
    """U-105 U-65: over a mixed bag, requests sent = the sum over outcomes = rows, attempts = requests on the wire, and
    the money of the rows is the money of the metrics."""
    sent = 0
    faults = (
        *(None, "usage_missing", "usage_cached", "usage_wrong", "usage_split"),
        *("cut", "server_error", "empty", "bad_request", "overloaded", "content_filter"),
    )
    for fault in faults:
        if fault is not None:
            for name in ("nano", "haiku"):
                await paired.fault(UPSTREAM[name], fault)
        bag = list(itertools.product(("chat", "messages"), (False, True), PAIRS))
        await asyncio.gather(*(one(paired, surface, pair, stream=stream) for surface, stream, pair in bag))
        sent += len(bag)
    await paired.fault("*", "overloaded")
    failing = [("execute", pair, False) for pair in PAIRS]
    await asyncio.gather(*(one(paired, surface, pair, stream=stream) for surface, pair, stream in failing))
    unreadable = [b"", b"{", b"[]", b'{"model": 1}', b'{"model": "none", "messages": []}', b'{"model": "auto"}']
    for surface, body in itertools.product(PATHS, unreadable):
        async with paired.http.post(paired.url + PATHS[surface], data=body) as response:
            assert response.status in (400, 404)
    sent += len(failing) + len(PATHS) * len(unreadable)
    left = await leave(paired, 20)
    sent += left

    rows = await paired.rows(sent)
    assert len(rows) == sent
    metrics = await paired.metrics()
    ends = Counter({key[1]: 0 for key in metrics if key[0] == "rulegate_requests_total"})
    for key, value in metrics.items():
        if key[0] == "rulegate_requests_total":
            ends[key[1]] += int(value)
    assert +ends == Counter(row["outcome"] for row in rows)
    assert set(+ends) == set(ENDS)
    assert metrics["rulegate_in_flight_requests",] == 0

    events = [each for row in rows for each in row["attempts"]]
    attempts = Counter((each["failure"] or "none", each["model"]) for each in events if "skip" not in each)
    counted = {key[1:]: int(value) for key, value in metrics.items() if key[0] == "rulegate_attempts_total" and value}
    assert dict(attempts) == counted
    assert attempts.total() == (await paired.upstream())["total"]

    nano_usd = sum(round(value * 10**9) for key, value in metrics.items() if key[0] == "rulegate_cost_usd_total")
    assert nano_usd == sum(row["cost_nano_usd"] for row in rows) > 0
    for kind, column in (
        ("input", "fresh_input_tokens"),
        ("cache_read", "cache_read_tokens"),
        ("cache_write_5m", "cache_write_5m_tokens"),
        ("output", "output_tokens"),
    ):
        tokens = sum(v for key, v in metrics.items() if key[0] == "rulegate_tokens_total" and key[2] == kind)
        assert tokens == sum(row[column] for row in rows)


async def one(paired: Daemon, surface: str, pair: tuple[str, str], *, stream: bool) -> None:
    async with paired.ask(surface, headers={"x-pair": "-".join(pair)}, stream=stream) as response:
        await response.read()


async def leave(paired: Daemon, count: int) -> int:
    """Begin streams and leave each after its first bytes."""
    await paired.fault("*", "slow", per_token_s=30)
    for _ in range(count):
        response = await paired.ask("chat", stream=True).__aenter__()
        await response.content.readany()
        response.close()
    await paired.upstream()
    return count


async def test_what_callers_make_up_makes_no_series(paired: Daemon) -> None:
    """U-104: names, keys and headers from outside are no label values."""

    async def ask(number: int) -> None:
        surface = ("chat", "messages")[number % 2]
        headers = {"Authorization": f"Bearer key-{number}", "x-user": f"user-{number}", "x-pair": f"pair-{number}"}
        body = body_of(surface, model=f"model-{number}" if number % 3 else "auto", prompt=f"prompt {number}")
        async with paired.http.post(paired.url + PATHS[surface], json=body, headers=headers) as response:
            assert response.status == (404 if number % 3 else 200)

    for number in range(6):
        await ask(number)
    before = set(await paired.metrics())
    await asyncio.gather(*(ask(number) for number in range(6, 306)))
    after = await paired.metrics()
    assert set(after) == before
    assert sum(value for key, value in after.items() if key[0] == "rulegate_requests_total") == 306
    assert ("rulegate_requests_total", "refused", "other", "chat") in after

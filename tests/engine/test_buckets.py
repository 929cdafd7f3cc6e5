"""Buckets of a chart: one after the other, whole quarter hours, by the wall clock where they are days."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ledger import Amounts, LedgerDimension
from gateway.domain.spending import SpendAsked, Step
from gateway.domain.window import Window
from gateway.engine.buckets import needed, needed_for_total, quarters, rows_of, spans, total_of

START = datetime(2026, 10, 24, 22, 7, tzinfo=UTC)
ZONES = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")])
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)
BUCKET = (Window(START, START + timedelta(minutes=15)),)


def spent(nano_usd: int) -> Amounts:
    return Amounts(1, 10, 0, 0, 5, nano_usd, 0)


@given(st.sampled_from(Step), ZONES, moments, st.integers(1, 5 * 86_400))
def test_buckets_follow_one_another_and_share_no_quarter_hour(
    step: Step, zone: ZoneInfo, first: datetime, seconds: int
) -> None:
    """U-79: all that is asked for is in one of them, also where the clocks change."""
    end = first + timedelta(seconds=seconds)
    found = list(spans(step, zone, first, end))
    assert first in found[0]
    assert found[-1].start < end <= found[-1].end
    assert all(before.end == after.start for before, after in pairwise(found))
    edges = [quarters(span) for span in found]
    assert all(last + 900 == following for (_, last), (following, _) in pairwise(edges))
    assert edges[0][0] <= first.timestamp() < edges[0][0] + (found[0].end - found[0].start).total_seconds()


def test_days_are_those_of_the_wall_clock_and_hours_those_of_utc() -> None:
    berlin, end = ZoneInfo("Europe/Berlin"), START + timedelta(days=1)
    assert [(each.start.hour, each.end - each.start) for each in spans(Step.DAY, berlin, START, end)] == [
        (22, timedelta(hours=25))
    ]
    assert [
        each.start.minute for each in spans(Step.HOUR, ZoneInfo("Asia/Kathmandu"), START, START + timedelta(hours=1))
    ] == [0, 0]
    assert [each.start.minute for each in spans(Step.QUARTER_HOUR, berlin, START, START + timedelta(minutes=16))] == [
        0,
        15,
    ]


def test_rows_are_by_what_was_asked_for_of_what_was_asked_for() -> None:
    where: dict[LedgerDimension, frozenset[str]] = {"team": frozenset({"growth", "ops"}), "model": frozenset({"mini"})}
    asked = SpendAsked(BUCKET, Step.HOUR, ZoneInfo("UTC"), ("rule", "team"), where)
    assert needed(asked) == ("rule", "team", "model")
    sums: dict[tuple[str | int, ...], Amounts] = {
        ("code", "growth", "mini"): spent(1),
        ("code", "ops", "mini"): spent(2),
        ("chat", "other", "mini"): spent(4),
        ("chat", "growth", "opus"): spent(8),
    }
    assert rows_of(asked, needed(asked), sums) == {("code", "growth"): spent(1), ("code", "ops"): spent(2)}
    by_rule = SpendAsked(BUCKET, Step.HOUR, ZoneInfo("UTC"), ("rule",), where)
    ((key, row),) = rows_of(by_rule, ("rule", "team", "model"), sums).items()
    assert (key, row) == (("code",), Amounts(2, 20, 0, 0, 10, 3, 0))


def test_the_whole_is_told_apart_on_its_own_only_where_rows_count_twice() -> None:
    zone, one = ZoneInfo("UTC"), frozenset({"a"})
    assert needed_for_total(SpendAsked(BUCKET, Step.HOUR, zone, ("tag", "team"), {"model": one})) == ("model",)
    assert needed_for_total(SpendAsked(BUCKET, Step.HOUR, zone, ("tag",), {"tag": one})) == ("tag",)
    assert needed_for_total(SpendAsked(BUCKET, Step.HOUR, zone, ("team",), {"tag": one})) == ("team", "tag")
    assert total_of([]) == Amounts(0, 0, 0, 0, 0, 0, 0)

"""What a period can be, and which instants a window holds."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.window import LONGEST_ROLLING_DAYS, Calendar, Rolling, RollingUnit, Window


def test_a_period_prints_as_a_rule_file_writes_it() -> None:
    assert str(Calendar.MONTH) == "month"
    assert str(Rolling(7, RollingUnit.DAYS)) == "rolling 7 days"


@pytest.mark.parametrize(
    ("period", "length_s"),
    [
        (Rolling(45, RollingUnit.MINUTES), 2700),
        (Rolling(1, RollingUnit.HOURS), 3600),
        (Rolling(30, RollingUnit.DAYS), 30 * 86_400),
        (Rolling(LONGEST_ROLLING_DAYS, RollingUnit.DAYS), LONGEST_ROLLING_DAYS * 86_400),
    ],
)
def test_a_rolling_period_knows_its_length(period: Rolling, length_s: int) -> None:
    assert period.length_s == length_s


@pytest.mark.parametrize(
    ("count", "unit", "says"),
    [
        (20, RollingUnit.MINUTES, "rolling 20 minutes is not a whole number of quarter hours"),
        (0, RollingUnit.DAYS, "rolling 0 days is not a whole number of quarter hours"),
        (-15, RollingUnit.MINUTES, "rolling -15 minutes is not a whole number of quarter hours"),
        (LONGEST_ROLLING_DAYS + 1, RollingUnit.DAYS, f"longer than {LONGEST_ROLLING_DAYS} days"),
    ],
)
def test_a_rolling_period_that_the_ledger_cannot_sum_is_refused(count: int, unit: RollingUnit, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rolling(count, unit)


def test_a_window_holds_its_start_and_not_its_end() -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    instants = (start - timedelta.resolution, start, end - timedelta.resolution, end)
    assert [at in Window(start, end) for at in instants] == [False, True, True, False]

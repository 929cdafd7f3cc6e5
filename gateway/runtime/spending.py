"""What was spent, for charts: a question as operators write it, read, and its answer from the ledger."""

import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config.quantities import duration_s
from gateway.domain.budget import Budget
from gateway.domain.ledger import BOOKED_AS, LedgerDimension
from gateway.domain.spending import Bucket, Mark, SpendAsked, Spending, Step
from gateway.domain.window import Calendar, Window
from gateway.engine.buckets import needed, needed_for_total, quarters, rows_of, spans, total_of
from gateway.engine.marks import marks
from gateway.engine.windows import window_at
from gateway.runtime.alerts import Alerting, Incident
from gateway.runtime.ports import LedgerSpans

MOST_BUCKETS: Final = 2_000
MOST_ROWS: Final = 20_000
"""Rows of an answer, in all of its buckets together."""
MESSAGES: Final = 1_000
"""The messages of alerts that are looked through for marks: all that are kept."""
DEFAULT_SPAN: Final = timedelta(days=1)
CHOICES: Final[tuple[LedgerDimension, ...]] = tuple(each for each in get_args(LedgerDimension) if each != "quarter")
_OWN: Final = ("by", "from", "to", "step", "timezone", "budget")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGO: Final = re.compile(r"[0-9]{1,6}(?:m|h|d)")
_YEARS: Final = range(1980, 9000)
"""Years that a moment may be of: time zones are whole quarter hours from UTC in them."""
_DAY: Final = timedelta(days=1)


def read(query: Iterable[tuple[str, str]], budgets: Mapping[str, Budget], now: datetime) -> SpendAsked | str:
    """Read the parameters of a question; a string says what is wrong with them.

    A dimension as a parameter, such as `team=growth`, leaves out what has another value; given more than once, any of
    the values is right. `budget` asks for what a budget counts, by its time zone, from the start of its window on.
    """
    try:
        return _read(query, budgets, now)
    except ValueError as wrong:
        return str(wrong)


def _read(query: Iterable[tuple[str, str]], budgets: Mapping[str, Budget], now: datetime) -> SpendAsked:
    own, where = dict[str, str](), dict[LedgerDimension, frozenset[str]]()
    for name, value in query:
        if (dimension := _dimension(name)) is not None:
            where[dimension] = where.get(dimension, frozenset()) | {value}
        elif name not in _OWN:
            raise ValueError(f"there is no parameter '{name[:100]}'; there is {', '.join((*_OWN, *CHOICES))}")
        elif name in own:
            raise ValueError(f"'{name}' is given more than once")
        else:
            own[name] = value
    budget = _budget(own.get("budget"), budgets)
    for part, wanted in budget.scope.parts if budget else ():
        booked = BOOKED_AS[part]
        there = where.get(booked, frozenset({wanted}))
        where[booked] = there | {wanted} if booked == "tag" else there & {wanted}  # two tags go together, see below
    if len(where.get("tag", ())) > 1:
        raise ValueError("one tag at a time: what has both would count twice")
    zone = _zone(own.get("timezone"), budget)
    step = _step(own.get("step", Step.HOUR.value))
    end = _moment(own["to"], "to", zone, last=True) if "to" in own else now
    first = _first(own.get("from"), end, zone, budget)
    if first >= end:
        raise ValueError(f"'from' {first.isoformat()} is not before 'to' {end.isoformat()}")
    found = tuple(islice(spans(step, zone, first, end), MOST_BUCKETS + 1))
    if len(found) > MOST_BUCKETS:
        words = f"that is more than {MOST_BUCKETS:,} buckets of {step}"
        raise ValueError(f"{words}: ask for a longer 'step' ({', '.join(Step)}), or for less time by 'from' and 'to'")
    return SpendAsked(found, step, zone, _by(own.get("by", "")), where, budget.name if budget else "")


def _dimension(name: str) -> LedgerDimension | None:
    return next((each for each in CHOICES if each == name), None)


def _budget(name: str | None, budgets: Mapping[str, Budget]) -> Budget | None:
    if name is not None and name not in budgets:
        raise ValueError(f"there is no budget '{name[:100]}'; there is {', '.join(sorted(budgets)) or 'none'}")
    return None if name is None else budgets[name]


def _by(written: str) -> tuple[LedgerDimension, ...]:
    found: list[LedgerDimension] = []
    for name in filter(None, (each.strip() for each in written.split(","))):
        dimension = _dimension(name)
        if dimension is None:
            raise ValueError(f"there is no dimension '{name[:100]}'; there is {', '.join(CHOICES)}")
        found.append(dimension)
    return tuple(dict.fromkeys(found))


def _step(written: str) -> Step:
    try:
        return Step(written)
    except ValueError:
        raise ValueError(f"there is no step '{written[:100]}'; there is {', '.join(Step)}") from None


def _zone(written: str | None, budget: Budget | None) -> ZoneInfo:
    if written is None:
        return budget.zone if budget else ZoneInfo("UTC")
    try:
        return ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        words = "names are those of the IANA database, such as Europe/Berlin"
        raise ValueError(f"there is no time zone '{written[:100]}'; {words}") from None


def _first(written: str | None, end: datetime, zone: ZoneInfo, budget: Budget | None) -> datetime:
    if written is None:
        last = end - timedelta.resolution
        return end - DEFAULT_SPAN if budget is None else window_at(budget.period, budget.zone, last).start
    if not _AGO.fullmatch(written):
        return _moment(written, "from", zone, last=False)
    try:
        first = end - timedelta(seconds=duration_s(written))
    except OverflowError:
        first = None
    if first is None or first.year not in _YEARS:
        raise ValueError(f"'from' {written} is longer ago than {_YEARS[0]}")
    return first


def _moment(written: str, name: str, zone: ZoneInfo, *, last: bool) -> datetime:
    """Read a moment, or a day of which the start counts, or the end where it is the last."""
    try:
        at = datetime.fromisoformat(written.replace(" ", "+"))  # what a plus becomes in a URL
    except ValueError:
        at = None
    if at is None or at.year not in _YEARS or (at.tzinfo is None and not _DATE.fullmatch(written)):
        ago = "" if last else ", or how long before 'to' as 24h or 7d"
        raise ValueError(f"'{name}' is a day such as 2026-11-25 or a moment such as 2026-11-25T06:00:00Z{ago}")
    if at.tzinfo is not None:
        return at
    day = window_at(Calendar.DAY, zone, at.replace(hour=12, tzinfo=zone))
    return day.end if last else day.start


def answer(ledger: LedgerSpans, asked: SpendAsked) -> Spending | str:
    """Sum up the ledger; a string says that it comes to too many rows. It waits for a disk. Raises StoreError."""
    told_apart, for_total = needed(asked), needed_for_total(asked)
    found, count = list[Bucket](), 0
    bys = tuple(dict.fromkeys((told_apart, for_total)))
    with closing(ledger.each([quarters(span) for span in asked.spans], bys)) as every:
        for span, sums in zip(asked.spans, every, strict=True):
            rows = rows_of(asked, told_apart, sums[0])
            count += len(rows)
            if count > MOST_ROWS:
                words = f"that is more than {MOST_ROWS:,} rows"
                return f"{words}: ask for less time, a longer 'step', fewer dimensions in 'by', or one value of them"
            found.append(Bucket(span, total_of(rows_of(asked, for_total, sums[-1]).values()), rows))
    return Spending(total_of(each.total for each in found), tuple(found))


async def marks_of(alerting: Alerting, window: Window) -> list[Mark]:
    """Give the incidents about money that were open at a time of a window. Raises StoreError."""
    messages = [said.alert for said in await alerting.recent(MESSAGES)]
    return marks(messages, [_mark(incident) for incident in alerting.open()], window)


def _mark(incident: Incident) -> Mark:
    standing, state = incident.standing, incident.state
    return Mark(
        id=state.incident_id,
        alert=standing.alert,
        kind=standing.kind,
        scope=standing.scope,
        severity=state.severity,
        summary=standing.summary,
        started_at=state.started_at,
    )

"""A report as people read it, and as JSON; money is exact, in whole nano-dollars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from gateway.cli.prices.listing import columns
from gateway.cli.report.asked import Span
from gateway.cli.report.extra import Extra, RuleKind, rows_of
from gateway.cli.report.rows import Comparison
from gateway.cli.rules import counted
from gateway.domain.ledger import Amounts
from gateway.domain.price import NANO_USD_PER_USD
from gateway.engine.report import By, Compared, Key, by_cost

HEADS: Final = ("attempts", "fresh in", "cache read", "cache write", "out", "USD", "of it estimated")
EXTRA_HEADS: Final = ("rule", "kind", "attempts", "in", "out", "USD", "seconds waited")
BASELINE_HEADS: Final = ("answers", "USD", "of it unanswered", "baseline USD", "saved USD", "saved")
ALWAYS: Final = "how the baseline's own tokenizer would count, and what its own failures would cost"
_SHOWN_RANGES: Final = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What was spent in some days, by dimensions; `total` counts everything once; `extra` where it was asked for."""

    data: str
    simulated: bool
    span: Span
    by: By
    lines: Mapping[Key, Amounts]
    total: Amounts
    comparison: Comparison | None
    extra: Mapping[RuleKind, Extra] | None = None


def usd(nano_usd: int) -> str:
    """Write nano-dollars as dollars with all nine places, so that points stand below each other."""
    whole, rest = divmod(abs(nano_usd), NANO_USD_PER_USD)
    return f"{'-' if nano_usd < 0 else ''}{whole:,}.{rest:09d}"


def text_of(report: Report) -> str:
    """Give the report as lines for people."""
    left = len(report.by)
    simulated = ", simulated: no real money" if report.simulated else ""
    rows = [(*_named(key), *_cells(amounts)) for key, amounts in by_cost(report.lines)]
    total = ("total", *[""] * (left - 1), *_cells(report.total))
    lines = [
        f"spend by {', '.join(report.by)}, {report.span}, {report.data}{simulated}",
        *columns([(*report.by, *HEADS), *rows, total], left=left),
    ]
    if "tag" in report.by:
        lines.append("what has several tags is in the line of each: the lines may add up to more than the total")
    if report.comparison is not None:
        lines += ["", *_against(report.comparison, report.by)]
    if report.extra is not None:
        lines += ["", *_extra(report.extra)]
    return "\n".join(lines)


def _extra(extra: Mapping[RuleKind, Extra]) -> Iterator[str]:
    if not extra:
        yield "failures and hedges cost nothing: every first attempt answered"
        return
    yield "what failures and hedges cost, by rule"
    rows = [
        (rule or "-", kind, *(f"{count:,}" for count in counts), usd(nano_usd), f"{waited_ms / 1000:,.3f}")
        for rule, kind, *counts, nano_usd, waited_ms in rows_of(extra)
    ]
    yield from columns([EXTRA_HEADS, *rows], left=2)
    yield "tokens and USD are the ledger's; attempts and the seconds that callers waited are of rows that are kept"


def _named(key: Key) -> tuple[str, ...]:
    return tuple(value or "-" for value in key)


def _cells(amounts: Amounts) -> tuple[str, ...]:
    return (*(f"{count:,}" for count in amounts[:5]), usd(amounts.nano_usd), usd(amounts.estimated_nano_usd))


def _against(comparison: Comparison, by: By) -> Iterator[str]:
    baseline, left = comparison.baseline, len(by)
    sold_as = f"{baseline.provider} {baseline.upstream}, price {baseline.version}"
    yield f"against {baseline.name} ({sold_as}), had it given every answer"
    rows = [(*_named(key), *_compared(each)) for key, each in by_cost(comparison.lines)]
    total = ("total", *[""] * (left - 1), *_compared(comparison.total))
    yield from columns([(*by, *BASELINE_HEADS), *rows, total], left=left)
    yield f"left out: {'; '.join(left_out(comparison))}"


def _compared(each: Compared) -> tuple[str, ...]:
    money = (each.nano_usd, each.unanswered_nano_usd, each.baseline_nano_usd, each.saved_nano_usd)
    return (f"{each.answers:,}", *map(usd, money), _percent(each) or "-")


def _percent(each: Compared) -> str | None:
    if (share := each.saved_permille) is None:
        return None
    whole, rest = divmod(abs(share), 10)
    return f"{'-' if share < 0 else ''}{whole}.{rest}%"


def left_out(comparison: Comparison) -> Iterator[str]:
    """Say what the saving does not know, and which answers it is less sure of."""
    yield ALWAYS
    total, missing = comparison.total, comparison.missing
    if total.unmeasured:
        yield f"{counted(total.unmeasured, 'answer')} without a usage"
    if missing:
        money = usd(sum(missing.values()))
        yield f"{money} USD of days (UTC) whose rows are not all there any more: {_ranges(sorted(missing))}"
    if total.estimated:
        yield f"the usage of {counted(total.estimated, 'answer')} is estimated on both sides"
    if total.unpriced:
        yield f"{counted(total.unpriced, 'answer')} came from another model than the one whose price was paid"


def _ranges(days: Sequence[date]) -> str:
    """Write days with those that follow each other as one, the first few of them."""
    ranges: list[list[date]] = []
    for day in days:
        if ranges and ranges[-1][-1] + timedelta(days=1) == day:
            ranges[-1][1:] = [day]
        else:
            ranges.append([day])
    shown = ", ".join(" to ".join(map(str, each)) for each in ranges[:_SHOWN_RANGES])
    return f"{shown} and more" if len(ranges) > _SHOWN_RANGES else shown


def json_of(report: Report) -> dict[str, Any]:
    """Give the report as JSON values; dollars are text, so that no digit is lost."""
    return {
        "data": report.data,
        "simulated": report.simulated,
        "from": report.span.first.isoformat(),
        "to": report.span.last.isoformat(),
        "timezone": str(report.span.zone),
        "by": list(report.by),
        "lines": [{**_keyed(report.by, key), **_amounts(amounts)} for key, amounts in by_cost(report.lines)],
        "total": _amounts(report.total),
        "extra": None if report.extra is None else [_extra_line(row) for row in rows_of(report.extra)],
        "baseline": None if report.comparison is None else _baseline(report.comparison, report.by),
    }


def _extra_line(row: tuple[str, str, int, int, int, int, int]) -> dict[str, Any]:
    rule, kind, attempts, tokens_in, tokens_out, nano_usd, waited_ms = row
    counts = {"attempts": attempts, "input_tokens": tokens_in, "output_tokens": tokens_out, "waited_ms": waited_ms}
    return {"rule": rule, "kind": kind, **counts, **_money("cost", nano_usd)}


def _keyed(by: By, key: Key) -> dict[str, str]:
    return dict(zip(by, key, strict=True))


def _amounts(amounts: Amounts) -> dict[str, Any]:
    counts = {name: count for name, count in amounts._asdict().items() if not name.endswith("nano_usd")}
    return {**counts, **_money("cost", amounts.nano_usd), **_money("estimated", amounts.estimated_nano_usd)}


def _money(name: str, nano_usd: int) -> dict[str, Any]:
    return {f"{name}_usd": usd(nano_usd).replace(",", ""), f"{name}_nano_usd": nano_usd}


def _baseline(comparison: Comparison, by: By) -> dict[str, Any]:
    baseline = comparison.baseline
    return {
        "name": baseline.name,
        "provider": baseline.provider,
        "model": baseline.upstream,
        "price_version": baseline.version,
        "lines": [{**_keyed(by, key), **_sums(each)} for key, each in by_cost(comparison.lines)],
        "total": _sums(comparison.total),
        "missing_days": {day.isoformat(): _money("cost", money) for day, money in sorted(comparison.missing.items())},
        "left_out": list(left_out(comparison)),
    }


def _sums(each: Compared) -> dict[str, Any]:
    return {
        "answers": each.answers,
        "estimated_answers": each.estimated,
        "unpriced_answers": each.unpriced,
        "unmeasured_answers": each.unmeasured,
        **_money("cost", each.nano_usd),
        **_money("unanswered", each.unanswered_nano_usd),
        **_money("baseline", each.baseline_nano_usd),
        **_money("saved", each.saved_nano_usd),
        "saved_percent": None if (share := _percent(each)) is None else share.removesuffix("%"),
    }

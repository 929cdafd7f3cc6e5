"""`rulegate alerts replay`: which spend shifts would have been told of over the stored log, or a file of events."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.shift_rows import DIMENSIONS, events_on
from gateway.adapters.state_sqlite import DataDirectoryError
from gateway.cli.alerts.edits import edits_in
from gateway.cli.report import asked
from gateway.domain.shift import Dimensions, Edit, Notice, SpendEvent
from gateway.engine.shifts.fold import Fold
from gateway.engine.shifts.terms import Terms

WHO: Final = ("team", "caller", "tenant")
ALSO: Final = ("provider",)
FEWEST: Final = ("rule", "category", "model")


@click.command("replay", short_help="Show which spend shifts would have been told of.")
@click.option(
    "--events",
    "events_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Spend events, one JSON object a line, in the order of time, in place of the stored log.",
)
@click.option(
    "--context",
    "context_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What the gateway knew besides, such as rule edits, one JSON object a line; of the log else what it kept.",
)
@click.option("--out", type=click.File("w"), default="-", metavar="FILE", help="Where to write.  [default: stdout]")
@click.option("--stream", default="", metavar="ID", help="A label for each line of the output.")
@click.option(
    "--warm-up-days",
    type=click.FloatRange(min=0),
    default=Terms().warm_up_days,
    show_default=True,
    metavar="DAYS",
    help="For how long after the first event nothing is told.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="RULEGATE_DATA",
    default=Path("data"),
    show_default=True,
    help="Where the gateway keeps the log and the state.",
)
@click.option(
    "--since",
    callback=asked.read(asked.day),
    metavar="DATE",
    help="Print what was told from this day (UTC) on; the days before are learned from.",
)
@click.option(
    "--until", callback=asked.read(asked.day), metavar="DATE", help="The last day (UTC), all of it.  [default: today]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line; with --events it always is.")
def command(  # noqa: PLR0913 - click gives each option by its name
    *,
    events_path: Path | None,
    context_path: Path | None,
    out: TextIO,
    stream: str,
    warm_up_days: float,
    data: Path,
    since: date | None,
    until: date | None,
    as_json: bool,
) -> None:
    """Go through the stored log, or the spend events of FILE, and print what a spend-shift alert would have sent.

    A message says when, how bad, what moved, since when, and what it costs. Nothing is sent to anybody, and no gateway
    is needed.
    """
    if events_path is not None and (since or until):
        raise click.UsageError("--since and --until are for the stored log: leave out --events, or them")
    try:
        edits = list(_edits(context_path)) if context_path else None
        if events_path is None:
            notices = _over_log(data, until, edits, warm_up_days)
        else:
            notices = _over_file(events_path, edits or [], warm_up_days)
        from_s = datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp() if since else float("-inf")
        out.write("")  # which makes the file: nothing to tell is an answer
        for notice in notices:
            if notice.ts >= from_s:
                shown = json.dumps(line_of(notice, stream)) if as_json or events_path else text_of(notice)
                out.write(shown + "\n")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    except (ValueError, DataDirectoryError) as error:
        raise click.ClickException(str(error)) from error


def _over_file(path: Path, edits: list[Edit], warm_up_days: float) -> Iterator[Notice]:
    dimensions = _dimensions(path)
    fold = Fold(Terms(dimensions=dimensions, warm_up_days=warm_up_days))
    with path.open("rb") as lines, _progress(lines, path.stat().st_size) as every:
        yield from _replayed(fold, _events(every, dimensions), edits)


def _over_log(data: Path, until: date | None, edits: list[Edit] | None, warm_up_days: float) -> Iterator[Notice]:
    """Replay the day files to the end of the day `until`; without rows there is nothing to tell.

    Edits are those of `state.db` where none are given.
    """
    log = LogReader(data / "log")
    days = [day for day in log.days() if until is None or day <= until]
    if edits is None and days:
        edits = edits_in(data / "state.db", datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC))
    fold = Fold(Terms(dimensions=DIMENSIONS, warm_up_days=warm_up_days))
    with _progress_of(days) as every:
        yield from _replayed(fold, (event for day in every for event in events_on(log, day)), edits or [])


def _progress_of(days: list[date]) -> AbstractContextManager[Iterable[date]]:
    """Show on a terminal how far the reading of the log is."""
    if not sys.stderr.isatty():
        return nullcontext(days)
    return click.progressbar(days, label="reading rows", file=sys.stderr)


def text_of(notice: Notice) -> str:
    """Give a notice as a line for people."""
    at = datetime.fromtimestamp(notice.ts, UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC  {notice.status.value}  {notice.severity.value}  {notice.sentence}"


def _replayed(fold: Fold, events: Iterator[SpendEvent], edits: list[Edit]) -> Iterator[Notice]:
    waiting = sorted(edits, key=lambda edit: edit.ts)
    now = 0.0
    for event in events:
        while waiting and waiting[0].ts <= event.ts:
            yield from fold.edit(waiting.pop(0))
        yield from fold.add(event)
        now = max(now, event.ts)
    if now:
        yield from fold.advance(now + fold.bucket_s)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            yield _object(line, path.name, number)


def _object(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{name}:{number}: it is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name}:{number}: it is no JSON object")  # noqa: TRY004 - of the file, not of the program
    return found


def _dimensions(path: Path) -> Dimensions:
    """Tell by the first event who asks, and what is known besides."""
    first = next(_objects(path), None)
    if first is None:
        raise ValueError(f"{path.name}: it has no events")
    who = tuple(name for name in WHO if name in first)
    if not who or any(name not in first for name in FEWEST):
        raise ValueError(f"{path.name}:1: an event has {', '.join(FEWEST)}, and one of {', '.join(WHO)}")
    return Dimensions(who=who, also=tuple(name for name in ALSO if name in first))


def _events(lines: Iterable[bytes], dimensions: Dimensions) -> Iterator[SpendEvent]:
    names = dimensions.names
    for number, line in enumerate(lines, start=1):
        row = _object(line, "events", number)
        try:
            yield SpendEvent(
                ts=float(row["ts"]),
                values=tuple([str(row[name]) for name in names]),
                tokens_in=int(row["tokens_in"]),
                tokens_cached=int(row["tokens_cached"]),
                tokens_out=int(row["tokens_out"]),
                nano_usd=round(row["cost"] * 1e9),
                fallback_from=row.get("fallback_from") or "",
            )
        except KeyError as error:
            raise ValueError(f"events:{number}: there is no {error.args[0]}") from error
        except TypeError as error:
            raise ValueError(f"events:{number}: a number is none") from error


def _edits(path: Path) -> Iterator[Edit]:
    for number, row in enumerate(_objects(path), start=1):
        if row.get("event") != "rule_edit":
            continue  # what a later version knows besides
        if not isinstance(row.get("ts"), int | float) or not isinstance(row.get("rule"), str):
            raise ValueError(f"{path.name}:{number}: a rule_edit has ts and rule")  # noqa: TRY004 - of the file
        yield Edit(float(row["ts"]), row["rule"], str(row.get("generation", "")), str(row.get("place", "")))


def _progress(lines: Iterable[bytes], size: int) -> AbstractContextManager[Iterable[bytes]]:
    """Show on a terminal how far the reading is."""
    if not sys.stderr.isatty():
        return nullcontext(lines)
    bar = click.progressbar(length=size, label="reading events", file=sys.stderr)
    return _Bar(bar, lines)


class _Bar(AbstractContextManager[Iterable[bytes]]):
    """A progress bar that counts bytes of lines."""

    STEP = 1 << 20

    def __init__(self, bar: Any, lines: Iterable[bytes]) -> None:  # noqa: ANN401 - click's has no type
        self._bar = bar
        self._lines = lines

    def __enter__(self) -> Iterable[bytes]:
        self._bar.__enter__()
        return self._counted()

    def __exit__(self, *raised: object) -> None:
        self._bar.__exit__(*raised)

    def _counted(self) -> Iterator[bytes]:
        seen = 0
        for line in self._lines:
            seen += len(line)
            if seen >= self.STEP:
                self._bar.update(seen)
                seen = 0
            yield line
        self._bar.update(seen)


def line_of(notice: Notice, stream: str) -> dict[str, Any]:
    """Give a notice as a line of the output; money is integer nano-dollars."""
    finding, parts, edit = notice.finding, notice.parts, notice.edit
    return {
        "stream": stream,
        "ts": notice.ts,
        "type": "shift",
        "severity": notice.severity.value,
        "cause": notice.cause.name,
        "direction": notice.direction.value,
        "status": notice.status.value,
        "incident": notice.number,
        "channel": notice.cause.channel.value,
        "since": notice.since,
        "sentence": notice.sentence,
        "reason": notice.reason,
        "nano_usd": notice.nano_usd,
        "nano_usd_per_day": notice.nano_usd_per_day,
        "before": finding.before,
        "after": finding.after,
        "score": round(finding.score, 2),
        "impact": round(finding.impact, 4),
        "detail": finding.detail,
        "edit": {"ts": edit.ts, "rule": edit.rule, "generation": edit.generation, "place": edit.place}
        if edit
        else None,
        "parts": (
            {
                "whole": parts.whole,
                "volume": parts.volume,
                "mix": parts.mix,
                "price": parts.price,
                "tokens": parts.tokens,
            }
            if parts
            else None
        ),
        "unchanged": [channel.value for channel in notice.unchanged],
        "suspects": [cause.name for cause in notice.suspects],
    }

"""What the fold over spend hears of the log: the answered requests of a day's rows, in the order they were written."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from gateway.adapters.log_rows import spent_of_row
from gateway.adapters.log_sqlite import LogReader
from gateway.domain.ledger import Spent
from gateway.domain.shift import Dimensions, SpendEvent
from gateway.domain.usage import Usage
from gateway.domain.words import SpendKind

DIMENSIONS: Final = Dimensions()
NOTHING: Final = Usage()
ROWS_AT_A_TIME: Final = 1_000
_CHAIN = msgspec.json.Decoder(list[str])


def events_on(log: LogReader, day: date) -> Iterator[SpendEvent]:
    """Give the spend events of a day (UTC); none of requests that nobody answered, or of rows that cannot be read."""
    number = 0
    while rows := log.past(day, number, ROWS_AT_A_TIME):
        for row in rows:
            number = row["number"]
            event = event_of_row(row)
            if event is not None:
                yield event


def event_of_row(row: dict[str, Any]) -> SpendEvent | None:
    """Give a row as it is stored as a spend event, at the moment its request ended; None where there is none."""
    if not row["model"]:
        return None
    try:
        chain = _CHAIN.decode(row["chain"])
        ended = datetime.fromisoformat(row["at"]).timestamp() + row["duration_s"]
        spent = spent_of_row(row)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None
    answer = next((each for each in spent if each.account.kind is SpendKind.ANSWER), None)
    usage = NOTHING if answer is None else answer.usage
    return SpendEvent(
        ts=ended,
        values=tuple([row[name] for name in DIMENSIONS.names]),
        tokens_in=usage.input_tokens,
        tokens_cached=usage.cache_read_tokens,
        tokens_out=usage.output_tokens,
        nano_usd=0 if answer is None else answer.nano_usd,
        fallback_from=chain[0] if chain and chain[0] != row["model"] else "",
        hedged_nano_usd=_of_kind(spent, SpendKind.HEDGE),
        retried_nano_usd=_of_kind(spent, SpendKind.FAILED),
    )


def _of_kind(spent: Sequence[Spent], kind: SpendKind) -> int:
    return sum(each.nano_usd for each in spent if each.account.kind is kind)

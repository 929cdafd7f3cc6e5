"""What the fold over spend hears of the log: the answered requests of a day's rows, in the order they were written."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

import msgspec

from gateway.adapters.log_sqlite import LogReader
from gateway.domain.shift import Dimensions, SpendEvent

DIMENSIONS: Final = Dimensions()
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
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None
    cached = row["cache_read_tokens"]
    return SpendEvent(
        ts=ended,
        values=tuple([row[name] for name in DIMENSIONS.names]),
        tokens_in=row["fresh_input_tokens"] + cached + row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"],
        tokens_cached=cached,
        tokens_out=row["output_tokens"],
        nano_usd=row["cost_nano_usd"],
        fallback_from=chain[0] if chain and chain[0] != row["model"] else "",
    )

"""What failures and hedges cost, by rule: money and tokens of the ledger, attempts and time of the rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.adapters.ledger_sqlite import LedgerReader
from gateway.adapters.log_sqlite import LogReader
from gateway.adapters.spent_rows import in_vain_on
from gateway.domain.ledger import Amounts
from gateway.domain.words import SpendKind
from gateway.engine.report import NOTHING, day_of

RuleKind = tuple[str, str]
"""A rule and a kind of spend."""


@dataclass(slots=True)
class Extra:
    """What gave no answer: `amounts` as booked, how many attempts the rows have, and how long callers waited."""

    amounts: Amounts = NOTHING
    attempts: int = 0
    waited_ms: int = 0


def extras(ledger: LedgerReader, log: LogReader, quarters: tuple[int, int]) -> Mapping[RuleKind, Extra]:
    """Give it for each rule and kind, of some quarter hours, the longest wait first. Raises StoreError."""
    first, last = quarters
    booked = ledger.booked(first, last, ("rule", "kind"))
    found = {
        (str(rule), str(kind)): Extra(amounts)
        for (rule, kind), amounts in booked.spend.items()
        if kind != SpendKind.ANSWER.value
    }
    for day in log.days():
        if not day_of(first) <= day <= day_of(last):
            continue
        for vain in in_vain_on(log, day, (first, last)):
            extra = found.setdefault((vain.rule, vain.kind.value), Extra())
            extra.attempts += 1
            extra.waited_ms += vain.delay_ms
    return dict(sorted(found.items(), key=lambda each: (-each[1].waited_ms, each[0])))


def rows_of(found: Mapping[RuleKind, Extra]) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """Give rule, kind, attempts, tokens in and out, nano-dollars and milliseconds of each."""
    for (rule, kind), extra in found.items():
        amounts = extra.amounts
        tokens_in = amounts.fresh_input_tokens + amounts.cache_read_tokens + amounts.cache_write_tokens
        yield rule, kind, extra.attempts, tokens_in, amounts.output_tokens, amounts.nano_usd, extra.waited_ms

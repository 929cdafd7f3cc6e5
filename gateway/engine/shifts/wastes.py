"""What attempts cost that gave no answer: hedges that lost and attempts that failed, as a share of a rule's spend."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp
from typing import Any, Final

from gateway.domain.shift import Cause, Channel, Finding
from gateway.engine.shifts.kept import Table, pairs, table
from gateway.engine.shifts.slots import Slot
from gateway.engine.shifts.terms import DAY_S, Terms

SPANS: Final = (4, 12, 36)
"""Over how many buckets it is looked at; in each quarter of them there must be some."""
LATELY: Final = 12
QUARTERS: Final = 4
USUAL_S: Final = 3 * DAY_S
"""The mean age of what is usual."""
TIMES: Final = 2.0
LEAST_SHARE: Final = 0.05
"""A share is high that is so many times what is usual, and so much more."""
CALLS, SPENT = 1, 2
KINDS: Final = {Channel.HEDGES: 3, Channel.RETRIES: 4}
"""Where the rows have the nano-dollars of each kind."""


@dataclass(slots=True)
class Wastes:
    """By rule: the last rows of bucket, calls, nano-dollars of all, of hedges, of failures; fading sums of the same."""

    rows: dict[str, list[list[float]]] = field(default_factory=dict)
    usual: Table = field(default_factory=dict)

    def take(self, bucket: int, slot: Slot, terms: Terms) -> None:
        """Add a bucket; what is usual is that of the rows that are looked at no longer."""
        for (rule,), sums in slot.wastes.items():
            self.rows.setdefault(rule, []).append([float(bucket), *sums])
        for rule in list(self.rows):
            rows = self.rows[rule]
            while rows and rows[0][0] <= bucket - SPANS[-1]:
                self._learn(rule, rows.pop(0), terms.bucket_s)
            if not rows:
                del self.rows[rule]

    def _learn(self, rule: str, row: list[float], bucket_s: int) -> None:
        held = self.usual.setdefault((rule,), [row[0], 0.0, 0.0, 0.0, 0.0])
        kept = exp((held[0] - row[0]) * bucket_s / USUAL_S)
        held[:] = row[0], *(old * kept + new for old, new in zip(held[1:], row[1:], strict=True))

    def usual_of(self, cause: Cause) -> float:
        """Give the usual share of a rule's spend."""
        held = self.usual.get((cause.value,))
        return held[KINDS[cause.channel]] / held[SPENT] if held is not None and held[SPENT] > 0 else 0.0

    def share(self, cause: Cause, bucket: int, span: int) -> float | None:
        """Give the share of a rule's spend in the last buckets; None where nothing was spent."""
        rows = [row for row in self.rows.get(cause.value, []) if row[0] > bucket - span]
        spent = sum(row[SPENT] for row in rows)
        return sum(row[KINDS[cause.channel]] for row in rows) / spent if spent > 0 else None

    def is_high(self, cause: Cause, bucket: int, terms: Terms) -> bool:
        """Say whether a share is still high, or not known to be low."""
        calls = sum(row[CALLS] for row in self.rows.get(cause.value, []) if row[0] > bucket - LATELY)
        share = self.share(cause, bucket, LATELY)
        return share is None or calls < terms.fallback_calls or share >= bar(self.usual_of(cause))

    def found(self, bucket: int, terms: Terms, spend_a_bucket: float) -> Iterator[Finding]:
        """Find the rules whose share is high, and enough money."""
        for rule, rows in self.rows.items():
            if rows[-1][0] != bucket:
                continue
            for channel in KINDS:
                cause = Cause(terms.dimensions.rule, rule, channel)
                if (self.share(cause, bucket, LATELY) or 0.0) < bar(self.usual_of(cause)):
                    continue  # a longer span would tell of what is over
                every = (self._judged(cause, (bucket, span), terms, spend_a_bucket) for span in SPANS)
                finding = next((each for each in every if each is not None), None)
                if finding is not None:
                    yield finding

    def _judged(self, cause: Cause, at: tuple[int, int], terms: Terms, spend_a_bucket: float) -> Finding | None:
        bucket, span = at
        rows = [row for row in self.rows[cause.value] if row[0] > bucket - span]
        kind, usual = KINDS[cause.channel], self.usual_of(cause)
        quarters = {int(row[0] - bucket + span - 1) * QUARTERS // span for row in rows if row[kind] > 0}
        wasted, spent = sum(row[kind] for row in rows), sum(row[SPENT] for row in rows)
        if len(quarters) < QUARTERS or sum(row[CALLS] for row in rows) < terms.fallback_calls:
            return None
        share, beyond, spend = wasted / spent, wasted - usual * spent, spend_a_bucket * span
        impact = beyond / max(spend - beyond, 0.05 * spend, 1.0)
        if share < bar(usual) or impact < terms.least_impact:
            return None
        window_s = float(span * terms.bucket_s)
        return Finding(cause, share / bar(usual), 1.0, beyond, impact, window_s, usual, share)

    def to_plain(self) -> dict[str, Any]:
        """Give this as JSON values."""
        return {"rows": self.rows, "usual": pairs(self.usual)}

    @classmethod
    def from_plain(cls, kept: Any) -> "Wastes":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls({rule: [list(row) for row in rows] for rule, rows in kept["rows"].items()}, table(kept["usual"]))


def bar(usual: float) -> float:
    """Give the share from which on one is high."""
    return TIMES * usual + LEAST_SHARE

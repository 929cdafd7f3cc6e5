"""What only a gateway knows for certain: rule edits, fallbacks, and prices against tokens.

Each is a small state of its own and a judgement. Edits and prices are exact, so they need few calls; fallbacks must
last, because a provider that is away for ten minutes is what fallback is for.
"""

from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final

from gateway.domain.shift import Cause, Channel, Edit, Finding
from gateway.engine.shifts.kept import Table, pairs, table
from gateway.engine.shifts.scores import surprise
from gateway.engine.shifts.slots import Slot
from gateway.engine.shifts.terms import DAY_S, Terms
from gateway.engine.shifts.usual import Expected

EDITED: Final = "edit"
"""The detail of a finding that goes by the calls since an edit alone."""
EDIT_WATCHED_S: Final = 3 * DAY_S
FALLBACK_SPANS: Final = (4, 12, 36)
"""Over how many buckets fallbacks are looked at."""
QUARTERS: Final = 4
SAME_PRICE: Final = 0.02


@dataclass(slots=True)
class Watches:
    """Rules edited lately, the last hours' fallbacks, and models that cost otherwise than their price says.

    edits: the edit and [variance, score, nano-dollars, calls, excess, due, spend of all] since it. fallbacks: by
    model, flat rows of bucket, calls that fell back, calls, nano-dollars beyond. targets: by from and to, a fading
    cost. prices: by model, [first bucket, calls, listed cost, cost] since the cost left the price.
    """

    edits: dict[str, tuple[Edit, list[float]]] = field(default_factory=dict)
    fallbacks: dict[str, list[list[float]]] = field(default_factory=dict)
    targets: Table = field(default_factory=dict)
    prices: dict[str, list[float]] = field(default_factory=dict)

    def take(self, bucket: int, now: float, slot: Slot) -> None:
        """Add a bucket."""
        self._take_edits(now, slot)
        self._take_fallbacks(bucket, slot)
        self._take_prices(bucket, slot)

    def _take_edits(self, now: float, slot: Slot) -> None:
        for rule in [rule for rule, (edit, _) in self.edits.items() if now - edit.ts > EDIT_WATCHED_S]:
            del self.edits[rule]
        for key, values in slot.choice.items():
            if key[0] == Channel.CHOICE and key[2] in self.edits:
                sums = self.edits[key[2]][1]
                for i, value in enumerate(values):
                    sums[i] += value
        for _, sums in self.edits.values():
            sums[6] += slot.spend

    def _take_fallbacks(self, bucket: int, slot: Slot) -> None:
        for (model,), (fell, calls, extra) in slot.fallbacks.items():
            self.fallbacks.setdefault(model, []).append([float(bucket), fell, calls, extra])
        for model in list(self.fallbacks):
            rows = self.fallbacks[model]
            while rows and rows[0][0] <= bucket - FALLBACK_SPANS[-1]:
                rows.pop(0)
            if not rows:
                del self.fallbacks[model]
        for fading in self.targets.values():
            fading[0] *= 0.9
        for key, (nano,) in slot.targets.items():
            held = self.targets.setdefault(key, [0.0])
            held[0] += nano

    def _take_prices(self, bucket: int, slot: Slot) -> None:
        for (model,), (calls, due, cost) in slot.models.items():
            if due <= 0 or abs(cost / due - 1) <= SAME_PRICE:
                self.prices.pop(model, None)
                continue
            sums = self.prices.setdefault(model, [float(bucket), 0.0, 0.0, 0.0])
            sums[1] += calls
            sums[2] += due
            sums[3] += cost

    def to_plain(self) -> dict[str, Any]:
        """Give this as JSON values."""
        return {
            "edits": [
                [rule, [edit.ts, edit.rule, edit.generation, edit.place], sums]
                for rule, (edit, sums) in self.edits.items()
            ],
            "fallbacks": self.fallbacks,
            "targets": pairs(self.targets),
            "prices": self.prices,
        }

    @classmethod
    def from_plain(cls, kept: Any) -> "Watches":  # noqa: ANN401 - JSON values
        """Read what `to_plain` gave."""
        return cls(
            {rule: (Edit(*edit), list(sums)) for rule, edit, sums in kept["edits"]},
            {model: [list(row) for row in rows] for model, rows in kept["fallbacks"].items()},
            table(kept["targets"]),
            {model: list(sums) for model, sums in kept["prices"].items()},
        )


def after_edits(watches: Watches, now: float, terms: Terms, expected: Expected) -> list[Finding]:
    """Compare each edited rule's models since the edit with those before it."""
    found = []
    for rule, (edit, sums) in watches.edits.items():
        variance, scored, usd, calls, excess, due, spend = sums
        if variance <= 0 or calls < terms.least_calls:
            continue
        score = scored / sqrt(variance)
        if score > 0:
            score = min(score, surprise(due + excess, due))
        impact = usd / max(spend - usd, 0.05 * spend, 1.0)
        needed = terms.score_at_edit if usd > 0 else 1.2 * terms.score_at_edit
        if abs(impact) < terms.least_impact_at_edit or abs(usd) < terms.least_spent_at_edit * expected.nano_a_day:
            continue
        cause = Cause(terms.dimensions.rule, rule, Channel.CHOICE)
        elapsed = max(now - edit.ts, float(terms.bucket_s))
        found.append(Finding(cause, score, needed, usd, impact, elapsed, 0.0, excess / calls, EDITED))
    return found


def storms(watches: Watches, bucket: int, terms: Terms, spend_a_bucket: float) -> list[Finding]:
    """Find models whose calls fall back in every quarter of a span, and cost more for it."""
    found = []
    for model, rows in watches.fallbacks.items():
        if rows[-1][0] != bucket or not rows[-1][1]:
            continue
        for span in FALLBACK_SPANS:
            finding = _storm(watches, (model, rows), (bucket, span), terms, spend_a_bucket)
            if finding is not None:
                found.append(finding)
                break
    return found


def _storm(
    watches: Watches, of: tuple[str, list[list[float]]], at: tuple[int, int], terms: Terms, spend_a_bucket: float
) -> Finding | None:
    model, rows = of
    bucket, span = at
    first = bucket - span + 1
    fell, calls = [0.0] * QUARTERS, [0.0] * QUARTERS
    extra = 0.0
    for number, fell_back, asked, more in rows:
        if number < first:
            continue
        quarter = int(number - first) * QUARTERS // span
        fell[quarter] += fell_back
        calls[quarter] += asked
        extra += more
    asked_in = [quarter for quarter in range(QUARTERS) if calls[quarter] > 0]
    if len(asked_in) < QUARTERS or sum(fell) < terms.fallback_calls or extra <= 0:
        return None
    if any(fell[quarter] < terms.fallback_share * calls[quarter] for quarter in asked_in):
        return None
    spend = spend_a_bucket * span
    impact = extra / max(spend - extra, 0.05 * spend, 1.0)
    if impact < terms.least_impact:
        return None
    towards = {to: cost[0] for (fell_from, to), cost in watches.targets.items() if fell_from == model}
    target = max(towards, key=towards.__getitem__) if towards else model
    share = sum(fell) / sum(calls)
    cause = Cause(terms.dimensions.model, target, Channel.FALLBACK)
    return Finding(cause, share / terms.fallback_share, 1.0, extra, impact, span * 300.0, 0.0, share, model)


def repriced(watches: Watches, bucket: int, terms: Terms, expected: Expected) -> list[Finding]:
    """Find models that cost otherwise than their price says."""
    found = []
    for model, (first, calls, due, cost) in watches.prices.items():
        ratio = cost / due
        if calls < terms.price_calls or abs(ratio - 1) < terms.price_change:
            continue
        share = expected.nano_of_model.get(model, 0.0) / max(expected.nano_a_day, 1.0)
        impact = share * (ratio - 1)
        if abs(impact) < terms.price_impact:
            continue
        cause = Cause(terms.dimensions.model, model, Channel.PRICE)
        window_s = (bucket - first + 1) * terms.bucket_s
        found.append(Finding(cause, abs(ratio - 1) / terms.price_change, 1.0, cost - due, impact, window_s, 1.0, ratio))
    return found

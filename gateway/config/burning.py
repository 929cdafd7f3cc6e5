"""The terms of alerts that look at money: how fast budgets are spent, which prices change, and where spend shifts."""

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from gateway.config.node import Findings, Node
from gateway.config.quantities import duration_s
from gateway.domain.alert import Severity
from gateway.domain.alerting import OfBurning, OfPrices, OfShifts, Pair
from gateway.domain.price import nano_usd
from gateway.domain.window import QUARTER_HOUR_S

DEFAULT_AT_LEAST: Final = "1 USD"
DEFAULT_AHEAD_DAYS: Final = 7
PAIR_SHARE: Final = 12
"""A short window that nobody gives is this part of the long one, as in the Site Reliability Workbook."""
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SHORTEST_S: Final = MINUTE_S
LONGEST_S: Final = 40 * DAY_S
"""The shortest and the longest window over which it is summed up what a budget has spent."""
LONGEST_AHEAD_DAYS: Final = 365


def of_burning(node: Node, budgets: Collection[str], findings: Findings) -> OfBurning:
    """Compile what is particular to an alert on burn rates."""
    written, windows = node.get("budget"), node.get("windows")
    names: list[Node] = [] if written is None else list(written) if isinstance(written.value, list) else [written]
    for each in names:
        if each.value not in budgets:
            findings.missing(each, "budget", str(each.value), budgets)
    if not names and not budgets and findings.complete:
        findings.add(node.problem("there is no budget to watch", "add one under budgets:", at_key=True))
    least = node.get("at_least")
    return OfBurning(
        names=frozenset(str(each.value) for each in names) if names else None,
        pairs=None if windows is None else tuple(_pair(each, findings) for each in windows),
        at_least_nano_usd=_money(DEFAULT_AT_LEAST if least is None else str(least.value)),
    )


def of_prices(node: Node, findings: Findings) -> OfPrices:
    """Compile what is particular to an alert on prices."""
    written = node.get("ahead")
    if written is None:
        return OfPrices(DEFAULT_AHEAD_DAYS)
    ahead_s = duration_s(written.value)
    if ahead_s % DAY_S or ahead_s > LONGEST_AHEAD_DAYS * DAY_S:
        findings.add(written.problem(f"'ahead' is whole days, 0d to {LONGEST_AHEAD_DAYS}d", "write such as 14d"))
    return OfPrices(int(ahead_s // DAY_S))


def of_shifts(node: Node) -> OfShifts:
    """Compile what is particular to an alert on spend shifts."""
    least = node.get("at_least")
    return OfShifts(_money(DEFAULT_AT_LEAST if least is None else str(least.value)))


def _pair(node: Node, findings: Findings) -> Pair:
    long_s, written, severity = _window_s(node["long"], findings), node.get("short"), node.get("severity")
    short_s = max(_whole(long_s // PAIR_SHARE), SHORTEST_S) if written is None else _window_s(written, findings)
    if short_s >= long_s:
        place = node["long"] if written is None else written
        findings.add(place.problem("the short window is not shorter than the long one", "write such as 5m and 1h"))
    factor = float(node["factor"].value)
    if factor < 1:
        words = "at its even rate a budget is used up just in time, and below 1 not at all"
        findings.add(node["factor"].problem(words, "write 1 or more"))
    return Pair(short_s, long_s, factor, Severity.WARNING if severity is None else Severity(severity.value))


def _window_s(node: Node, findings: Findings) -> int:
    """Read a window: whole minutes below an hour, from there on whole quarter hours, which is what is kept."""
    written_s = duration_s(node.value)
    if not SHORTEST_S <= written_s <= LONGEST_S:
        findings.add(node.problem("a window of a budget is 1m to 40d long", "write such as 5m, 6h or 3d"))
    elif written_s % _grain_s(written_s):
        grain = "minutes" if written_s < HOUR_S else "quarter hours"
        hint = "spend is summed up by minutes below an hour, and by quarter hours from there on"
        findings.add(node.problem(f"'{node.value}' is not a whole number of {grain}", hint))
    return int(written_s)


def _whole(length_s: int) -> int:
    return length_s // _grain_s(length_s) * _grain_s(length_s)


def _grain_s(length_s: float) -> int:
    return MINUTE_S if length_s < HOUR_S else QUARTER_HOUR_S


def _money(written: str) -> int:
    return nano_usd(Decimal(written.removesuffix(" USD")))

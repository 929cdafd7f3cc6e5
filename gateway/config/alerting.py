"""The `receivers` and `alerts` sections: who is told, with no secret resolved, and what is watched."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from gateway.config.burning import of_burning, of_prices, of_shifts
from gateway.config.node import Findings, Node
from gateway.config.providers import secret_of
from gateway.config.quantities import duration_s, percent
from gateway.domain.alert import AlertKind, Receiver, ReceiverKind, Severity
from gateway.domain.alerting import AlertRule, Destination, OfBudgets, OfMetric, OfRates, OfRules, Terms
from gateway.domain.budget import Dimension
from gateway.domain.metric import HISTOGRAMS, LOG_ROWS_DROPPED, METRICS, PREFIX, UNPRICED_REQUESTS, Metric
from gateway.domain.registry import NoSecret, Secret

FORECAST: Final = "forecast"
DEFAULT_LEVELS: Final = (0.8, 1.0)
DEFAULT_SHARES: Final = {AlertKind.ERROR_RATE: 0.05, AlertKind.FALLBACK_RATE: 0.2}
DEFAULT_MINIMUM: Final = 20
DEFAULT_WINDOW_S: Final = 300.0
UNPRICED_WINDOW_S: Final = 3_600.0
WINDOWS_S: Final = (60.0, 3_600.0)
"""The shortest and the longest time over which something is counted."""

_COMMON: Final = frozenset({"kind", "notify", "severity", "repeat"})
_RATE: Final = frozenset({"above", "for", "window", "minimum", "scope", "by"})
KEYS: Final[Mapping[AlertKind, frozenset[str]]] = {
    AlertKind.BUDGET: frozenset({"at", "scope"}),
    AlertKind.BURN_RATE: frozenset({"at_least", "budget", "windows"}),
    AlertKind.PRICE_CHANGE: frozenset({"ahead"}),
    AlertKind.SPEND_SHIFT: frozenset({"at_least"}),
    AlertKind.ERROR_RATE: _RATE,
    AlertKind.FALLBACK_RATE: _RATE,
    AlertKind.UNPRICED: frozenset({"window"}),
    AlertKind.CONFIG_REJECTED: frozenset({"for"}),
    AlertKind.LOG_DROPPED: frozenset({"window"}),
    AlertKind.THRESHOLD: frozenset({"metric", "above", "below", "for", "window", "scope"}),
}
"""What an alert of a kind takes beside the common keys."""
_RECEIVER_KEYS: Final = {"routing_key": ReceiverKind.PAGERDUTY, "signing_secret": ReceiverKind.GENERIC}
"""Keys that one kind of receiver has alone."""


@dataclass(frozen=True, slots=True)
class Watchable:
    """The names that alerts may refer to."""

    receivers: Collection[str]
    budgets: Collection[str]
    rules: tuple[str, ...]
    models: tuple[str, ...]


def destination_of(name: str, node: Node, findings: Findings) -> Destination:
    """Compile an entry of `receivers`."""
    kind = ReceiverKind(node["kind"].value)
    for key, only in _RECEIVER_KEYS.items():
        if key in node.value and kind is not only:
            findings.add(
                node[key].problem(f"'{key}' is for receivers of kind {only} alone", "take it out", at_key=True)
            )
    needed = "routing_key" if kind is ReceiverKind.PAGERDUTY else "url"
    if isinstance(_secret(node, needed), NoSecret):
        hint = f"write '{needed}: {{env: NAME}}' or '{needed}: {{file: PATH}}'"
        findings.add(node.problem(f"receiver '{name}' has no '{needed}', which kind {kind} needs", hint, at_key=True))
    return Destination(
        receiver=Receiver(name, kind),
        url=_secret(node, "url"),
        routing_key=_secret(node, "routing_key"),
        signing_secrets=_signing_secrets(node.get("signing_secret")),
        file=node.document.file,
        mark=node.key_mark,
    )


def _secret(node: Node, key: str) -> Secret:
    written = node.get(key)
    return NoSecret() if written is None else secret_of(written)


def _signing_secrets(node: Node | None) -> tuple[Secret, ...]:
    if node is None:
        return ()
    named = [secret_of(each) for each in node] if isinstance(node.value, list) else [secret_of(node)]
    return tuple(secret for secret in named if not isinstance(secret, NoSecret))


def alert_of(name: str, node: Node, there: Watchable, findings: Findings) -> AlertRule | None:
    """Compile an entry of `alerts`; None, with a Problem noted, where there is nothing that it could watch."""
    kind = AlertKind(node["kind"].value)
    _refuse_strays(node, kind, findings)
    for each in node["notify"]:
        if each.value not in there.receivers:
            findings.missing(each, "receiver", each.value, there.receivers)
    terms = _terms(node, kind, there, findings)
    if terms is None:
        return None
    severity, repeat, lasting = node.get("severity"), node.get("repeat"), node.get("for")
    if repeat is not None and not duration_s(repeat.value):
        findings.add(
            repeat.problem("an alert cannot be sent again without a pause", "leave it out, or write such as 4h")
        )
    return AlertRule(
        name=name,
        kind=kind,
        terms=terms,
        notify=tuple(dict.fromkeys(each.value for each in node["notify"])),
        severity=Severity(severity.value) if severity else None,
        for_s=duration_s(lasting.value) if lasting else 0.0,
        repeat_s=duration_s(repeat.value) if repeat else None,
        file=node.document.file,
        mark=node.key_mark,
    )


def _refuse_strays(node: Node, kind: AlertKind, findings: Findings) -> None:
    taken = _COMMON | KEYS[kind]
    for key, written in node.items():
        if key not in taken:
            hint = f"it takes {', '.join(sorted(KEYS[kind]))}"
            findings.add(written.problem(f"'{key}' does not belong to an alert of kind {kind}", hint, at_key=True))


def _terms(node: Node, kind: AlertKind, there: Watchable, findings: Findings) -> Terms | None:
    match kind:
        case AlertKind.BUDGET:
            return _of_budgets(node, there, findings)
        case AlertKind.BURN_RATE:
            return of_burning(node, there.budgets, findings)
        case AlertKind.PRICE_CHANGE:
            return of_prices(node, findings)
        case AlertKind.SPEND_SHIFT:
            return of_shifts(node)
        case AlertKind.ERROR_RATE | AlertKind.FALLBACK_RATE:
            return _of_rates(node, kind, there, findings)
        case AlertKind.CONFIG_REJECTED:
            return OfRules()
        case AlertKind.LOG_DROPPED:
            return OfMetric(LOG_ROWS_DROPPED, 0.0, window_s=_window_s(node, findings))
        case AlertKind.UNPRICED:
            return OfMetric(UNPRICED_REQUESTS, 0.0, window_s=_window_s(node, findings, UNPRICED_WINDOW_S))
        case _:
            return _of_metric(node, findings)


def _of_budgets(node: Node, there: Watchable, findings: Findings) -> OfBudgets:
    written = node.get("at")
    words = [each for each in written if each.value != FORECAST] if written is not None else []
    for each in words:
        if not percent(each.value):
            findings.add(each.problem("nothing of a budget is spent from the start", "write such as 80%"))
    names: frozenset[str] | None = None
    for label, values in _scope(node, ("budget",), findings):
        names = frozenset(_known(values, label, there.budgets, findings))
    if names is None and not there.budgets and findings.complete:
        findings.add(node.problem("there is no budget to watch", "add one under budgets:", at_key=True))
    return OfBudgets(
        names=names,
        levels=tuple(sorted({percent(each.value) for each in words})) if written is not None else DEFAULT_LEVELS,
        forecast=written is None or FORECAST in written.value,
    )


def _of_rates(node: Node, kind: AlertKind, there: Watchable, findings: Findings) -> OfRates:
    share, minimum, by = node.get("above"), node.get("minimum"), node.get("by")
    if share is not None and not isinstance(share.value, str):
        findings.add(share.problem(f"an alert of kind {kind} is for a share of requests", "write such as 5%"))
    elif share is not None and percent(share.value) >= 1:
        findings.add(share.problem("no share is above 100%", "write such as 5%"))
    dimension = Dimension(by.value) if by else None
    names = there.models if dimension is Dimension.MODEL else there.rules if dimension else ()
    all_names = {"rule": there.rules, "model": there.models}
    if by is not None and (scope := node.get("scope")) is not None:
        findings.add(scope.problem("'scope' or 'by', not both", "'scope' is for some, 'by' for each", at_key=True))
    for label, values in _scope(node, ("rule", "model"), findings):
        dimension, names = Dimension(label), tuple(_known(values, label, all_names[label], findings))
    if kind is AlertKind.FALLBACK_RATE and dimension is Dimension.MODEL:
        words = "a model does not fall back, a rule does"
        findings.add(node.problem(words, "watch rules, or the error_rate of the model", at_key=True))
    return OfRates(
        share=percent(share.value) if share and isinstance(share.value, str) else DEFAULT_SHARES[kind],
        window_s=_window_s(node, findings),
        minimum=minimum.value if minimum else DEFAULT_MINIMUM,
        by=dimension,
        names=names,
    )


def _of_metric(node: Node, findings: Findings) -> OfMetric | None:
    bounds = [each for key in ("above", "below") if (each := node.get(key)) is not None]
    if len(bounds) != 1:
        findings.add(node.problem("an alert of kind threshold has 'above' or 'below', one of them", at_key=True))
    for bound in bounds:
        if isinstance(bound.value, str):
            findings.add(bound.problem("expected a number, found a percentage", "write it as a number, such as 0.8"))
    metric = _metric(node, findings)
    if metric is None or len(bounds) != 1 or isinstance(bounds[0].value, str):
        return None
    if "window" in node.value and not metric.counts:
        hint = "'for' says how long it must last"
        findings.add(node["window"].problem("a gauge is watched as it stands, without a window", hint, at_key=True))
    return OfMetric(
        metric=metric.name,
        bound=float(bounds[0].value),
        below="below" in node.value,
        window_s=_window_s(node, findings) if metric.counts else None,
        labels={label: frozenset(_texts(values)) for label, values in _scope(node, metric.labels, findings)},
    )


def _metric(node: Node, findings: Findings) -> Metric | None:
    written = node.get("metric")
    if written is None:
        findings.add(node.problem("missing field 'metric' in an alert of kind threshold", at_key=True))
        return None
    name = written.value if written.value.startswith(PREFIX) else f"{PREFIX}{written.value}"
    metric = METRICS.get(name) or METRICS.get(f"{name}_total")
    if any(name.startswith(histogram) for histogram in HISTOGRAMS):
        hint = "watch quantiles in Prometheus, a gauge or a counter here"
        findings.add(written.problem(f"'{written.value}' is a histogram, which has no one value", hint))
    elif metric is None:
        findings.missing(written, "metric", name, METRICS, _meant(name))
    return metric


def _meant(name: str) -> str:
    """Name the nearest metric by what differs: all begin alike, so that whole names are never far from each other."""
    near = get_close_matches(name.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in METRICS), n=1)
    return f"did you mean '{PREFIX}{near[0]}'?" if near else "GET /metrics and docs/metrics.md have all there are"


def _window_s(node: Node, findings: Findings, default_s: float = DEFAULT_WINDOW_S) -> float:
    written = node.get("window")
    if written is None:
        return default_s
    window_s, (shortest_s, longest_s) = duration_s(written.value), WINDOWS_S
    if not shortest_s <= window_s <= longest_s:
        findings.add(written.problem("a window is 1m to 1h long", "'for' says how long something must last"))
    return window_s


def _scope(node: Node, labels: tuple[str, ...], findings: Findings) -> list[tuple[str, Node]]:
    """Give the parts of a scope whose label there is, for rates and budgets one at the most."""
    scope = node.get("scope")
    parts = []
    for label, values in scope.items() if scope is not None else ():
        if label in labels:
            parts.append((label, values))
        else:
            there = f"labels: {', '.join(labels)}" if labels else "it has no labels"
            findings.add(values.problem(f"there is no label '{label}' here", there, at_key=True))
    if "metric" not in node.value and len(parts) > 1:
        findings.add(parts[1][1].problem("one label at a time", "write an alert for each", at_key=True))
    return parts


def _texts(node: Node) -> list[str]:
    return [str(each) for each in node.value] if isinstance(node.value, list) else [str(node.value)]


def _known(values: Node, kind: str, names: Collection[str], findings: Findings) -> list[str]:
    for each in values if isinstance(values.value, list) else (values,):
        if each.value not in names:
            findings.missing(each, kind, str(each.value), names)
    return _texts(values)

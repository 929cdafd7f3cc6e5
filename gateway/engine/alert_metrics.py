"""What alerts on metrics read: each series against its bound, in plain words where the kind of the alert has them."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from gateway.domain.alert import AlertKind, Fact, Severity
from gateway.domain.alerting import AlertRule, OfMetric
from gateway.domain.metric import Sample
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import Look, Sights, defined_at, number, span, watch_of

MODELS_SHOWN: Final = 3
CLEAR_FOR_S: Final = 60.0
"""How long a gauge must be within its bound before the trouble is over, at the least."""


def looks(rule: AlertRule, terms: OfMetric, sights: Sights) -> Iterator[Look]:
    """Read each series that the alert is about; an incident a series.

    A gauge must be within its bound for a minute, or as long as it must be beyond it, before an incident is over. What
    a counter grew by is forgotten with its window, and must have been little for one window more.
    """
    clear_for_s = max(rule.for_s, CLEAR_FOR_S) if terms.window_s is None else terms.window_s
    for sample in sights.samples.get(rule.name, ()):
        if all(sample.labels.get(label) in values for label, values in terms.labels.items()):
            beyond = sample.value < terms.bound if terms.below else sample.value > terms.bound
            level = Level.FIRING if beyond else Level.OK
            yield Look(
                watch_of(rule, sample.labels, clear_for_s), level, partial(_read, rule, terms, sample, level, sights)
            )


def _read(rule: AlertRule, terms: OfMetric, sample: Sample, level: Level, sights: Sights) -> Reading:
    unpriced = dict(sights.unpriced) if rule.kind is AlertKind.UNPRICED else {}
    window = span(terms.window_s) if terms.window_s is not None else ""
    match rule.kind:
        case AlertKind.LOG_DROPPED:
            summary = f"{number(sample.value)} log rows were given up in the last {window}"
        case AlertKind.UNPRICED:
            answered = "were answered by a model that their price is not of"
            summary = f"{number(sample.value)} requests of the last {window} {answered}{_named(unpriced)}"
        case _ if window:
            summary = f"{series(terms.metric, sample.labels)} grew by {number(sample.value)} in the last {window}"
        case _:
            summary = f"{series(terms.metric, sample.labels)} is {number(sample.value)}"
    side = "below" if terms.below else "above"
    return Reading(
        level=level,
        severity=rule.severity or Severity.WARNING,
        summary=summary,
        facts=(
            Fact("Metric", series(terms.metric, sample.labels)),
            Fact(f"Alerts {side}", number(terms.bound)),
            defined_at(rule),
        ),
        data={
            "metric": terms.metric,
            "value": sample.value,
            side: terms.bound,
            "window_s": terms.window_s,
            **({"answered_by": unpriced} if unpriced else {}),
        },
    )


def _named(unpriced: Mapping[str, str]) -> str:
    """Say which models were answered for, and by which, as far as a line goes."""
    if not unpriced:
        return ""
    shown = [f"{model} by {answered}" for model, answered in sorted(unpriced.items())]
    more = len(shown) - MODELS_SHOWN
    return f": {', '.join([*shown[:MODELS_SHOWN], *([f'{more} more'] if more > 0 else [])])}"


def series(metric: str, labels: Mapping[str, str]) -> str:
    """Give the name of a series as the page of metrics writes it."""
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{metric}{{{inner}}}" if inner else metric

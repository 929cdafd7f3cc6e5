"""What alerts on rates read: the share of requests that failed, or that fell back, over a window of time."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from gateway.domain.alert import AlertKind, Fact, Severity
from gateway.domain.alerting import AlertRule, OfRates
from gateway.domain.budget import Dimension
from gateway.engine.incidents import Level, Reading
from gateway.engine.looks import EVERYTHING, NO_COUNTS, Counts, Look, Named, Sights, defined_at, percent, span, watch_of

CLEARS_AT: Final = 0.5
"""The part of the share that it must come down to before the trouble may be over."""
FAILURES_SHOWN: Final = 5


def looks(rule: AlertRule, terms: OfRates, sights: Sights) -> Iterator[Look]:
    """Read all requests together, or each rule or model on its own.

    An incident is over when the rate has been low for as long as the window: with the window itself, which forgets
    slowly, that is twice its length.
    """
    counts = sights.counts.get(terms.window_s, {})
    whose: list[Named] = [EVERYTHING] if terms.by is None else [(terms.by.value, name) for name in terms.names]
    for each in whose:
        scope = {} if each == EVERYTHING else dict([each])
        found = counts.get(each, NO_COUNTS)
        level = _level(terms, found, _wrong(rule, found))
        yield Look(watch_of(rule, scope, terms.window_s), level, partial(_read, rule, terms, each, found, level))


def _wrong(rule: AlertRule, counts: Counts) -> int:
    return counts.errors if rule.kind is AlertKind.ERROR_RATE else counts.fallbacks


def _read(rule: AlertRule, terms: OfRates, whose: Named, counts: Counts, level: Level) -> Reading:
    wrong = _wrong(rule, counts)
    share = wrong / max(counts.requests, 1)
    window = span(terms.window_s)
    verb = "failed" if rule.kind is AlertKind.ERROR_RATE else "fell back"
    facts = [Fact("Alerts above", f"{percent(terms.share)} of {terms.minimum} requests or more")]
    if counts.failures:
        facts.insert(0, Fact("Failures", _failures(counts)))
    return Reading(
        level=level,
        severity=rule.severity or Severity.WARNING,
        summary=f"{percent(share)} of {_of(whose)} {verb} in the last {window} ({wrong} of {counts.requests})",
        facts=(*facts, defined_at(rule)),
        data={
            "rate": round(share, 6),
            "above": terms.share,
            "requests": counts.requests,
            "errors": counts.errors,
            "fallbacks": counts.fallbacks,
            "failures": dict(counts.failures),
            "window_s": terms.window_s,
        },
    )


def _level(terms: OfRates, counts: Counts, wrong: int) -> Level:
    """Judge a rate; too few requests say nothing, unless none of them went wrong."""
    share = wrong / max(counts.requests, 1)
    if counts.requests >= terms.minimum and share > terms.share:
        return Level.FIRING
    if share > terms.share * CLEARS_AT:
        return Level.HOLD
    return Level.OK


def _of(whose: Named) -> str:
    dimension, name = whose
    if not dimension:
        return "all requests"
    return f"the attempts at model {name}" if dimension == Dimension.MODEL else f"the requests of rule {name}"


def _failures(counts: Counts) -> str:
    most = sorted(counts.failures.items(), key=lambda each: (-each[1], each[0]))
    shown = [f"{failure} ({count})" for failure, count in most[:FAILURES_SHOWN]]
    return ", ".join([*shown, *([f"{len(most) - FAILURES_SHOWN} more"] if len(most) > FAILURES_SHOWN else [])])

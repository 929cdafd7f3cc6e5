"""What alerts on rates promise: a share of enough requests, with what went wrong, until it is well below again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.alert import Alert, AlertKind, Fact, Phase, Severity
from gateway.domain.alerting import OfRates
from gateway.domain.budget import Dimension
from gateway.engine.alert_rates import looks
from gateway.engine.incidents import Level
from gateway.engine.looks import EVERYTHING, Counts, Named, Sights
from tests.fakes.alert_rules import Folder, alert_rule

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TERMS = OfRates(0.05, 300.0, 20, None, ())
BY_RULE = OfRates(0.05, 300.0, 20, Dimension.RULE, ("code", "rest"))
BY_MODEL = OfRates(0.05, 300.0, 20, Dimension.MODEL, ("gpt",))


def see(
    counts: dict[Named, Counts],
    terms: OfRates = TERMS,
    kind: AlertKind = AlertKind.ERROR_RATE,
    *,
    folder: Folder | None = None,
    at: datetime = NOON,
) -> list[Alert]:
    sights = Sights(at, counts={terms.window_s: counts})
    return (folder or Folder()).see(looks(alert_rule(kind, terms), terms, sights), at)


LEVELS = {
    "nothing came": (Counts(), Level.OK),
    "all went well": (Counts(100), Level.OK),
    "a few failed": (Counts(100, 2), Level.OK),
    "as many as may": (Counts(100, 5), Level.HOLD),
    "one more": (Counts(100, 6), Level.FIRING),
    "all failed": (Counts(20, 20), Level.FIRING),
    "too few to say": (Counts(19, 19), Level.HOLD),
    "too few, and none failed": (Counts(19), Level.OK),
    "half of the share": (Counts(1_000, 25), Level.OK),
    "more than half of it": (Counts(1_000, 26), Level.HOLD),
}


@pytest.mark.parametrize(("counts", "level"), LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("kind", [AlertKind.ERROR_RATE, AlertKind.FALLBACK_RATE])
def test_a_rate_is_judged_by_its_share_of_enough_requests(kind: AlertKind, counts: Counts, level: Level) -> None:
    if kind is AlertKind.FALLBACK_RATE:
        counts = Counts(counts.requests, fallbacks=counts.errors)
    (look,) = looks(alert_rule(kind, TERMS), TERMS, Sights(NOON, counts={300.0: {EVERYTHING: counts}}))
    assert look.reading.level is level


def test_each_kind_counts_its_own() -> None:
    assert not see({EVERYTHING: Counts(100, errors=90)}, kind=AlertKind.FALLBACK_RATE)
    assert not see({EVERYTHING: Counts(100, fallbacks=90)})


SUMMARIES: list[tuple[AlertKind, OfRates, Named, str]] = [
    (AlertKind.ERROR_RATE, TERMS, EVERYTHING, "12 % of all requests failed in the last 5 min (24 of 200)"),
    (AlertKind.FALLBACK_RATE, TERMS, EVERYTHING, "15 % of all requests fell back in the last 5 min (30 of 200)"),
    (
        AlertKind.ERROR_RATE,
        BY_RULE,
        ("rule", "code"),
        "12 % of the requests of rule code failed in the last 5 min (24 of 200)",
    ),
    (
        AlertKind.ERROR_RATE,
        replace(BY_MODEL, window_s=3_600.0),
        ("model", "gpt"),
        "12 % of the attempts at model gpt failed in the last 1 h (24 of 200)",
    ),
]


@pytest.mark.parametrize(("kind", "terms", "whose", "said"), SUMMARIES)
def test_the_message_says_which_share_of_what(kind: AlertKind, terms: OfRates, whose: Named, said: str) -> None:
    (alert,) = see({whose: Counts(200, 24, 30)}, terms, kind)
    assert alert.summary == said
    assert alert.severity is Severity.WARNING


def test_the_message_says_what_went_wrong_the_most_frequent_first() -> None:
    """What users hate is the missing cause."""
    failures = {"gpt: timeout": 3, "gpt: overloaded": 18, "a: auth": 3} | {f"m{n}: empty": 1 for n in range(4)}
    (alert,) = see({("rule", "code"): Counts(200, 28, 1, failures)}, BY_RULE)
    assert alert.scope == {"rule": "code"}
    assert alert.facts == (
        Fact("Failures", "gpt: overloaded (18), a: auth (3), gpt: timeout (3), m0: empty (1), m1: empty (1), 2 more"),
        Fact("Alerts above", "5 % of 20 requests or more"),
        Fact("Defined at", "alerts.yaml:7"),
    )
    assert alert.data == {
        "rate": 0.14,
        "above": 0.05,
        "requests": 200,
        "errors": 28,
        "fallbacks": 1,
        "failures": failures,
        "window_s": 300.0,
    }


def test_rules_are_told_apart() -> None:
    counts = {("rule", "code"): Counts(50, 50), ("rule", "rest"): Counts(50, 50), ("rule", "other"): Counts(50, 50)}
    assert [alert.scope for alert in see(counts, BY_RULE)] == [{"rule": "code"}, {"rule": "rest"}]


def test_it_is_over_when_the_rate_was_low_for_a_window() -> None:
    """U-80: hysteresis in height and in time; an hour without requests ends it too."""
    folder = Folder()
    steps = [(0, Counts(100, 50)), (60, Counts(100, 4)), (120, Counts()), (300, Counts(100, 4)), (360, Counts())]
    for after_s, counts in steps:
        see({EVERYTHING: counts}, folder=folder, at=NOON + timedelta(seconds=after_s))
    assert [alert.phase for alert in folder.said] == [Phase.FIRING]
    see({}, folder=folder, at=NOON + timedelta(seconds=659))
    assert len(folder.said) == 1
    (ended,) = see({}, folder=folder, at=NOON + timedelta(seconds=660))
    assert ended.phase is Phase.RESOLVED

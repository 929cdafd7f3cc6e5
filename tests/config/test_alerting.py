"""What the sections `receivers` and `alerts` compile to, and what there is to say about those that do not."""

import pytest

from gateway.config.alerting import DEFAULT_MINIMUM
from gateway.domain.alert import AlertKind, Receiver, ReceiverKind, Severity
from gateway.domain.alerting import OfBudgets, OfBurning, OfMetric, OfPrices, OfRates, OfRules, OfShifts, Pair, Terms
from gateway.domain.budget import Dimension
from gateway.domain.metric import LOG_ROWS_DROPPED, UNPRICED_REQUESTS
from gateway.domain.registry import EnvSecret, FileSecret, NoSecret
from gateway.domain.snapshot import Rejected, RuleFile
from tests.fakes.values import REGISTRY, compiler, snapshot_of

RULES = """\
rules:
  - {name: bills, priority: 5, when: {category: billing}, route: [small]}
  - {name: rest, route: [large]}
budgets:
  growth: {limit: 50 USD, per: month}
  drafts: {limit: 5 USD, per: day}
receivers:
  ops: {kind: slack, url: {env: SLACK}}
  page: {kind: pagerduty, routing_key: {file: /run/key}}
"""
ALL_RULES = ("bills", "rest", "requested-model")
ALL_MODELS = ("double", "large", "other", "small", "twin")


def terms_of(alert: str) -> Terms:
    return snapshot_of(RULES, f"alerts:\n  it: {{notify: [ops], {alert}}}\n").alerts["it"].terms


def problems_of(*texts: str) -> list[str]:
    files = tuple(RuleFile(f"{place}.yaml", text.encode()) for place, text in enumerate((REGISTRY, *texts)))
    result = compiler().compile(files)
    return [str(problem) for problem in result.problems] if isinstance(result, Rejected) else []


def test_a_receiver_is_its_kind_and_where_its_secrets_are() -> None:
    receivers = snapshot_of(
        RULES,
        "receivers:\n"
        "  hook: {kind: generic, url: {env: HOOK}, signing_secret: [{env: NEW}, none, {file: /run/old}]}\n"
        "  one: {kind: generic, url: {env: ONE}, signing_secret: {env: KEY}}\n",
    ).receivers
    assert {name: each.receiver for name, each in receivers.items()} == {
        "ops": Receiver("ops", ReceiverKind.SLACK),
        "page": Receiver("page", ReceiverKind.PAGERDUTY),
        "hook": Receiver("hook", ReceiverKind.GENERIC),
        "one": Receiver("one", ReceiverKind.GENERIC),
    }
    assert (receivers["ops"].url, receivers["ops"].routing_key) == (EnvSecret("SLACK"), NoSecret())
    assert (receivers["page"].url, receivers["page"].routing_key) == (NoSecret(), FileSecret("/run/key"))
    assert receivers["hook"].signing_secrets == (EnvSecret("NEW"), FileSecret("/run/old"))
    assert receivers["one"].signing_secrets == (EnvSecret("KEY"),)
    assert (receivers["hook"].file, receivers["hook"].mark.line) == ("02.yaml", 2)


OWN_WINDOWS = """[{long: 1h, factor: 10, severity: critical}, {short: 45m, long: 7h, factor: 2.5},
    {long: 5m, factor: 30}, {long: 17h, factor: 3}]"""
TERMS: dict[str, tuple[str, Terms]] = {
    "a budget, by default": ("kind: budget", OfBudgets(None, (0.8, 1.0), forecast=True)),
    "a budget's levels": ("kind: budget, at: [100%, 50%, 50%]", OfBudgets(None, (0.5, 1.0), forecast=False)),
    "a budget's forecast alone": ("kind: budget, at: [forecast]", OfBudgets(None, (), forecast=True)),
    "one budget": (
        "kind: budget, at: [90%], scope: {budget: growth}",
        OfBudgets(frozenset({"growth"}), (0.9,), forecast=False),
    ),
    "some budgets": (
        "kind: budget, at: [90%], scope: {budget: [growth, drafts]}",
        OfBudgets(frozenset({"growth", "drafts"}), (0.9,), forecast=False),
    ),
    "burn rates, by default": ("kind: burn_rate", OfBurning(None, None, 1_000_000_000)),
    "burn rates of one budget": (
        "kind: burn_rate, budget: growth, at_least: 0.25 USD",
        OfBurning(frozenset({"growth"}), None, 250_000_000),
    ),
    "burn rates of two budgets over windows of their own": (
        f"kind: burn_rate, budget: [growth, drafts], windows: {OWN_WINDOWS}",
        OfBurning(
            frozenset({"growth", "drafts"}),
            (
                Pair(300, 3_600, 10.0, Severity.CRITICAL),
                Pair(2_700, 25_200, 2.5, Severity.WARNING),
                Pair(60, 300, 30.0, Severity.WARNING),
                Pair(4_500, 61_200, 3.0, Severity.WARNING),
            ),
            1_000_000_000,
        ),
    ),
    "prices, by default": ("kind: price_change", OfPrices(7)),
    "prices, not before they change": ("kind: price_change, ahead: 0d", OfPrices(0)),
    "prices, in hours": ("kind: price_change, ahead: 48h", OfPrices(2)),
    "shifts, by default": ("kind: spend_shift", OfShifts(1_000_000_000)),
    "shifts of much": ("kind: spend_shift, at_least: 50 USD", OfShifts(50_000_000_000)),
    "errors, by default": ("kind: error_rate", OfRates(0.05, 300.0, DEFAULT_MINIMUM, None, ())),
    "fallbacks, by default": ("kind: fallback_rate", OfRates(0.2, 300.0, DEFAULT_MINIMUM, None, ())),
    "errors in other terms": (
        "kind: error_rate, above: 2.5%, window: 10m, minimum: 100",
        OfRates(0.025, 600.0, 100, None, ()),
    ),
    "errors by rule": ("kind: error_rate, by: rule", OfRates(0.05, 300.0, 20, Dimension.RULE, ALL_RULES)),
    "errors by model": ("kind: error_rate, by: model", OfRates(0.05, 300.0, 20, Dimension.MODEL, ALL_MODELS)),
    "errors of one rule": (
        "kind: error_rate, scope: {rule: bills}",
        OfRates(0.05, 300.0, 20, Dimension.RULE, ("bills",)),
    ),
    "errors of two models": (
        "kind: error_rate, scope: {model: [small, large]}",
        OfRates(0.05, 300.0, 20, Dimension.MODEL, ("small", "large")),
    ),
    "what is asked for by name": (
        "kind: fallback_rate, scope: {rule: requested-model}",
        OfRates(0.2, 300.0, 20, Dimension.RULE, ("requested-model",)),
    ),
    "no price": ("kind: unpriced", OfMetric(UNPRICED_REQUESTS, 0.0, window_s=3_600.0)),
    "the log": ("kind: log_dropped, window: 15m", OfMetric(LOG_ROWS_DROPPED, 0.0, window_s=900.0)),
    "the rules": ("kind: config_rejected, for: 10m", OfRules()),
    "a gauge": (
        "kind: threshold, metric: rulegate_in_flight_requests, above: 100",
        OfMetric("rulegate_in_flight_requests", 100.0),
    ),
    "a gauge without its prefix, below": (
        "kind: threshold, metric: config_last_reload_successful, below: 1",
        OfMetric("rulegate_config_last_reload_successful", 1.0, below=True),
    ),
    "some series of a gauge": (
        "kind: threshold, metric: model_state, above: 0, scope: {state: [cooling, degraded], model: small}",
        OfMetric(
            "rulegate_model_state",
            0.0,
            labels={"state": frozenset({"cooling", "degraded"}), "model": frozenset({"small"})},
        ),
    ),
    "a counter has a window": (
        "kind: threshold, metric: rulegate_store_failures_total, above: 3",
        OfMetric("rulegate_store_failures_total", 3.0, window_s=300.0),
    ),
    "a counter by its short name": (
        "kind: threshold, metric: store_failures, above: 3, window: 1h",
        OfMetric("rulegate_store_failures_total", 3.0, window_s=3_600.0),
    ),
}


@pytest.mark.parametrize(("alert", "terms"), TERMS.values(), ids=TERMS)
def test_an_alert_is_compiled_to_its_terms(alert: str, terms: Terms) -> None:
    compiled = terms_of(alert)
    assert compiled == terms
    if isinstance(terms, OfMetric) and isinstance(compiled, OfMetric):
        assert compiled.labels == terms.labels


def test_an_alert_says_who_is_told_how_urgently_and_how_often() -> None:
    alerts = snapshot_of(
        RULES,
        "alerts:\n"
        "  bare: {kind: config_rejected, notify: [ops]}\n"
        "  full: {kind: config_rejected, notify: [page, ops, page], severity: critical, repeat: 4h, for: 90s}\n",
    ).alerts
    bare, full = alerts["bare"], alerts["full"]
    assert (bare.kind, bare.notify, bare.severity) == (AlertKind.CONFIG_REJECTED, ("ops",), None)
    assert (bare.for_s, bare.repeat_s) == (0.0, None)
    assert (full.notify, full.severity) == (("page", "ops"), Severity.CRITICAL)
    assert (full.for_s, full.repeat_s) == (90.0, 14_400.0)
    assert (full.file, full.mark.line) == ("02.yaml", 3)


RECEIVER_PROBLEMS = {
    "{kind: slack}": "receiver 'it' has no 'url', which kind slack needs",
    "{kind: generic, url: none}": "receiver 'it' has no 'url', which kind generic needs",
    "{kind: pagerduty, url: {env: X}}": "receiver 'it' has no 'routing_key', which kind pagerduty needs",
    "{kind: slack, url: {env: X}, routing_key: {env: Y}}": "'routing_key' is for receivers of kind pagerduty alone",
    "{kind: teams, url: {env: X}, signing_secret: {env: Y}}": "'signing_secret' is for receivers of kind generic alone",
    "{kind: slack, url: 'https://hooks.slack.com/canary'}": "a secret must not stand in a rule file",
    "{kind: generic, url: {env: X}, signing_secret: whsec_canary}": "a secret must not stand in a rule file",
    "{kind: generic, url: {env: X}, signing_secret: [whsec_canary]}": "a secret must not stand in a rule file",
    "{kind: generic, url: {env: X}, signing_secret: []}": "a list of secrets must not be empty",
    "{kind: carrier_pigeon, url: {env: X}}": "unknown kind of receiver 'carrier_pigeon'",
    "{url: {env: X}}": "missing field 'kind' in a receiver",
}


@pytest.mark.parametrize(("receiver", "said"), RECEIVER_PROBLEMS.items())
def test_a_receiver_that_does_not_fit_is_said_so(receiver: str, said: str) -> None:
    """U-21, U-114: at its place, and without the secret that stands there."""
    (problem,) = problems_of(RULES, f"receivers:\n  it: {receiver}\n")
    assert said in problem
    assert problem.startswith("2.yaml:2:")
    assert "canary'" not in problem.replace("carrier_pigeon", "")


ALERT_PROBLEMS = {
    "kind: budget, at: [0%]": "nothing of a budget is spent from the start",
    "kind: budget, at: [often]": "expected a percentage such as 80%, or the word forecast",
    "kind: budget, for: 5m": "'for' does not belong to an alert of kind budget (it takes at, scope)",
    "kind: budget, scope: {budget: growht}": "there is no budget 'growht' (did you mean 'growth'?)",
    "kind: budget, scope: {rule: bills}": "there is no label 'rule' here (labels: budget)",
    "kind: budget, severity: error": "unknown severity 'error'",
    "kind: error_rate, above: 5": "an alert of kind error_rate is for a share of requests (write such as 5%)",
    "kind: error_rate, above: 100%": "no share is above 100%",
    "kind: error_rate, window: 5s": "a window is 1m to 1h long",
    "kind: error_rate, window: 2h": "a window is 1m to 1h long",
    "kind: error_rate, scope: {rule: bils}": "there is no rule 'bils' (did you mean 'bills'?)",
    "kind: error_rate, scope: {model: smal}": "there is no model 'smal' (did you mean 'small'?)",
    "kind: error_rate, scope: {rule: bills, model: small}": "one label at a time",
    "kind: error_rate, scope: {rule: bills}, by: rule": "'scope' or 'by', not both",
    "kind: error_rate, by: caller": "unknown way to tell apart 'caller'",
    "kind: error_rate, minimum: 0": "expected a whole number above 0, found 0",
    "kind: fallback_rate, by: model": "a model does not fall back, a rule does",
    "kind: log_dropped, above: 3": "'above' does not belong to an alert of kind log_dropped (it takes window)",
    "kind: unpriced, by: model": "'by' does not belong to an alert of kind unpriced",
    "kind: threshold, above: 3": "missing field 'metric' in an alert of kind threshold",
    "kind: threshold, metric: in_flight_requests": "an alert of kind threshold has 'above' or 'below', one of them",
    "kind: threshold, metric: in_flight_requests, above: 3, below: 5": "has 'above' or 'below', one of them",
    "kind: threshold, metric: in_flight_requests, above: 3%": "expected a number, found a percentage",
    "kind: threshold, metric: in_flight, above: 3": "there is no metric 'rulegate_in_flight' (did you mean",
    "kind: threshold, metric: in_flight_requests, above: 3, window: 5m": "a gauge is watched as it stands",
    "kind: threshold, metric: overhead_seconds, above: 3": "is a histogram, which has no one value",
    "kind: threshold, metric: overhead_seconds_sum, above: 3": "is a histogram, which has no one value",
    "kind: threshold, metric: in_flight_requests, above: 3, scope: {model: a}": "there is no label 'model' here",
    "kind: config_rejected, repeat: 0s": "an alert cannot be sent again without a pause",
    "kind: spend_shift, ahead: 7d": "'ahead' does not belong to an alert of kind spend_shift (it takes at_least)",
    "kind: burn_rate, budget: growht": "there is no budget 'growht' (did you mean 'growth'?)",
    "kind: burn_rate, scope: {budget: growth}": "'scope' does not belong to an alert of kind burn_rate (it takes",
    "kind: burn_rate, at_least: 5": "expected an amount such as 200 USD",
    "kind: burn_rate, windows: []": "a list of pairs of windows must not be empty",
    "kind: burn_rate, windows: [{long: 1h}]": "missing field 'factor' in a pair of windows",
    "kind: burn_rate, windows: [{long: 1h, factor: 0.5}]": "at its even rate a budget is used up just in time",
    "kind: burn_rate, windows: [{long: 1h, short: 1h, factor: 5}]": "the short window is not shorter than the long one",
    "kind: burn_rate, windows: [{long: 1m, factor: 5}]": "the short window is not shorter than the long one",
    "kind: burn_rate, windows: [{long: 90s, factor: 5}]": "'90s' is not a whole number of minutes (spend is summed up",
    "kind: burn_rate, windows: [{long: 65m, factor: 5}]": "'65m' is not a whole number of quarter hours (spend is",
    "kind: burn_rate, windows: [{long: 41d, factor: 5}]": "a window of a budget is 1m to 40d long",
    "kind: price_change, ahead: 12h": "'ahead' is whole days, 0d to 365d (write such as 14d)",
    "kind: price_change, ahead: 366d": "'ahead' is whole days, 0d to 365d",
    "kind: price_change, above: 5%": "'above' does not belong to an alert of kind price_change (it takes ahead)",
    "kind: quality_drop": "kind 'quality_drop' is not built yet",
}


@pytest.mark.parametrize(("alert", "said"), ALERT_PROBLEMS.items())
def test_an_alert_that_does_not_fit_is_said_so(alert: str, said: str) -> None:
    """U-21: what is wrong, and what was probably meant."""
    (problem,) = problems_of(RULES, f"alerts:\n  it: {{notify: [ops], {alert}}}\n")
    assert said in problem
    assert problem.startswith("2.yaml:2:")


def test_a_receiver_that_there_is_not_is_said_so() -> None:
    (problem,) = problems_of(RULES, "alerts:\n  it: {kind: config_rejected, notify: [opps]}\n")
    assert problem == "2.yaml:2:40: there is no receiver 'opps' (did you mean 'ops'?)"


@pytest.mark.parametrize("kind", ["budget", "burn_rate"])
def test_without_a_budget_there_is_none_to_watch(kind: str) -> None:
    files = f"receivers: {{ops: {{kind: slack, url: {{env: X}}}}}}\nalerts:\n  it: {{kind: {kind}, notify: [ops]}}\n"
    (problem,) = problems_of("rules: [{name: rest, route: [large]}]\n", files)
    assert problem == "2.yaml:3:3: there is no budget to watch (add one under budgets:)"

"""What Prometheus sees: names, types and labels, and that the numbers add up."""

import math
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from gateway.adapters.alert_metrics import AlertMetrics
from gateway.adapters.budget_gauges import BudgetGauges, Gauged
from gateway.adapters.load_gauges import Carried, LoadGauges
from gateway.adapters.metrics import Metrics
from gateway.adapters.model_states import ModelStates
from gateway.adapters.series import Money
from gateway.domain.alike import added_up
from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.category import Category, Complexity, Table
from gateway.domain.entry import Entry
from gateway.domain.health import HealthState
from gateway.domain.limit import Crowd, GateKind
from gateway.domain.price import FREE, always
from gateway.domain.problem import Mark
from gateway.domain.registry import Model
from gateway.domain.rule import ALWAYS, Route, Rule
from gateway.domain.snapshot import Defaults, Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Mode, Outcome, Prefer, Skip, Surface
from gateway.runtime.deliveries import RESULTS
from tests.adapters.entries import FALLEN_BACK, entry

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "metrics.md"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
NANO = 1_000_000_000
SUFFIXES = {"counter": "_total", "gauge": "", "histogram": ""}
IN_DAYS = "rulegate_catalogue_age_days"
"""The one name that promtool would have in seconds: people judge the age of a price list in days."""
UNITS = (
    *("_seconds", "_usd", "_days", "_requests", "_firing", "_info", "_state", "_successful", "_total"),
    *("_waiting", "_limit", "_connections", "_bytes"),
)


PAID_FOR_NOTHING = Attempt(0, "sonnet", "anthropic", Failure.EMPTY, usage=Usage(output_tokens=9), cost_nano_usd=1_000)
OVERTAKEN = Attempt(
    *(0, "gpt", "openai", Failure.CANCELLED),
    usage=Usage(fresh_input_tokens=7, output_tokens=2, estimated=True),
    cost_nano_usd=500,
    lost=True,
)


def snapshot(rules: tuple[str, ...] = ("code", "rest"), models: tuple[str, ...] = ("sonnet", "gpt")) -> Snapshot:
    mark = Mark(1, 1)
    return Snapshot(
        fingerprint="3f9a1c2d" * 8,
        files=(),
        providers={},
        models={name: Model(name, "acme", name, Prefer.SPEED, always(FREE), str(date(2026, 1, 1))) for name in models},
        by_upstream={},
        rules=tuple(
            Rule(name, 0, ALWAYS, Route("", (), 600.0, frozenset()), Mode.LIVE, frozenset(), "a.yaml", mark)
            for name in rules
        ),
        table=Table((Category("code_generation", Complexity.HIGH, False, {}),), {}, (), (), lambda _: ()),
        defaults=Defaults(),
        tests=(),
        generation=12,
    )


def garbled(model: str) -> Entry:
    """Give a request of whose stream one event could not be read."""
    return entry(events=(Attempt(0, model, "acme", Failure.MALFORMED, garbage=1),))


@pytest.fixture
def metrics() -> Metrics:
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here
    made = Metrics(CollectorRegistry(), "0.1.0", simulated=False)
    made.prepare(snapshot())
    ModelStates(made.registry, lambda: {"sonnet": HealthState.OK, "gpt": HealthState.COOLING})
    BudgetGauges(made.registry, lambda: [Gauged("growth", 2 * NANO, NANO, 50 * NANO)])
    crowds = [Crowd(kind, kind.value, 5, 2, 1) for kind in GateKind]
    LoadGauges(made.registry, lambda: crowds, lambda: Carried(7, 1_000, 0.25))
    alerts = AlertMetrics(made.registry, RESULTS, lambda: made.store_failed("alerts"))
    alerts.firing({"money": 1})
    alerts.receivers(["ops"])
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"rulegate_{name}", labels)


def series(metrics: Metrics) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def table(heading: str) -> list[list[str]]:
    """Give the rows of the first table of the page whose header starts with a word."""
    lines = DOCS.read_text().split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def everything(metrics: Metrics) -> Metrics:
    """Let every series have a value."""
    metrics.reloaded(snapshot(), AT)
    metrics.began()
    metrics.ended(added_up([entry(events=(*FALLEN_BACK, PAID_FOR_NOTHING, OVERTAKEN))]))
    slow = structs.replace(PAID_FOR_NOTHING, duration_s=0.25)
    metrics.ended(added_up([entry(events=(slow,), outcome=Outcome.FAILED)]))
    metrics.dropped()
    return metrics


def test_the_page_lists_every_metric_with_its_type_and_labels(metrics: Metrics) -> None:
    """U-106: names, types and labels are what the documentation says, no more and no less."""
    exported = {}
    for family in everything(metrics).registry.collect():
        names = {tuple(sorted(set(sample.labels) - {"le"})) for sample in family.samples}
        assert len(names) == 1, family.name
        exported[family.name + SUFFIXES[family.type]] = (family.type, *names)
    documented = {
        names_in(name)[0]: (kind, tuple(sorted(names_in(labels)))) for name, kind, labels, _, _ in table("name")
    }
    assert documented == exported


def test_the_page_lists_every_value_of_the_closed_labels(metrics: Metrics) -> None:
    """U-106: the words of rules, rows and labels are the same words."""
    documented = {names_in(label)[0]: names_in(values) for label, values in table("label")}
    labels = {name for _, pairs in series(everything(metrics)) for name, _ in pairs} - {"le"}
    assert set(documented) == labels - {"fingerprint", "generation", "simulated", "version"}
    assert documented["outcome"] == [each.value for each in Outcome]
    assert documented["failure"] == ["none", *(each.value for each in Failure)]
    assert documented["reason"] == [each.value for each in Skip]
    assert set(documented["surface"]) <= {each.value for each in Surface}
    for label in ("failure", "reason", "state", "type", "store", "kind", "result", "at", "bound", "limit"):
        shown = {text for _, pairs in series(metrics) for name, text in pairs if name == label}
        assert shown == set(documented[label])


def test_names_keep_to_the_customs_of_prometheus(metrics: Metrics) -> None:
    """A prefix, base units, and `_total` on counters alone; every metric says what it is."""
    for family in everything(metrics).registry.collect():
        name = family.name + SUFFIXES[family.type]
        assert re.fullmatch(r"rulegate_[a-z][a-z_]*[a-z]", name)
        assert name.endswith(UNITS), name
        assert name.endswith("_total") == (family.type == "counter"), name
        assert not re.search(r"_(ms|milliseconds|minutes|percent|count|sum|bucket)(_|$)", name), name
        assert family.documentation.endswith("."), name
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)


def test_promtool_finds_nothing_to_say(metrics: Metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus): the naming test above stands alone")
    page = generate_latest(everything(metrics).registry)
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode().splitlines()
    assert [line for line in said if not line.startswith(f"{IN_DAYS} ")] == []


def test_a_zero_is_visible_before_anything_happens(metrics: Metrics) -> None:
    """A rate over a series that appears with its first event misses that event."""
    for model in ("sonnet", "gpt"):
        for failure in ("none", *Failure):
            assert value(metrics, "attempts_total", model=model, failure=str(failure)) == 0
        for skip in Skip:
            assert value(metrics, "skips_total", model=model, reason=skip.value) == 0
        assert value(metrics, "tokens_total", model=model, type="cache_write_1h") == 0
        assert value(metrics, "malformed_lines_total", model=model) == 0
    for rule in ("code", "rest", "requested-model", "other"):
        for outcome in ("answered", "failed"):
            assert value(metrics, "requests_total", surface="execute", rule=rule, outcome=outcome) == 0
    assert value(metrics, "request_duration_seconds_count", surface="messages") == 0
    assert value(metrics, "log_rows_dropped_total") == 0
    assert value(metrics, "store_failures_total", store="log") == 0
    assert value(metrics, "store_failures_total", store="ledger") == 0
    assert value(metrics, "unpriced_requests_total") == 0


def test_an_entry_is_counted_once_everywhere(metrics: Metrics) -> None:
    """U-105: one request, its attempts, its tokens and its cost."""
    metrics.began()
    assert value(metrics, "in_flight_requests") == 1
    metrics.ended(added_up([entry()]))
    assert value(metrics, "in_flight_requests") == 0
    assert value(metrics, "requests_total", surface="chat", rule="code", outcome="answered_after_fallback") == 1
    assert value(metrics, "attempts_total", model="sonnet", failure="overloaded") == 1
    assert value(metrics, "attempts_total", model="gpt", failure="none") == 1
    assert value(metrics, "skips_total", model="other", reason="incapable") == 1
    assert value(metrics, "cost_usd_total", rule="code", model="gpt") == 0.012345678
    assert value(metrics, "category_cost_usd_total", category="code_generation", model="gpt") == 0.012345678
    tokens = {"input": 1200, "cache_read": 300, "cache_write_5m": 40, "cache_write_1h": 50} | {
        "output": 600,
        "reasoning": 200,
    }
    assert {kind: value(metrics, "tokens_total", model="gpt", type=kind) for kind in tokens} == tokens
    assert value(metrics, "request_duration_seconds_sum", surface="chat") == 4.5
    assert value(metrics, "time_to_first_content_seconds_sum", model="gpt") == 0.25
    assert value(metrics, "overhead_seconds_sum") == 0.0004


def test_what_gave_no_answer_is_counted_by_what_it_was_for(metrics: Metrics) -> None:
    """U-105: a part of the whole cost; an answer that broke off in the caller's hands is an answer. What an
    attempt cost is its own model's."""
    broken = Attempt(
        1, "gpt", "openai", Failure.TRUNCATED, committed=True, usage=Usage(output_tokens=1), cost_nano_usd=7
    )
    free = Attempt(2, "gpt", "openai", Failure.EMPTY, usage=Usage(output_tokens=1))
    for _ in range(2):
        metrics.ended(added_up([entry(events=(PAID_FOR_NOTHING, free, broken), cost_nano_usd=1_007)]))
    assert value(metrics, "extra_cost_usd_total", kind="failed", rule="code") == 0.000002
    assert value(metrics, "cost_usd_total", rule="code", model="sonnet") == 0.000002
    assert value(metrics, "cost_usd_total", rule="code", model="gpt") == 0.000000014
    metrics.ended(added_up([entry(events=(PAID_FOR_NOTHING,), rule="gone")]))
    assert value(metrics, "extra_cost_usd_total", kind="failed", rule="other") == 0.000001


def test_an_answer_of_a_model_without_a_price_is_counted(metrics: Metrics) -> None:
    """U-67: once a request."""
    metrics.ended(added_up([entry()]))
    metrics.ended(added_up([entry(events=(PAID_FOR_NOTHING, structs.replace(FALLEN_BACK[2], unpriced=True)))]))
    assert value(metrics, "unpriced_requests_total") == 1


def test_an_entry_without_content_usage_or_cost_counts_none(metrics: Metrics) -> None:
    bare = entry(model="", usage=None, cost_nano_usd=0, first_content_s=None, events=(), outcome=Outcome.FAILED)
    before = {name for name, _ in series(metrics)}
    metrics.ended(added_up([bare]))
    assert value(metrics, "requests_total", surface="chat", rule="code", outcome="failed") == 1
    assert {name for name, _ in series(metrics)} == before


OUTCOMES = st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(["code", "gone", ""])), max_size=20)


@given(OUTCOMES)
def test_requests_by_outcome_add_up_to_the_requests(ends: list[tuple[Outcome, str]]) -> None:
    """U-105: every request is in exactly one series."""
    metrics = Metrics(CollectorRegistry(), "0.1.0", simulated=False)
    metrics.prepare(snapshot())
    for outcome, rule in ends:
        metrics.began()
        metrics.ended(added_up([entry(outcome=outcome, rule=rule)]))
    total = sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "rulegate_requests_total"
    )
    assert total == len(ends)
    assert value(metrics, "in_flight_requests") == 0


@pytest.mark.parametrize(
    ("changes", "name", "labels"),
    [
        ({"rule": "x"}, "requests_total", {"surface": "chat", "rule": "other", "outcome": "answered_after_fallback"}),
        ({"rule": "x"}, "cost_usd_total", {"rule": "other", "model": "gpt"}),
        (
            {"events": (structs.replace(FALLEN_BACK[2], model="x"),)},
            "cost_usd_total",
            {"rule": "code", "model": "other"},
        ),
        (
            {"events": (Attempt(0, "x", "acme", None, usage=Usage(fresh_input_tokens=5)),)},
            "tokens_total",
            {"model": "other", "type": "input"},
        ),
        ({"model": "x"}, "time_to_first_content_seconds_count", {"model": "other"}),
        ({"category": "x"}, "category_cost_usd_total", {"category": "other", "model": "gpt"}),
        ({"category": "unsure"}, "category_cost_usd_total", {"category": "unsure", "model": "gpt"}),
        (
            {"events": (Attempt(0, "x", "acme", Failure.TIMEOUT),)},
            "attempts_total",
            {"model": "other", "failure": "timeout"},
        ),
        ({"events": (Skipped(0, "x", Skip.FULL),)}, "skips_total", {"model": "other", "reason": "full"}),
    ],
)
def test_a_name_that_no_rule_file_has_is_other(
    metrics: Metrics, changes: dict[str, Any], name: str, labels: dict[str, str]
) -> None:
    """U-104: label values come from the configuration."""
    before = value(metrics, name, **labels) or 0
    metrics.ended(added_up([entry(**changes)]))
    assert (value(metrics, name, **labels) or 0) > before


def test_series_do_not_grow_with_what_callers_make_up(metrics: Metrics) -> None:
    """U-104: ten thousand bogus names make no series."""

    def bogus(name: str) -> None:
        events = (Attempt(0, name, name, Failure.CONNECT, garbage=1), Skipped(0, name, Skip.FULL))
        metrics.ended(
            added_up(
                [entry(rule=name, model=name, category=name, requested_model=name, response_model=name, events=events)]
            )
        )

    bogus("first")
    before = series(metrics)
    for number in range(10_000):
        bogus(f"bogus-{number}")
    assert series(metrics) == before


def test_series_of_rules_that_were_removed_stay_and_still_count(metrics: Metrics) -> None:
    """U-87: a request that is in flight while its rule is removed ends under its own names."""
    metrics.ended(added_up([entry(outcome=Outcome.ANSWERED)]))
    metrics.prepare(snapshot(rules=("rest",), models=("sonnet",)))
    metrics.ended(added_up([entry(outcome=Outcome.ANSWERED)]))
    assert value(metrics, "requests_total", surface="chat", rule="code", outcome="answered") == 2
    assert value(metrics, "tokens_total", model="gpt", type="input") == 2400


def test_a_second_generation_resets_nothing(metrics: Metrics) -> None:
    everything(metrics)
    before = generate_latest(metrics.registry)
    metrics.prepare(snapshot())
    assert generate_latest(metrics.registry) == before


def test_the_gauges_of_the_configuration_follow_what_runs(metrics: Metrics) -> None:
    """U-86: a rejected set is seen at once; the generation shown is the one that runs."""
    metrics.reloaded(snapshot(), AT)
    metrics.rejected()
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == AT.timestamp()
    metrics.reloaded(replace(snapshot(), generation=13, fingerprint="abcdef0" * 9), AT)
    assert value(metrics, "config_last_reload_successful") == 1
    infos = [
        sample.labels for family in metrics.registry.collect() for sample in family.samples if "_info" in sample.name
    ]
    assert infos == [
        {"fingerprint": "abcdef0", "generation": "13", "simulated": "false"},
        {"version": "0.1.0"},
    ]


def test_a_rehearsal_is_marked() -> None:
    metrics = Metrics(CollectorRegistry(), "0.1.0", simulated=True)
    metrics.reloaded(snapshot(), AT)
    assert value(metrics, "config_info", fingerprint="3f9a1c2", generation="12", simulated="true") == 1


@pytest.mark.parametrize(
    ("count", "name", "labels"),
    [
        (Metrics.dropped, "log_rows_dropped_total", {}),
        (lambda metrics: metrics.store_failed("log"), "store_failures_total", {"store": "log"}),
        (lambda metrics: metrics.ended(added_up([garbled("gpt")])), "malformed_lines_total", {"model": "gpt"}),
        (lambda metrics: metrics.store_failed("ledger"), "store_failures_total", {"store": "ledger"}),
    ],
)
def test_troubles_are_counted(metrics: Metrics, count: Any, name: str, labels: dict[str, str]) -> None:  # noqa: ANN401 - a call
    count(metrics)
    count(metrics)
    assert value(metrics, name, **labels) == 2


def test_money_is_exact_over_a_hundred_thousand_additions() -> None:
    """The sum is that of the rows to the nano-dollar; a float would have lost it on the way."""
    money = Money("rulegate_cost_usd", "Money.", ("rule",))
    amounts = [number * 7_919 % 1_000_003 + 1 for number in range(100_000)]
    money.add(("code",), 40_000_000 * NANO)
    for amount in amounts:
        money.add(("code",), amount)
    total = 40_000_000 * NANO + sum(amounts)
    drifted = 40_000_000.0
    for amount in amounts:
        drifted += amount / NANO
    assert shown(money) == {("code",): total / NANO}
    assert drifted != total / NANO, "a sum that floats get right proves nothing"


def shown(money: Money) -> dict[tuple[str, ...], float]:
    (family,) = money.collect()
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 10**13)), max_size=50))
def test_money_shown_is_the_sum_rounded_once(amounts: list[tuple[str, int]]) -> None:
    money = Money("rulegate_cost_usd", "Money.", ("rule",))
    for rule, amount in amounts:
        money.add((rule,), amount)
    for rule in {rule for rule, _ in amounts}:
        exact = Decimal(sum(amount for name, amount in amounts if name == rule)) / NANO
        assert abs(Decimal(shown(money)[rule,]) - exact) <= Decimal(math.ulp(float(exact))) / 2


def test_usage_of_a_model_nobody_knows_the_price_of_is_counted(metrics: Metrics) -> None:
    used = Attempt(0, "gpt", "openai", None, usage=Usage(fresh_input_tokens=5))
    metrics.ended(added_up([entry(events=(used,), cost_nano_usd=0)]))
    assert value(metrics, "tokens_total", model="gpt", type="input") == 5
    assert value(metrics, "cost_usd_total", rule="code", model="gpt") is None

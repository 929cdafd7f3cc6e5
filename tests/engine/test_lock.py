"""The lock of a caller: no request of its reaches a model that is not on its list, whatever the rules say."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.caller import NO_CALLERS, Caller
from gateway.domain.decision import REQUESTED_MODEL, Decided, Decision, Locked
from gateway.domain.request import Request
from gateway.domain.rule import Split, Step
from gateway.domain.snapshot import Snapshot
from gateway.engine.decide import decide_request
from gateway.engine.explain import account_of
from gateway.engine.lock import opened, share_of
from gateway.engine.recall import decide_again, facts_of
from tests import strategies
from tests.fakes.values import MONDAY_NOON, counted, request_of, snapshot_of, within
from tests.strategies import Written, file_of

RULES = """\
rules:
  - {name: one-way, priority: 9, when: {contains: urgent}, route: [large]}
  - {name: two-ways, priority: 8, when: {contains: refund}, route: [large, small, other]}
  - {name: parted, priority: 7, when: {contains: halves}, route: [large, {split: {large: 60, small: 30, other: 10}}]}
  - {name: any-name, priority: 6, when: {model: special}, route: [other]}
  - {name: dark, mode: shadow, priority: 10, when: {words: {gt: 0}}, route: [other]}
"""


def callers(*models: str) -> str:
    allowed = f", models: {json.dumps(models)}" if models else ""
    return f'callers: {{bot: {{key_sha256: "{"0" * 64}"{allowed}}}}}'


def locked_to(*models: str) -> Snapshot:
    return snapshot_of(RULES, callers(*models))


def by_bot(snapshot: Snapshot, said: str, model: str = "auto") -> Request:
    return structs.replace(request_of(said), model=model, caller=snapshot.callers.named("bot"))


def asked(snapshot: Snapshot, said: str, model: str = "auto") -> Decided:
    return decide_request(snapshot, by_bot(snapshot, said, model), MONDAY_NOON)[1]


def chain_of(decided: Decided) -> list[str] | None:
    return [step.model for step in decided.chain.steps] if isinstance(decided, Decision) else None


CHAINS: dict[str, tuple[str, str, tuple[str, ...], list[str] | None]] = {
    "all of a chain without a list": ("refund", "auto", (), ["large", "small", "other"]),
    "the rest of a chain": ("refund", "auto", ("other", "small"), ["small", "other"]),
    "one step of it": ("refund", "auto", ("other",), ["other"]),
    "nothing of a chain": ("urgent", "auto", ("small",), None),
    "a model by its registry name": ("hello", "small", ("small",), ["small"]),
    "a model by its upstream name": ("hello", "up-small", ("small",), ["small"]),
    "no model that is not on the list, by name": ("hello", "large", ("small",), None),
    "nor by its upstream name": ("hello", "up-large", ("small",), None),
    "nor by a rule that takes the name": ("hello", "special", ("small",), None),
}


@pytest.mark.parametrize(("said", "model", "models", "chain"), CHAINS.values(), ids=CHAINS.keys())
def test_a_caller_gets(said: str, model: str, models: tuple[str, ...], chain: list[str] | None) -> None:
    found = asked(locked_to(*models), said, model)
    assert chain_of(found) == chain
    assert isinstance(found, Locked) is (chain is None)


def test_a_split_is_settled_among_the_models_that_are_left() -> None:
    """In the proportion of their weights, and the same way again for the same conversation."""
    snapshot = locked_to("small", "other")

    def first(number: int) -> str:
        found = asked(snapshot, f"halves {number}")
        assert isinstance(found, Decision)
        assert found == asked(snapshot, f"halves {number}")
        assert found.split == {1: found.model}
        return found.model

    counts = counted(first, range(2000))
    assert set(counts) == {"small", "other"}
    assert within(counts["small"], 2000, 0.75)


def test_the_share_of_a_model_is_the_one_that_this_caller_has() -> None:
    """The first step left is what was chosen, with the probability that its weights give it for this caller."""
    shares = {}
    for models in ((), ("small", "other"), ("small",), ("large", "small")):
        snapshot = locked_to(*models)
        for number in range(20):
            found = asked(snapshot, f"halves {number}")
            assert isinstance(found, Decision)
            shares[models, found.model] = share_of(found, snapshot.callers.named("bot"))
    assert shares == {
        ((), "large"): 1.0,
        (("small", "other"), "small"): 0.75,
        (("small", "other"), "other"): 0.25,
        (("small",), "small"): 1.0,
        (("large", "small"), "large"): 1.0,
    }


def test_the_share_of_a_chain_that_is_closed_before_its_split_counts_from_the_split() -> None:
    rules = "rules: [{name: all, route: [other, {split: {large: 9, twin: 1}}, {split: {small: 1, large: 3}}]}]"
    snapshot = snapshot_of(rules, callers("small", "large"))
    caller = snapshot.callers.named("bot")
    found = asked(snapshot, "hello")
    assert isinstance(found, Decision)
    assert (found.model, share_of(found, caller)) == ("large", 1.0)
    assert share_of(found.over(found.chain, None), caller) == 1.0
    small = snapshot_of(rules, callers("small", "twin"))
    found = asked(small, "hello")
    assert isinstance(found, Decision)
    assert (chain_of(found), share_of(found, small.callers.named("bot"))) == (["twin", "small"], 1.0)


def test_a_place_that_nothing_is_left_of_keeps_its_number() -> None:
    """The models that splits took are noted by place, for the row and for those who read it."""
    route = locked_to("small").rules[3].route
    assert opened(route, Caller("bot", models=frozenset({"twin"}))) == route
    step, split = opened(route, Caller("bot", models=frozenset({"small"}))).places
    assert isinstance(step, Step)
    assert isinstance(split, Split)
    assert [(arm.model, weight) for arm, weight in split.arms] == [("small", 30.0)]


def test_the_account_of_a_locked_request_says_what_the_caller_may_use() -> None:
    snapshot = locked_to("small", "other")
    features, found = decide_request(snapshot, by_bot(snapshot, "urgent"), MONDAY_NOON)
    account = account_of(snapshot, features, found)
    assert {name: account[name] for name in ("refused", "rule", "model", "chain", "requested_model", "lock")} == {
        "refused": True,
        "rule": "one-way",
        "model": None,
        "chain": [],
        "requested_model": "auto",
        "lock": {"caller": "bot", "models": ["other", "small"]},
    }
    named = decide_request(snapshot, by_bot(snapshot, "hello", "large"), MONDAY_NOON)
    assert account_of(snapshot, *named)["rule"] == REQUESTED_MODEL


models = st.frozensets(st.sampled_from(["small", "large", "other", "twin"]), min_size=1)


@given(strategies.rule_lists(), strategies.requests, models)
def test_no_decision_has_a_model_that_the_caller_may_not_use(
    rules: list[Written], request: Request, allowed: frozenset[str]
) -> None:
    """And the rule is the one that takes the request without a lock: a lock closes models, it moves no request."""
    snapshot = snapshot_of(file_of(rules), callers(*sorted(allowed)))
    bot = structs.replace(request, caller=snapshot.callers.named("bot"))
    _, found = decide_request(snapshot, bot, MONDAY_NOON)
    _, free = decide_request(replace(snapshot, callers=NO_CALLERS), bot, MONDAY_NOON)
    assert not isinstance(free, Locked)
    if isinstance(found, Decision):
        assert isinstance(free, Decision)
        assert {step.model for step in found.chain.steps} <= allowed
        assert (found.rule, found.matched, found.shadows, found.walked, found.misses) == (
            *(free.rule, free.matched, free.shadows, free.walked, free.misses),
        )
        assert 0 < share_of(found, bot.caller) <= 1
    elif isinstance(found, Locked):
        assert isinstance(free, Decision)
        assert found.decision == free
        route = free.matched.route if free.matched else None
        places = route.places if route else free.chain.steps
        arms = [place if isinstance(place, Step) else arm for place in places for arm, _ in _arms(place)]
        assert not allowed & {step.model for step in arms}
    else:
        assert found == free


def _arms(place: Step | Split) -> tuple[tuple[Step, float], ...]:
    return place.arms if isinstance(place, Split) else ((place, 1.0),)


@given(strategies.rule_lists(), strategies.requests, models, strategies.moments)
def test_a_row_gives_the_same_locked_decision_again(
    rules: list[Written], request: Request, allowed: frozenset[str], at: datetime
) -> None:
    """U-27: the list is that of the rules that decided, found by the caller's name."""
    snapshot = snapshot_of(file_of(rules), callers(*sorted(allowed)))
    bot = structs.replace(request, caller=snapshot.callers.named("bot"))
    features, found = decide_request(snapshot, bot, at)
    row: dict[str, Any] = json.loads(json.dumps(facts_of(snapshot, features, found)))
    _, again = decide_again(snapshot, row, at)
    assert type(again) is type(found)
    assert chain_of(again) == chain_of(found)
    if isinstance(again, Decision) and isinstance(found, Decision):
        assert again.split == found.split

"""What a plan promises: nothing but speed. Decisions, reasons, rows and what is computed are those of a plain walk."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from msgspec import structs

from gateway.domain.caller import Caller
from gateway.domain.decision import Decision, unlocked
from gateway.domain.request import Request
from gateway.domain.snapshot import Snapshot
from gateway.engine.decide import decide_request, smallest_flip, tried_of
from gateway.engine.explain import account_of
from gateway.engine.features import Features
from gateway.engine.plan import places_for
from gateway.engine.recall import facts_of
from tests import strategies
from tests.fakes.values import MONDAY_NOON, conversation_of, features_of, request_of, snapshot_of
from tests.strategies import Written, file_of

LOOKED_AT_ALONE = ("header.", "metadata.", "reading@")
"""Features that only hand on what a request has, and the words of a text whose judgement may be remembered."""


def computed(features: Features) -> set[str]:
    return {key for key in features if not key.startswith(LOOKED_AT_ALONE)}


many_rules = strategies.rule_lists(modes=("live", "shadow", "shadow"), most=10)


def agrees_with_a_plain_walk(snapshot: Snapshot, request: Request, at: datetime = MONDAY_NOON) -> None:
    plain = replace(snapshot, plan=None, embedding_plan=None)
    features, found = decide_request(snapshot, request, at)
    features_plain, found_plain = decide_request(plain, request, at)
    found, found_plain = unlocked(found), unlocked(found_plain)
    if isinstance(found, Decision) and isinstance(found_plain, Decision):
        assert (found.matched, found.chain, found.split) == (found_plain.matched, found_plain.chain, found_plain.split)
    assert (type(found), found.walked, found.shadows) == (type(found_plain), found_plain.walked, found_plain.shadows)
    row, row_plain = facts_of(snapshot, features, found), facts_of(plain, features_plain, found_plain)
    assert json.dumps(row) == json.dumps(row_plain)
    assert computed(features) == computed(features_plain)
    assert tried_of(found, features) == tried_of(found_plain, features_plain)
    assert smallest_flip(found, features) == smallest_flip(found_plain, features_plain)
    assert account_of(snapshot, features, found) == account_of(plain, features_plain, found_plain)


@settings(max_examples=200)
@given(many_rules, strategies.requests, strategies.moments)
def test_a_plan_changes_no_decision_no_reason_no_row_and_nothing_that_is_computed(
    rules: list[Written], request: Request, at: datetime
) -> None:
    agrees_with_a_plain_walk(snapshot_of(file_of(rules)), request, at)


AWKWARD: dict[str, Written] = {
    "a text first": {"contains": "refund", "team": "growth"},
    "a text in the middle": {"words": {"gt": 0}, "contains": "refund", "team": "growth"},
    "a text that is looked at elsewhere": {"team": "growth", "look_at": "system", "contains": "refund"},
    "a header that may save a text": {"any": [{"header.x-app": "shop"}, {"contains": "refund"}]},
    "a text that may save a header": {"any": [{"contains": "refund"}, {"header.x-app": "shop"}]},
    "two texts": {"any": [{"contains": "refund"}, {"look_at": "system", "contains": "refund"}]},
    "a pattern before a text": {"matches": "x", "contains": "refund"},
    "a category of another text": {"look_at": "system", "category": "billing", "team": "growth"},
    "a list in the only choice": {"any": [{"look_at": "system", "category": ["billing", "proofs"], "team": "growth"}]},
    "what must not be": {"not": {"team": "growth"}, "contains": "refund"},
    "a list in a choice": {"any": [{"team": "growth", "contains": "refund"}, {"team": "ops", "words": 1}]},
    "a number behind a text": {"all": [{"look_at": "system", "words": {"gt": 3}}, {"turns": {"gt": 99}}]},
    "a number before a text": {"turns": {"gt": 99}, "all": [{"look_at": "system", "words": {"gt": 3}}]},
    "what never holds": {"complexity": {"gt": "high"}, "contains": "refund"},
}
ASKED = {
    "none of it": request_of("hello"),
    "the word": request_of("a refund, x"),
    "the header": structs.replace(request_of("hello"), headers={"x-app": "shop"}),
    "word and header": structs.replace(request_of("refund"), headers={"x-app": "shop"}),
    "the team": structs.replace(request_of("refund"), caller=Caller("bot", "growth")),
    "a model": structs.replace(request_of("refund"), model="small"),
    "a system prompt": request_of(conversation_of("hello", system="an invoice, a refund")),
}


@pytest.mark.parametrize("mode", ["live", "shadow"])
@pytest.mark.parametrize("request_", ASKED.values(), ids=ASKED.keys())
@pytest.mark.parametrize("when", AWKWARD.values(), ids=AWKWARD.keys())
def test_a_plan_changes_nothing_however_a_rule_mixes_what_it_reads(when: Written, request_: Request, mode: str) -> None:
    """The rule stands before others on the same features, and after one that a text decides."""
    first: Written = {
        "name": "first",
        "mode": "shadow",
        "when": {"contains": "never", "team": "ops"},
        "route": ["small"],
    }
    mixed: Written = {"name": "mixed", "mode": mode, "when": when, "route": ["large"]}
    after: list[Written] = [
        {"name": "word", "when": {"contains": "urgent"}, "route": ["other"]},
        {"name": "app", "when": {"header.x-app": "shop"}, "route": ["other"]},
        {"name": "rest", "route": ["small"]},
    ]
    for before in ([], [first]):
        agrees_with_a_plain_walk(snapshot_of(file_of([*before, mixed, *after])), request_)


@given(many_rules, strategies.requests, strategies.moments)
def test_every_rule_that_holds_is_looked_at_once_and_in_order(
    rules: list[Written], request: Request, at: datetime
) -> None:
    """The oracle walks all rules as if each were a shadow, so that none ends the walk."""
    snapshot = snapshot_of(file_of([{**rule, "mode": "shadow"} for rule in rules]))
    rules_seen, plan = snapshot.rules_for(request.surface)
    assert plan is not None
    places = list(places_for(plan, features_of(snapshot, request, at)))
    assert places == sorted(set(places))
    held = unlocked(decide_request(replace(snapshot, plan=None, embedding_plan=None), request, at)[1]).shadows
    assert set(held) <= {rules_seen[place].name for place in places}


WATCHED = """\
rules:
  - {name: team, mode: shadow, when: {team: [growth, ops]}, route: [small]}
  - {name: code, mode: shadow, when: {has: [code, tools], words: {gt: 0}}, route: [small]}
  - {name: long, mode: shadow, when: {words: {gt: 4}}, route: [small]}
  - {name: few, mode: shadow, when: {max_tokens: {lte: 50}}, route: [small]}
  - {name: refund, mode: shadow, when: {contains: [refund, money back]}, route: [small]}
  - {name: invoice, mode: shadow, when: {contains: invoice}, route: [small]}
  - {name: either, mode: shadow, when: {any: [{header.x-app: shop}, {metadata.ticket: "7"}]}, route: [small]}
  - {name: nothing, mode: shadow, when: {any: [{header.x-app: shop}, {words: {gt: 99}}]}, route: [small]}
  - {name: never, mode: shadow, when: {not: {team: growth}}, route: [small]}
  - {name: hard, mode: shadow, when: {team: growth, complexity: high}, route: [small]}
  - {name: named, mode: shadow, when: {model: [gpt-9, auto], words: {gte: 0}}, route: [small]}
  - {name: late, mode: shadow, when: {contains: invoice, team: growth}, route: [small]}
  - {name: kana, mode: shadow, when: {contains: [翻訳, refund]}, route: [small]}
"""
ALWAYS = {"nothing", "never", "kana", "named"}
"""What asks for no value of a feature, or for one that all chats for `auto` have."""
LOOKED: dict[str, tuple[Request, set[str]]] = {
    "those that ask for nothing in particular": (request_of("hello"), ALWAYS),
    "one that has a word of a phrase": (request_of("money please"), ALWAYS | {"refund"}),
    "all that ask for a word": (request_of("an invoice"), ALWAYS | {"invoice", "late"}),
    "a member of a set": (request_of("see ```x```"), ALWAYS | {"code"}),
    "one of two ways": (structs.replace(request_of("hello"), metadata={"ticket": "7"}), ALWAYS | {"either"}),
    "a number at a limit": (structs.replace(request_of("hello"), max_tokens=50), ALWAYS | {"few"}),
    "a number past a limit": (
        structs.replace(request_of("five words are enough here"), max_tokens=51),
        ALWAYS | {"long"},
    ),
    "the rarer of two values": (
        structs.replace(request_of("hello"), caller=Caller("bot", "growth")),
        ALWAYS | {"team"},
    ),
    "one of a list": (structs.replace(request_of("hello"), caller=Caller("bot", "ops")), ALWAYS | {"team"}),
    "a model by name, for rules that mention it": (structs.replace(request_of("an invoice"), model="gpt-9"), {"named"}),
    "another model": (structs.replace(request_of("an invoice"), model="gpt-8"), set()),
}


@pytest.mark.parametrize(("request_", "looked_at"), LOOKED.values(), ids=LOOKED.keys())
def test_a_rule_is_looked_at_only_where_its_value_is_there(request_: Request, looked_at: set[str]) -> None:
    snapshot = snapshot_of(WATCHED)
    _, found = decide_request(snapshot, request_, MONDAY_NOON)
    assert {snapshot.rules[place].name for place in unlocked(found).misses} == looked_at


def test_a_text_is_not_read_for_a_rule_that_is_never_reached() -> None:
    """The words of the system prompt are looked up where the first rule asks for them, and no sooner."""
    rules = """\
rules:
  - {name: first, when: {caller: bot}, route: [small]}
  - {name: system, when: {look_at: system, contains: invoice}, route: [large]}
  - {name: again, when: {look_at: system, contains: refund}, route: [other]}
"""
    snapshot = snapshot_of(rules)
    request = request_of(conversation_of("hello", system="about an invoice"))
    features, found = decide_request(snapshot, structs.replace(request, caller=Caller("bot")), MONDAY_NOON)
    assert unlocked(found).walked == 0
    assert "folded@system" not in features
    features, found = decide_request(snapshot, request, MONDAY_NOON)
    assert unlocked(found).walked == 1
    assert "folded@system" in features


def test_a_thousand_rules_on_one_feature_are_one_look_up() -> None:
    rules = [{"name": f"r{n}", "when": {"header.x-tenant": f"t{n}"}, "route": ["small"]} for n in range(1000)]
    snapshot = snapshot_of(file_of([*rules, {"name": "rest", "route": ["other"]}]))
    request = structs.replace(request_of("hello"), headers={"x-tenant": "t700"})
    assert snapshot.plan is not None
    assert list(places_for(snapshot.plan, features_of(snapshot, request))) == [700, 1000]


def test_a_thousand_limits_on_one_number_are_one_look_up() -> None:
    rules = [{"name": f"r{n}", "when": {"words": {"gt": 1000 - n}}, "route": ["small"]} for n in range(1000)]
    snapshot = snapshot_of(file_of([*rules, {"name": "rest", "route": ["other"]}]))
    assert snapshot.plan is not None
    assert list(places_for(snapshot.plan, features_of(snapshot, request_of("one two three")))) == [997, 998, 999, 1000]

"""What a row promises: the same Decision can be made from it again, and it holds nothing that anybody said."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.caller import Caller
from gateway.domain.chat import Conversation, Turn
from gateway.domain.decision import Decided, Decision
from gateway.domain.request import Request
from gateway.domain.snapshot import Snapshot
from gateway.engine.decide import decide_request, tried_of
from gateway.engine.explain import account_of
from gateway.engine.features import Features
from gateway.engine.match import describe
from gateway.engine.recall import decide_again, facts_of
from tests import strategies
from tests.fakes.values import MONDAY_NOON, conversation_of, features_of, request_of, snapshot_of
from tests.strategies import Written, file_of

CANARY = "kanarienvogel"


def kept(snapshot: Snapshot, request: Request, at: datetime = MONDAY_NOON) -> tuple[Features, Any, str]:
    """Decide, and give what the row keeps as the text that a log would hold."""
    features, decided = decide_request(snapshot, request, at)
    return features, decided, json.dumps(facts_of(snapshot, features, decided))


def reasons(decided: Decided, features: Features) -> list[tuple[str, str]]:
    return [(tried.rule.name, describe(tried.missed)) for tried in tried_of(decided, features)]


def singing(request: Request) -> Request:
    """Put a word in every place where a caller may say something."""
    said = request.read()
    turns = tuple(Turn(turn.role, f"{turn.text} {CANARY}", f"{CANARY} {turn.tool_text}") for turn in said.turns)
    heard = Conversation(f"{CANARY} {said.system}", turns, said.has, said.attachments, said.tools_text + CANARY)
    headers = {**request.headers, "x-canary": CANARY, "user-agent": CANARY}
    metadata = {**request.metadata, "canary": CANARY}
    body = json.dumps({"messages": [CANARY]}).encode()
    fields = {"messages": [CANARY]}
    return replace(request, read=lambda: heard, headers=headers, metadata=metadata, body=body, fields=fields)


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_a_row_gives_the_same_decision_for_the_same_reasons(
    rules: list[Written], request: Request, at: datetime
) -> None:
    """U-27: rule, chain, every rule tried and its first condition that failed, after a way through JSON."""
    snapshot = snapshot_of(file_of(rules))
    features, decided, row = kept(snapshot, request, at)
    features_again, again = decide_again(snapshot, json.loads(row), at)
    assert reasons(again, features_again) == reasons(decided, features)
    account, account_again = account_of(snapshot, features, decided), account_of(snapshot, features_again, again)
    unkept = {"deciding", "flip", "seen", "tried"}  # a row keeps no words, nor what its decision did not hang on
    assert {key: account_again[key] for key in account_again.keys() - unkept} == {
        key: account[key] for key in account.keys() - unkept
    }
    assert account_again["flip"] is None or set(account_again["flip"]["conditions"])
    for told, told_again in zip(account["tried"], account_again["tried"], strict=True):
        assert {**told, "seen": {}} == {**told_again, "seen": {}}


@given(strategies.rule_lists(), strategies.requests)
def test_a_row_holds_nothing_that_anybody_said(rules: list[Written], request: Request) -> None:
    """U-27, U-114, U-115: no text of prompt, system, tools, headers or metadata, whatever the rules look at."""
    watching = {
        "name": "watching",
        "priority": 9,
        "when": {
            "any": [
                {"contains": [CANARY], "words": {"gt": 999}},
                {"look_at": "system", "matches": CANARY, "words": {"gt": 999}},
                {"header.x-canary": CANARY, "words": {"gt": 999}},
                {"metadata.canary": {"glob": "*"}, "words": {"gt": 999}},
            ]
        },
        "route": [{"split": {"small": 1, "large": 1}}],
    }
    row = kept(snapshot_of(file_of([*rules, watching])), singing(request))[2]
    assert CANARY not in row
    assert "Support desk" not in row
    assert "seven" not in row


RULES = """\
rules:
  - {name: urgent, priority: 9, when: {contains: urgent}, route: [large]}
  - {name: app, priority: 8, route: [small],
     when: {header.x-app: shop, any: [{matches: "[0-9]{3}"}, {metadata.ticket: "7"}]}}
  - {name: dark, priority: 7, mode: shadow, when: {not: {contains: invoice}}, route: [other]}
  - {name: night, priority: 6, when: {time: {between: "22:00-06:00"}}, route: [other]}
  - {name: system, priority: 5, when: {look_at: system, words: {gt: 3}}, route: [other]}
  - {name: arms, priority: 4, when: {words: {gt: 2}, not: {contains: no}}, route: [{split: {small: 1, large: 1}}]}
  - {name: after, when: {contains: never}, route: [other]}
"""
BITS: dict[str, tuple[Request, str | None, str | None]] = {
    "the first rule keeps one bit": (request_of("urgent"), "urgent", "1"),
    "one bit for each private condition that was looked at, in order": (
        replace(request_of("error 404"), headers={"x-app": "shop"}),
        "app",
        "011-",
    ),
    "a shadow rule's bits are among them": (request_of("an invoice for me"), "arms", "00--10"),
    "those of a shadow rule that held too": (request_of("please do it"), "arms", "00--00"),
    "without a rule all bits are kept": (request_of("hello"), None, "00--0-0"),
}


@pytest.mark.parametrize(("request_", "rule", "bits"), BITS.values(), ids=BITS.keys())
def test_a_private_condition_is_kept_as_one_bit(request_: Request, rule: str | None, bits: str) -> None:
    snapshot = snapshot_of(RULES)
    row = json.loads(kept(snapshot, request_)[2])
    assert row["held"] == bits
    again = decide_again(snapshot, row, MONDAY_NOON)[1]
    assert (again.rule if isinstance(again, Decision) else None) == rule


def test_a_row_of_rules_without_private_conditions_keeps_no_bits() -> None:
    snapshot = snapshot_of("rules: [{name: all, route: [small]}]")
    assert "held" not in json.loads(kept(snapshot, request_of("hello"))[2])


def test_the_moment_is_the_rows_own() -> None:
    """The same row decides otherwise at another hour: the moment is no fact beside it."""
    snapshot = snapshot_of(RULES)
    row = json.loads(kept(snapshot, request_of("an invoice for me"))[2])
    assert "at" not in row
    night = decide_again(snapshot, row, MONDAY_NOON.replace(hour=23))[1]
    assert isinstance(night, Decision)
    assert night.rule == "night"


def test_a_feature_that_a_tried_rule_read_is_kept_though_it_is_no_standing_one() -> None:
    row = json.loads(kept(snapshot_of(RULES), request_of(conversation_of("an invoice for me", system="be kind")))[2])
    assert row["words@system"] == 2


@given(st.integers(0, 1000))
def test_an_arm_is_taken_again(number: int) -> None:
    """U-53: the hash of the conversation is kept where a split was settled by it, and only there."""
    snapshot = snapshot_of(RULES)
    _, decided, row = kept(snapshot, request_of(f"please do number {number:02}"))
    again = decide_again(snapshot, json.loads(row), MONDAY_NOON)[1]
    assert isinstance(again, Decision)
    assert (again.chain, again.split) == (decided.chain, decided.split)


@pytest.mark.parametrize("said", ["urgent", "hello"])
def test_without_a_split_no_hash_of_what_was_said_is_kept(said: str) -> None:
    only_last = RULES + "  - {name: last, when: {words: 99}, route: [{split: {small: 1, large: 1}}]}\n"
    assert "conversation_hash" not in kept(snapshot_of(only_last), request_of(said))[2]


def test_standing_features_are_kept_whatever_the_rules_look_at() -> None:
    """The facts of a row are golden: rows of today must be read by later versions."""
    request = replace(
        request_of("An invoice and a receipt, please"),
        max_tokens=70,
        caller=Caller("bot", "growth", frozenset({"vip", "eu"})),
    )
    facts: Mapping[str, Any] = json.loads(kept(snapshot_of("rules: [{name: all, route: [small]}]"), request)[2])
    features = features_of(snapshot_of(), request)
    assert facts == {
        "model": "auto",
        "surface": "chat",
        "stream": False,
        "max_tokens": 70,
        "prefer": "cost",
        "caller": "bot",
        "team": "growth",
        "tags": ["eu", "vip"],
        "turns": 1,
        "has": [],
        "estimated_tokens": features["estimated_tokens"],
        "words@user": 6,
        "characters@user": 32,
        "category@user": "billing",
        "confidence@user": 3 / (3 + 1),
        "complexity@user": "low",
        "score@user": features["score@user"],
        "needs_reasoning@user": False,
        "scores@user": {"billing": 3.0},
    }

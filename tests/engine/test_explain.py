"""What an account promises: the whole Decision in words and numbers that a person and a program can use."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from gateway.domain.request import Request
from gateway.engine.decide import decide_request
from gateway.engine.explain import ASSUMED_OUTPUT_TOKENS, account_of
from tests import strategies
from tests.fakes.values import MONDAY_NOON, features_of, request_of, snapshot_of
from tests.strategies import Written, file_of

RULES = """\
rules:
  - name: long
    priority: 10
    when: {words: {gt: 50}, prefer: quality}
    route: [large]
  - name: proofs
    priority: 9
    when: {category: proofs}
    route: [large]
  - name: shop
    priority: 8
    when:
      not: {any: [{contains: [invoice]}, {contains: [refund]}]}
    route: [small]
  - {name: dark, priority: 7, mode: shadow, route: [other]}
  - name: invoices
    when: {category: billing}
    route: paid
chains:
  paid: [{split: {small: 1, large: 1}}, other]
"""
SAID = (
    "Send the invoice and the receipt for the lemma, now that it is not yet spring in the mountains over there and we"
)


def account(request: Request, rules: str = RULES, at: datetime = MONDAY_NOON) -> dict[str, Any]:
    snapshot = replace(snapshot_of(rules), generation=12)
    features, decided = decide_request(snapshot, request, at)
    return account_of(snapshot, features, decided)


def test_the_account_of_a_decision() -> None:
    """Golden: every rule tried with the condition that failed and the value seen, words, runner-up, cost and flip."""
    told = account(request_of(SAID))
    arm = told["model"]
    input_usd, output_usd = {"small": (1, 2), "large": (10, 20)}[arm]
    features = features_of(snapshot_of(RULES), request_of(SAID))
    tokens = features["estimated_tokens"]
    assert told == {
        "rule": "invoices",
        "category": "billing",
        "confidence": round(3 / (3 + 1.5 + 1), 4),
        "complexity": "low",
        "score": round(features["score@user"], 4),
        "needs_reasoning": False,
        "estimated_tokens": tokens,
        "deciding": [{"word": "invoice", "weight": 1.5}, {"word": "receipt", "weight": 1.5}],
        "runner_up": {"category": "proofs", "score": 1.5},
        "generation": 12,
        "fingerprint": snapshot_of(RULES).fingerprint,
        "tried": [
            {
                "rule": "long",
                "file": "01.yaml",
                "line": 2,
                "failed": "words: gt 50",
                "seen": {"words": len(SAID.split())},
            },
            {
                "rule": "proofs",
                "file": "01.yaml",
                "line": 6,
                "failed": "category: proofs",
                "seen": {"category": "billing"},
            },
            {
                "rule": "shop",
                "file": "01.yaml",
                "line": 10,
                "failed": "not (any of (contains: [invoice], contains: [refund]))",
                "seen": {"contains: [invoice]": True, "contains: [refund]": False},
            },
        ],
        "flip": {"rule": "proofs", "conditions": ["category: proofs"]},
        "refused": False,
        "file": "01.yaml",
        "line": 16,
        "priority": 0,
        "because": "category: billing",
        "seen": {"model": "auto", "category": "billing"},
        "model": arm,
        "upstream_model": f"up-{arm}",
        "provider": "local",
        "chain_name": "paid",
        "chain": [arm, "other"],
        "incapable": [],
        "hedge": None,
        "affinity": None,
        "split": {"0": arm},
        "shadows": ["dark"],
        "estimated_cost_usd": (tokens * input_usd + ASSUMED_OUTPUT_TOKENS * output_usd) / 1e6,
        "assumed_output_tokens": ASSUMED_OUTPUT_TOKENS,
    }


def test_the_account_of_a_requested_model() -> None:
    told = account(structs.replace(request_of("hello there"), model="up-small", max_tokens=70))
    assert told["rule"] == "requested-model"
    assert (told["model"], told["upstream_model"], told["chain"]) == ("small", "up-small", ["small"])
    assert (told["file"], told["line"], told["priority"], told["split"]) == (None, None, None, None)
    assert told["because"] == "no rule took it, and the request names this model"
    assert told["seen"] == {}
    assert told["chain_name"] is None
    assert told["assumed_output_tokens"] == 70
    assert told["estimated_cost_usd"] == pytest.approx((told["estimated_tokens"] + 2 * 70) / 1e6)
    assert len(told["tried"]) == 5


def test_the_account_of_a_request_that_nothing_answers_to() -> None:
    told = account(structs.replace(request_of("hello there"), model="gpt-99"))
    assert (told["refused"], told["requested_model"]) == (True, "gpt-99")
    assert (told["rule"], told["model"], told["chain"]) == (None, None, [])
    assert told["flip"] == {
        "rule": "shop",
        "conditions": ["model: auto (implied: the rule mentions model nowhere)"],
    }


def test_no_limit_of_the_callers_is_a_limit_of_none() -> None:
    """A caller who asks for no output at all pays for none, which is not the same as saying nothing."""
    assert account(structs.replace(request_of("invoice"), max_tokens=0))["assumed_output_tokens"] == 0


RUNNERS_UP = {
    "another category with points": ("invoice, receipt and lemma", {"category": "proofs"}),
    "the best of two that tie": ("invoice and lemma", {"category": "proofs"}),
    "nobody where nothing else has points": ("invoice", None),
    "nobody where nothing has points": ("hello", None),
}


@pytest.mark.parametrize(("said", "runner_up"), RUNNERS_UP.values(), ids=RUNNERS_UP.keys())
def test_the_runner_up_has_the_most_points_of_the_others(said: str, runner_up: dict[str, str] | None) -> None:
    told = account(request_of(said))["runner_up"]
    assert told is None if runner_up is None else told["category"] == runner_up["category"]


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_every_account_is_json_and_tells_each_tried_rule_where_it_stands(
    rules: list[Written], request: Request, at: datetime
) -> None:
    """U-27, U-28: the same account for every surface that gives one."""
    told = account(request, file_of(rules), at)
    assert json.loads(json.dumps(told)) == told
    names = {rule["name"] for rule in rules}
    assert {each["rule"] for each in told["tried"]} <= names
    assert all(each["file"] == "01.yaml" and each["line"] >= 1 and each["seen"] for each in told["tried"])

"""The decider knows what the daemon knows: who answered a conversation, unless a budget wants it to move."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.budget import Spender
from gateway.domain.words import Prefer
from gateway.runtime.affinity import Pins
from gateway.runtime.decider import Decider
from gateway.runtime.exchange import Active
from gateway.runtime.health import HealthBoard
from gateway.runtime.spend import SpendBook
from tests.fakes.clock import HandClock
from tests.fakes.values import conversation_of, features_of, request_of, snapshot_of

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = """\
rules:
  - {name: cheap, priority: 1, when: {prefer: cost}, route: [small, large]}
  - {name: good, route: [large, small]}
budgets: {all: {limit: 1 USD, per: year, at: {50%: {prefer: cost}}}}
"""
SECOND_TURN = request_of(conversation_of("first", "an answer", "second"))


def account(prefer: Prefer, *, spent: bool, asked: Prefer | None = None) -> dict[str, Any]:
    """Give the account of a turn of a conversation that the dear model has answered."""
    clock, snapshot = HandClock(), snapshot_of(RULES)
    snapshot = dataclasses.replace(snapshot, defaults=dataclasses.replace(snapshot.defaults, prefer=prefer))
    book, pins = SpendBook(clock), Pins(clock, b"")
    book.take_up(snapshot.budgets, {})
    if spent:
        book.book(Spender(), clock.now(), 600_000_000)
    request = replace(SECOND_TURN, prefer=asked)
    pins.answered(features_of(snapshot, request)["conversation_hash"], "large")
    return Decider(HealthBoard(clock), book, pins, lambda: True).account(Active(snapshot, {}, AT), request, AT)


STAYS = {"model": "large", "stays": True}
WAYS: dict[str, tuple[Prefer, bool, Prefer | None, list[str], dict[str, Any] | None]] = {
    "a conversation stays": (Prefer.QUALITY, False, None, ["large", "small"], STAYS),
    "in a rule for cheap ones too": (Prefer.COST, False, None, ["large", "small"], STAYS),
    "a ladder moves it": (Prefer.QUALITY, True, None, ["small", "large"], None),
    "a ladder that changes nothing does not": (Prefer.COST, True, None, ["large", "small"], STAYS),
    "nor what the caller wants anyway": (Prefer.QUALITY, True, Prefer.COST, ["large", "small"], STAYS),
}


@pytest.mark.parametrize(("prefer", "spent", "asked", "chain", "affinity"), WAYS.values(), ids=WAYS.keys())
def test_a_budget_that_wants_cheaper_models_moves_conversations(
    prefer: Prefer, asked: Prefer | None, chain: list[str], affinity: dict[str, Any] | None, *, spent: bool
) -> None:
    """U-51: to stay would be to spend on as before; else a conversation stays wherever the rule has a place for it."""
    told = account(prefer, spent=spent, asked=asked)
    assert (told["rule"], told["chain"], told["affinity"]) == (
        "cheap" if Prefer.COST in {prefer, asked} or spent else "good",
        chain,
        affinity,
    )

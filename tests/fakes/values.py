"""Plain values for tests of pure functions: snapshots from YAML text, requests from a few words, attempts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from math import sqrt

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.request import AUTO, Request
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.domain.words import Failure, Surface
from gateway.engine.features import Features

MONDAY_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
REGISTRY = """\
providers:
  local: {kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}
models:
  small: {provider: local, model: up-small, price: {input: 1, output: 2}, context_window: 8000}
  large: {provider: local, model: up-large, price: {input: 10, output: 20}, context_window: 100000}
  other: {provider: local, model: up-other, price: free}
  twin: {provider: local, model: up-twin, price: free}
  double: {provider: local, model: up-twin, price: free}
categories:
  billing: {complexity: low, keywords: [invoice, receipt]}
  proofs: {complexity: high, needs_reasoning: true, keywords: [lemma, theorem]}
defaults: {shipped_categories: false, prefer: cost}
"""
"""Models with prices and windows of their own, two of them of one upstream model, and two categories."""


@cache
def compiler() -> Compiler:
    """Give one compiler for all tests: it remembers the files that it has checked."""
    return Compiler(catalogue.load())


def snapshot_of(*texts: str) -> Snapshot:
    """Compile rule files given as text, in byte order of their place; a set that is rejected is a broken test."""
    files = tuple(RuleFile(f"{place:02}.yaml", text.encode()) for place, text in enumerate((REGISTRY, *texts)))
    result = compiler().compile(files)
    assert isinstance(result, Snapshot), [str(problem) for problem in result.problems]
    return result


def conversation_of(*texts: str, system: str = "") -> Conversation:
    """Give a conversation whose turns are in turn the user's and the assistant's."""
    roles = (Role.USER, Role.ASSISTANT)
    return Conversation(system, tuple(Turn(roles[place % 2], text) for place, text in enumerate(texts)))


def request_of(said: str | Conversation) -> Request:
    """Give a chat request for `auto`; other fields are for `dataclasses.replace` to set."""
    conversation = conversation_of(said) if isinstance(said, str) else said
    return Request(Surface.CHAT, AUTO, stream=False, max_tokens=None, body=b"{}", fields={}, read=lambda: conversation)


def features_of(snapshot: Snapshot, request: Request, at: datetime = MONDAY_NOON) -> Features:
    """Give the features of a request as the gateway computes them."""
    return Features.of(request, snapshot.table, snapshot.defaults.prefer, at)


def attempt(position: int, failure: Failure | None, *, committed: bool = False, status: int = 0) -> Attempt:
    """Give an attempt at a place of a chain."""
    error = ProviderError(status) if failure is not None else None
    return Attempt(position, f"model-{position}", "local", failure, committed, error, status)


def within(count: int, total: int, share: float) -> bool:
    """Say whether a count out of independent draws is within five standard deviations of its share.

    A right share fails this for one of two million choices of the draws, and the draws of our tests are fixed.
    """
    return abs(count - total * share) <= 5 * sqrt(total * share * (1 - share))


def counted(pick: Callable[[int], str], draws: Sequence[int]) -> dict[str, int]:
    """Count how often each thing is picked."""
    counts: dict[str, int] = {}
    for draw in draws:
        thing = pick(draw)
        counts[thing] = counts.get(thing, 0) + 1
    return counts

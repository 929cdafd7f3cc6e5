"""Entries for the tests of the log and of the metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway.domain.attempt import Attempt, ProviderError, Skipped
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Outcome, Skip

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FACTS = {
    "model": "auto",
    "surface": "chat",
    "stream": True,
    "max_tokens": None,
    "prefer": "balanced",
    "caller": "growth-bot",
    "team": "growth",
    "tags": ["landing-page"],
    "turns": 3,
    "has": ["code", "system"],
    "estimated_tokens": 1843,
    "words@user": 212,
    "characters@user": 1204,
    "category@user": "code_generation",
    "confidence@user": 0.8571428571428571,
    "complexity@user": "medium",
    "score@user": 0.4375,
    "needs_reasoning@user": False,
    "scores@user": {"code_generation": 9.5, "data_analysis": 3.0, "question_answering": 1.0},
    "held": "0100",
    "conversation_hash": 0.7310585786300049,
}
USED = Usage(1200, 300, 40, 50, 600, 200, 7, 8, 9, 2, "priority")
FALLEN_BACK = (
    Attempt(0, "sonnet", "anthropic", Failure.OVERLOADED, error=ProviderError(529, message="secret words"), status=529),
    Skipped(1, "llama", Skip.INCAPABLE),
    Attempt(2, "gpt", "openai", None, True, status=200, duration_s=3.25, usage=USED, cost_nano_usd=12_345_678),
)
ENTRY = Entry(
    id="",
    at=NOON,
    generation=12,
    fingerprint="3f9a1c" * 10 + "3f9a",
    caller="growth-bot",
    team="growth",
    tags=("growth", "landing-page"),
    surface="chat",
    requested_model="auto",
    prompt_hash="9f86d081884c7d659a2feaa0c55ad015",
    rule="code",
    mode="live",
    shadows=("code-next",),
    category="code_generation",
    facts=FACTS,
    chain=("sonnet", "llama", "gpt"),
    model="gpt",
    upstream_model="gpt-5",
    response_model="gpt-5-2025-08-07",
    provider="openai",
    propensity=0.9,
    events=FALLEN_BACK,
    usage=USED,
    price_version="2026-11-20",
    cost_nano_usd=12_345_678,
    first_content_s=0.25,
    duration_s=4.5,
    overhead_s=0.0004,
    stream=True,
    simulated=False,
    outcome=Outcome.ANSWERED_AFTER_FALLBACK,
)


def id_at(at: datetime, number: int = 0) -> str:
    """Give a UUIDv7 of a moment; a larger number sorts later within the millisecond."""
    digits = f"{int(at.timestamp() * 1000):012x}7000{0x8000000000000000 + number:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def entry(number: int = 0, at: datetime | None = None, **changes: Any) -> Entry:  # noqa: ANN401 - any field
    """Give an entry with an id of its own, a millisecond after the one before."""
    moment = NOON + timedelta(milliseconds=number) if at is None else at
    return replace(replace(ENTRY, id=id_at(moment, number), at=moment), **changes)

"""The Entry: what the log keeps of one request. Never text of a prompt or an answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from gateway.domain.attempt import Event
from gateway.domain.usage import Usage
from gateway.domain.words import Mode, Outcome


class Entry(Struct, frozen=True, gc=False):
    """One request that has ended. What stands empty by default was never reached: a refused request has no model.

    `id` is its UUIDv7. `facts` are the feature values that a decision can be made from again, JSON values by feature
    key. `prompt_hash` is keyed with a key of the data directory. `model` is who answered, empty where nobody did;
    `response_model` is what the provider says answered. `usage` is that of all attempts. Seconds are since the
    request came; `first_content_s` None where no content came. `propensity` is the probability with which the route
    chose its model.
    """

    id: str
    at: datetime
    generation: int
    fingerprint: str
    surface: str
    outcome: Outcome
    duration_s: float
    overhead_s: float
    stream: bool
    simulated: bool
    caller: str = ""
    team: str = ""
    tags: tuple[str, ...] = ()
    requested_model: str = ""
    prompt_hash: str = ""
    rule: str = ""
    mode: str = Mode.LIVE
    shadows: tuple[str, ...] = ()
    category: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    chain: tuple[str, ...] = ()
    model: str = ""
    upstream_model: str = ""
    response_model: str = ""
    provider: str = ""
    propensity: float = 1.0
    events: tuple[Event, ...] = ()
    usage: Usage | None = None
    price_version: str = ""
    cost_nano_usd: int = 0
    first_content_s: float | None = None

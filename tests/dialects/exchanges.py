"""What the tests of several dialects say and expect: blame, facts about an answer, models, and odd JSON."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from hypothesis import strategies as st

from gateway.dialects.base import About, Blame
from gateway.domain.price import FREE, CatalogueModel, DatedPrice, PriceHistory
from gateway.domain.registry import Model
from gateway.domain.rule import Params
from gateway.domain.words import Prefer

ID = "018f3c5e-7b00-7000-8000-000000000000"
CREATED = 0x018F3C5E7B00 // 1000
BLAME = Blame("provider", [{"model": "m", "status": 500, "failure": "server_error"}])
ABOUT = About(ID, rule="code", category="code_generation", model="mini", provider="openai", cost_nano_usd=1_500_000)

# fmt: off
NAMES = [
    "role", "content", "type", "text", "input", "tool_calls", "function_call", "source", "delta", "usage",
    "message", "choices", "finish_reason", "stop_reason", "error", "id", "model", "refusal", "content_block",
    "thinking", "prompt_tokens", "input_tokens", "cache_control",
]
# fmt: on
ROLES = ("user", "assistant", "system")
numbers = st.one_of(st.integers(-5, 5), st.floats(-5, 5))
odd_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        numbers,
        st.sampled_from(
            ["", "text", "tool_result", "tool_use", "image", "image_url", "function", "user", "assistant", "system"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)
odd_parts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("type", "text", "input", "content", "refusal"), odd_values)
)
odd_messages = st.lists(
    st.one_of(
        odd_values,
        st.fixed_dictionaries({"role": odd_values, "content": st.one_of(odd_values, st.lists(odd_parts, max_size=3))}),
    ),
    max_size=4,
)


def model(provider: str = "", *, can: str = "", refuses: str = "") -> Model:
    """Give a model; with a provider it is one that the catalogue knows, with words for what it can and refuses."""
    prices = PriceHistory((DatedPrice(date.min, FREE),))
    known = CatalogueModel(
        provider, "up", prices, capabilities=frozenset(can.split()), refused_parameters=frozenset(refuses.split())
    )
    return Model("m", "p", "up", Prefer.COST, prices, "rules", known=known if provider else None)


MODEL = model()
"""A model of which nothing is known."""


def edits(**parts: Any) -> Params:  # noqa: ANN401 - JSON values
    """Give params that have these parts and no others."""
    return Params(parts.get("set", {}), parts.get("default", {}), parts.get("cap", {}), tuple(parts.get("drop", ())))


def chat(**fields: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON values
    """Give the fields of a request with one user turn, and these."""
    return {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}

"""What the tests of several dialects say and expect: blame, facts about an answer, and plain chats."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from gateway.dialects.base import About, Blame
from gateway.domain.chat import PlainChat, Role, Turn
from gateway.domain.rule import Params

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
numbers = st.one_of(st.integers(-5, 5), st.floats(-5, 5))
odd_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        numbers,
        st.sampled_from(["", "text", "tool_result", "tool_use", "image", "image_url", "user", "assistant", "system"]),
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
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
turns = st.builds(Turn, st.sampled_from(Role), words)
plain_chats = st.builds(
    PlainChat,
    system=st.one_of(st.just(""), words),
    turns=st.builds(lambda before, last: (*before, Turn(Role.USER, last)), st.lists(turns, max_size=4), words),
    stream=st.booleans(),
    max_tokens=st.integers(0, 9999),
    stop_sequences=st.lists(words, max_size=3).map(tuple),
    sampling=st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 1), "top_p": st.floats(0, 1)}),
)


def edits(**parts: Any) -> Params:  # noqa: ANN401 - JSON values
    """Give params that have these parts and no others."""
    return Params(parts.get("set", {}), parts.get("default", {}), parts.get("cap", {}), tuple(parts.get("drop", ())))


def chat(**fields: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON values
    """Give the fields of a request with one user turn, and these."""
    return {"model": "auto", "messages": [{"role": "user", "content": "Hello"}], **fields}

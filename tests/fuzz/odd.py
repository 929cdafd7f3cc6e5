"""What the fuzzers feed: JSON that is nearly right, and bytes that are nearly JSON."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.dialects.exchanges import NAMES

DEEP = 3000
WORDS = [
    "",
    " ",
    "text",
    "tool_use",
    "user",
    "assistant",
    "auto",
    "none",
    "data:image/png;base64,!",
    "https://",
    "\ud800",
]
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**30, 1e308, float("inf"), float("nan"), -0.0]),
    st.sampled_from(WORDS),
    st.text(max_size=5),
)
odd_json = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*NAMES, "", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON, with the extremes that readers stumble over."""


def _places(value: Any, path: tuple[Any, ...] = ()) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - decoded JSON
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


def _at(root: Any, path: Sequence[Any]) -> Any:  # noqa: ANN401 - decoded JSON
    for key in path:
        root = root[key]
    return root


@st.composite
def edited(draw: st.DrawFn, seed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - decoded JSON
    """Give a value that was right once: one to four of its parts are other ones, gone, twice there, or wrapped up."""
    root = {"": deepcopy(dict(seed))}
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(_places(root[""], ("",))))
        holder, key = _at(root, path[:-1]), path[-1]
        match draw(st.sampled_from(["replace", "replace", "remove", "repeat", "wrap", "wrap", "borrow"])):
            case "remove" if len(path) > 1:
                del holder[key]
            case "repeat" if isinstance(holder, list):
                holder.insert(key, deepcopy(holder[key]))
            case "wrap":
                holder[key] = [holder[key]]
            case "borrow":
                holder[key] = deepcopy(_at(root, draw(st.sampled_from(_places(root[""], ("",))))))
            case _:
                holder[key] = draw(odd_json)
    return root[""]


def written(value: Any, *, plain: bool) -> bytes:  # noqa: ANN401 - decoded JSON
    """Give JSON text as a careless program writes it: lone surrogates and infinities included."""
    return json.dumps(value, ensure_ascii=not plain).encode("utf-8", "surrogatepass")


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """Give bytes of which up to three stretches were lost, doubled, or are others."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        put = draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b"", data[start:end] * 2, b"\\", b'"', b"\r\n", b"[{"]))
        )
        data = data[:start] + put + data[end:]
    return data


@st.composite
def bodies(draw: st.DrawFn, seeds: Sequence[Mapping[str, Any]]) -> bytes:
    """Give a body: mostly a seed that was edited, sometimes spoiled, now and then something else altogether."""
    kind = draw(st.sampled_from(["edited"] * 6 + ["spoiled"] * 2 + ["json", "bytes", "deep"]))
    if kind == "bytes":
        return draw(st.binary(max_size=40))
    if kind == "deep":
        opening = draw(st.sampled_from([b"[", b'{"a":', b'{"messages":[', b'{"model":"auto","messages":[{"content":[']))
        return opening * draw(st.integers(1, DEEP))
    value = draw(odd_json if kind == "json" else edited(draw(st.sampled_from(seeds))))
    body = written(value, plain=draw(st.booleans()))
    return draw(spoiled(body)) if kind == "spoiled" else body

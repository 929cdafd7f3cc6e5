import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.dialects import edit
from gateway.domain.chat import Conversation
from gateway.domain.refusal import Refusal
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, Params
from gateway.domain.words import Surface
from tests.dialects.exchanges import MODEL, model

LIMITS = ("max_completion_tokens", "max_tokens")
json_texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(['"model"', 'say "model": "x"', "model", '\\"model\\":', "{[", "]}", "\\", '"', "\u2028🙂"]),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False), json_texts).filter(
        lambda value: value not in (float("inf"), float("-inf"))
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.just("model"), json_texts), inner, max_size=4),
    ),
    max_leaves=12,
)
spaces = st.sampled_from(["", " ", "\n  ", "\t\r\n"])


def spelled(text: str, *, escape: bool) -> str:
    """Give a JSON string; `escape` spells each character as an escape."""
    if not escape:
        return json.dumps(text, ensure_ascii=False)
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)) + '"'


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes, dict[str, Any]]:
    """Give what stands before the model's value, what follows it, and the other members."""
    others = draw(st.dictionaries(json_texts.filter(lambda name: name != "model"), json_values, max_size=4))
    members = [f"{spelled(n, escape=draw(st.booleans()))}{draw(spaces)}:{json.dumps(v)}" for n, v in others.items()]
    at = draw(st.integers(0, len(members)))
    key = spelled("model", escape=draw(st.booleans()))
    comma = draw(spaces) + "," + draw(spaces)
    before = "{" + draw(spaces) + "".join(each + comma for each in members[:at]) + key + draw(spaces) + ":" + " "
    after = "".join(comma + each for each in members[at:]) + draw(spaces) + "}"
    padding = " " * draw(st.sampled_from([0, edit._SMALL_BYTES]))
    return before.encode(), (after + padding).encode(), others


def request(body: bytes) -> Request:
    fields = edit.decode_object(body)
    assert not isinstance(fields, Refusal)
    model = edit.model_of(fields, body)
    assert not isinstance(model, Refusal)
    return Request(Surface.CHAT, model, False, None, body, fields, lambda: Conversation("", ()))


def passed(body: bytes, params: Params = NO_PARAMS, extra: Mapping[str, Any] | None = None) -> bytes:
    return edit.pass_on(request(body), MODEL, params, extra or {}, LIMITS).body


def params(**parts: Any) -> Params:  # noqa: ANN401 - JSON values
    return Params(parts.get("set", {}), parts.get("default", {}), parts.get("cap", {}), tuple(parts.get("drop", ())))


@given(bodies(), st.one_of(st.sampled_from(["auto", "model", 'a"b\\', "\\u006d"]), st.text(min_size=1, max_size=9)))
@example((b'{"a":{"model":"x"},"\\u006dodel":', b"}", {}), "auto")
@example((b'{"a":"\\"model","\\u006Dodel":', b',"b":"model"}', {}), "auto")
def test_without_params_only_the_models_string_differs(parts: tuple[bytes, bytes, dict[str, Any]], model: str) -> None:
    """U-42: every other byte is passed on, however the body is spelled and whatever it holds."""
    before, after, _ = parts
    body = before + spelled(model, escape=False).encode() + after
    assert request(body).model == model
    assert passed(body) == before + b'"up"' + after


@given(bodies())
def test_extra_keys_come_once_and_leave_the_rest(parts: tuple[bytes, bytes, dict[str, Any]]) -> None:
    before, after, others = parts
    extra = {"stream_options": {"include_usage": True}}
    assert json.loads(passed(before + b'"auto"' + after, extra=extra)) == {**others, "model": "up", **extra}


@pytest.mark.parametrize("key", ['"stream_options"', '"stream\\u005foptions"'])
@pytest.mark.parametrize("value", ["null", '{"include_usage": false}'])
def test_an_extra_key_that_the_body_has_is_replaced(key: str, value: str) -> None:
    """U-31: a key that stands twice would leave it to the provider which one counts."""
    body = f'{{"model": "auto", {key}: {value}, "x": 1.50}}'.encode()
    extra = {"stream_options": {"include_usage": True}}
    out = passed(body, extra=extra)
    assert json.loads(out, object_pairs_hook=list) == [
        ("model", "up"),
        ("stream_options", [("include_usage", True)]),
        ("x", 1.5),
    ]
    assert b"1.50" in out


def test_params_keep_the_bytes_of_values_they_do_not_touch() -> None:
    """U-42: unknown fields survive, as they were spelled."""
    body = b'{"model": "auto", "top_p": 0.50, "new": {"a" : [1.0, "\\u00fc"]}, "user": "x"}'
    out = passed(body, params(set={"top_p": 1}, drop=["user"]))
    assert b'{"a" : [1.0, "\\u00fc"]}' in out
    assert json.loads(out) == {"model": "up", "top_p": 1, "new": {"a": [1.0, "ü"]}}


def test_params_do_not_name_the_model() -> None:
    assert json.loads(passed(b'{"model": "auto"}', params(set={"model": "other"}))) == {"model": "up"}


NEW, OLD = LIMITS


@pytest.mark.parametrize(
    ("sent", "edits", "expected"),
    [
        pytest.param({"a": 1}, {"set": {"a": 2, "b": 3}}, {"a": 2, "b": 3}, id="set replaces and adds"),
        pytest.param({"a": 1}, {"default": {"a": 2, "b": 3}}, {"a": 1, "b": 3}, id="default adds"),
        pytest.param({"a": None}, {"default": {"a": 2}}, {"a": 2}, id="null is as if not sent"),
        pytest.param({"a": False}, {"default": {"a": True}}, {"a": False}, id="false was sent"),
        pytest.param({"a": 1, "b": 2}, {"drop": ["a", "z"]}, {"b": 2}, id="drop"),
        pytest.param({"t": 1.5}, {"cap": {"t": 1}}, {"t": 1}, id="cap lowers"),
        pytest.param({"t": 0.5}, {"cap": {"t": 1}}, {"t": 0.5}, id="cap leaves what is lower"),
        pytest.param({}, {"cap": {"t": 1}}, {}, id="cap of what is absent"),
        pytest.param({"t": True}, {"cap": {"t": 0}}, {"t": True}, id="true is no number"),
        pytest.param({}, {"cap": {OLD: 5}}, {OLD: 5}, id="an absent output limit is set"),
        pytest.param({OLD: None}, {"cap": {OLD: 5}}, {OLD: 5}, id="a null output limit is set"),
        pytest.param({NEW: None}, {"cap": {OLD: 5}}, {NEW: 5}, id="a null output limit is set where it stands"),
        pytest.param({OLD: "9"}, {"cap": {OLD: 5}}, {OLD: 5}, id="an output limit that is no number is set"),
        pytest.param({NEW: 9}, {"cap": {OLD: 5}}, {NEW: 5}, id="a cap means the newer name too"),
        pytest.param({OLD: 9}, {"cap": {NEW: 5}}, {OLD: 5}, id="a cap means the older name too"),
        pytest.param({NEW: 3}, {"cap": {OLD: 5}}, {NEW: 3}, id="a lower limit stays"),
        pytest.param({NEW: 3, OLD: 9}, {"cap": {OLD: 5}}, {NEW: 3, OLD: 5}, id="both names are capped"),
        pytest.param({NEW: 9}, {"set": {OLD: 5}}, {NEW: 5}, id="set means the newer name too"),
        pytest.param({NEW: 9}, {"default": {OLD: 5}}, {NEW: 9}, id="default sees the newer name"),
        pytest.param({}, {"default": {OLD: 5}}, {OLD: 5}, id="default writes the rule's name"),
        pytest.param({}, {"set": {OLD: 5}, "cap": {NEW: 4}}, {OLD: 4}, id="two names, one key"),
        pytest.param({OLD: 9}, {"drop": [OLD], "set": {NEW: 5}}, {NEW: 5}, id="drop first, then set"),
        pytest.param({NEW: 9}, {"drop": [OLD]}, {NEW: 9}, id="drop means the name it says"),
        pytest.param({}, {"cap": {"max_output_tokens": 5}}, {NEW: 5}, id="a name of another dialect"),
    ],
)
def test_edits_are_carried_out(sent: dict[str, Any], edits: dict[str, Any], expected: dict[str, Any]) -> None:
    fields = dict(sent)
    edit.apply(fields, params(**edits), LIMITS)
    assert fields == expected
    raw = passed(json.dumps({"model": "auto", **sent}).encode(), params(**edits))
    assert json.loads(raw) == {"model": "up", **expected}


@pytest.mark.parametrize("padding", [0, 5000])
@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "cheap", "model": "dear"}',
        b'{"model": "cheap", "mod\\u0065l": "dear"}',
        b'{"\\u006dodel": "cheap", "\\u006Dodel": "dear"}',
        b'{"model": 1, "messages": [{"model": 2}], "model": "dear"}',
        b'{"model": null, "model": "dear"}',
    ],
)
def test_a_body_that_names_two_models_is_refused(body: bytes, padding: int) -> None:
    """A provider might read the other one."""
    body += b" " * padding
    fields = edit.decode_object(body)
    assert not isinstance(fields, Refusal)
    refusal = edit.model_of(fields, body)
    assert isinstance(refusal, Refusal)
    assert refusal.param == "model"


@pytest.mark.parametrize("body", [b"{}", b'{"model": ""}', b'{"model": 1}', b'{"model": ["auto"]}', b'{"a": "model"}'])
def test_a_body_without_a_model_is_refused(body: bytes) -> None:
    fields = edit.decode_object(body)
    assert not isinstance(fields, Refusal)
    assert isinstance(edit.model_of(fields, body), Refusal)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "\xff"}',
        b'{"model": "auto"} x',
        b'{"a": [' + b"[]," * 3000 + b"1}",
        b"{}],[{}" + b" " * 5000,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b"[" * 1000,
    ],
    ids=range(11),
)
def test_bytes_that_are_no_json_object_are_refused(body: bytes) -> None:
    refusal = edit.decode_object(body)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_a_body_that_is_taken_can_be_walked_over_from_deeper_in_the_stack() -> None:
    """Whatever depth is let in, no later pass over the same body runs out of stack."""

    def deeper(levels: int, asked: Request) -> bytes:
        if levels:
            return deeper(levels - 1, asked)
        return edit.pass_on(asked, MODEL, params(drop=["b"]), {}, LIMITS).body

    taken = []
    for depth in range(500, 1001):
        body = b'{"model":"auto","b":1,"a":' + b"[" * depth + b"]" * depth + b"}"
        fields = edit.decode_object(body)
        if not isinstance(fields, Refusal):
            taken.append(depth)
            asked = Request(Surface.CHAT, "auto", False, None, body, fields, lambda: Conversation("", ()))
            assert deeper(30, asked).startswith(b'{"model":"up"')
    assert 0 < len(taken) < 501


def test_a_hostile_body_is_read_in_a_bounded_number_of_passes() -> None:
    """Thousands of needles and one long string cost a pass each, in time that no test needs to measure."""
    needles = b'{"messages": [' + b'{"model": "x"},' * 200_000 + b'0], "model": "auto"}'
    assert passed(needles) == needles.removesuffix(b'"auto"}') + b'"up"}'
    image = b'{"messages": ["' + b"QUJD" * 2_500_000 + b'"], "x": "' + b"\\n" * 1_000_000 + b'", "model": "auto"}'
    assert passed(image) == image.removesuffix(b'"auto"}') + b'"up"}'


@given(st.dictionaries(json_texts, json_values, max_size=5), st.integers(0, 3))
@example({"model": "m", "": {}}, 1)
def test_members_are_found_with_the_spans_of_their_values(fields: dict[str, Any], indent: int) -> None:
    body = json.dumps(fields, indent=indent or None, ensure_ascii=bool(indent % 2)).encode()
    found = [(each.name, json.loads(body[each.value : each.end])) for each in edit._members(body)]
    assert found == list(fields.items())


@st.composite
def spelled_bodies(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Give members as (name, text), their names spelled in any way, some of them more than once."""
    names = draw(st.lists(st.sampled_from(["model", "messages", "api_key", "base_url", "a,b", '{"']), max_size=6))
    values = [json.dumps(draw(json_values)) for _ in names]
    return [
        (name, f"{spelled(name, escape=draw(st.booleans()))}{draw(spaces)}:{draw(spaces)}{value}")
        for name, value in zip(names, values, strict=True)
    ]


@given(spelled_bodies(), st.lists(spaces, min_size=3, max_size=3))
@example([("api_key", '"api_key": "}, "')], ["", "", ""])
@example([("api_key", '"api_key":1'), ("model", '"model":"m"')], [" ", "\n", ""])
def test_members_are_taken_off_and_every_other_byte_stays(members: list[tuple[str, str]], gaps: list[str]) -> None:
    """U-108: all of a name, however it is spelled, and the members that stay are as they were sent."""
    before, between, after = gaps
    body = f"{{{before}{f'{between},{between}'.join(text for _, text in members)}{after}}}".encode()
    dropped = {"api_key", "base_url"}
    kept = [text for name, text in members if name not in dropped]
    out = edit.without(body, dropped)
    assert json.loads(out, object_pairs_hook=list) == [
        pair for pair in json.loads(body, object_pairs_hook=list) if pair[0] not in dropped
    ]
    if kept:
        assert out == f"{{{before}{f'{between},{between}'.join(kept)}{after}}}".encode()


gpt = model("openai", refuses="temperature max_tokens reasoning_effort thinking")


def kept(body: bytes, edits: Params = NO_PARAMS) -> tuple[bytes, tuple[str, ...]]:
    outgoing = edit.pass_on(request(body), gpt, edits, {}, LIMITS)
    return outgoing.body, outgoing.lost


@given(bodies())
def test_a_body_without_what_the_model_refuses_is_passed_on_byte_for_byte(
    parts: tuple[bytes, bytes, dict[str, Any]],
) -> None:
    """U-42, U-57."""
    before, after, others = parts
    assume(gpt.refuses.isdisjoint(others))
    assert kept(before + b'"m"' + after) == (before + b'"up"' + after, ())


@given(bodies(), json_values, st.sampled_from(["temperature", "reasoning_effort"]))
def test_what_the_model_refuses_is_left_out_and_named(
    parts: tuple[bytes, bytes, dict[str, Any]], value: object, name: str
) -> None:
    """U-57: named where it asked for something; every other value keeps its bytes."""
    before, after, others = parts
    assume(name not in others)
    member = f'"{name}": {json.dumps(value)},'.encode()
    body, lost = kept(b"{" + member + before[1:] + b'"m"' + after)
    assert json.loads(body) == {**others, "model": "up"}
    nothing = value in (None, "none") or (isinstance(value, dict) and value.get("type") == "disabled")
    assert lost == (() if nothing else (name,))


@pytest.mark.parametrize(
    ("sent", "edits", "expected", "lost"),
    [
        ({"max_tokens": 5}, {}, {"max_completion_tokens": 5}, ()),
        ({"max_tokens": 5, "max_completion_tokens": None}, {}, {"max_completion_tokens": 5}, ()),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {}, {"max_completion_tokens": 7}, ("max_tokens",)),
        ({"max_tokens": None}, {}, {}, ()),
        ({"max_tokens": 5}, {"cap": {"max_tokens": 3}}, {"max_completion_tokens": 3}, ()),
        ({}, {"cap": {"max_tokens": 3}}, {"max_completion_tokens": 3}, ()),
        ({"temperature": 0.5, "top_p": 0.1}, {"set": {"n": 2}}, {"top_p": 0.1, "n": 2}, ("temperature",)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "none"}, {}, {}, ()),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, {}, {}, ("reasoning_effort", "thinking")),
    ],
)
def test_an_output_limit_goes_on_under_the_name_that_the_model_takes(
    sent: Mapping[str, Any], edits: Mapping[str, Any], expected: Mapping[str, Any], lost: tuple[str, ...]
) -> None:
    """U-57: it keeps its value and is not named as dropped; the limits of rules and budgets arrive too."""
    body, named = kept(json.dumps({"model": "m", **sent}).encode(), params(**edits) if edits else NO_PARAMS)
    assert json.loads(body) == {"model": "up", **expected}
    assert named == lost


def test_a_limit_that_the_model_takes_under_no_name_is_named() -> None:
    refusing = model("openai", refuses="max_tokens max_completion_tokens")
    outgoing = edit.pass_on(request(b'{"model":"m","max_tokens":5}'), refusing, NO_PARAMS, {}, LIMITS)
    assert (json.loads(outgoing.body), outgoing.lost) == ({"model": "up"}, ("max_tokens",))

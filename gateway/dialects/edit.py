"""The documented edits of a request body that stays in its dialect.

A body with no edit but the model name is passed on byte for byte around it. Any other edit keeps the bytes of every
value that it does not touch.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.dialects.base import Outgoing
from gateway.dialects.carry import Lost
from gateway.dialects.fields import UNREADABLE
from gateway.dialects.sse import BACKSLASH
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, OUTPUT_LIMITS, Params

ELSEWHERE = frozenset(
    {
        *("api_base", "api_key", "api_type", "api_version", "auth_token", "azure_ad_token", "azure_endpoint"),
        *("aws_access_key_id", "aws_region_name", "aws_secret_access_key", "aws_session_token", "base_url"),
        *("custom_llm_provider", "default_headers", "extra_body", "extra_headers", "extra_query", "headers"),
        *("organization", "proxy", "vertex_credentials", "vertex_location", "vertex_project"),
    }
)
"""Settings of client libraries, which some programs send in the body: where to connect, and as whom.

No provider's API has them, and other gateways have obeyed them.
"""

LONGEST_MODEL_NAME = 200
"""Characters of a model's name; it stands in every row."""

_MODEL = b'"model"'
_ESCAPED = b"\\u006"
"""How every escape of a letter of `model` begins."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TO_VALUE = re.compile(rb"[\s{,]*(" + _STRING + rb")\s*:\s*", re.DOTALL)
_MODEL_VALUE = re.compile(rb"\s*:\s*(" + _STRING + rb")", re.DOTALL)

_SMALL_BYTES = 4096
"""In a body up to this size a search for bytes is quicker than another pass of the decoder."""
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[{")
_SHALLOW = 400
"""A body with no more brackets than these is not nested too deeply."""
_ROOM = 64
"""How many levels deeper than the body itself the decoder must be able to go."""
_NULL = b"null"


class _Key:
    """The name of a member. Two of one name are two keys, so that a dictionary keeps both."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_decode_any: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder().decode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_members = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda _, name: _Key(name)).decode
_encode = msgspec.json.encode


def decode_object(body: bytes) -> dict[str, Any] | Refusal:
    """Decode a JSON object, or say what keeps the body from being one.

    A body that is nested almost too deeply to be decoded is refused as well: whoever walks over it later stands deeper
    in the stack than this function does.
    """
    if not body.strip():
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body is empty")
    try:
        if len(body) <= _SMALL_BYTES and len(body.translate(None, _NO_BRACKETS)) <= _SHALLOW:
            return _decode(body)
        return _decode_with_room(body)
    except RecursionError:
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body is nested too deeply")
    except UNREADABLE as error:
        return Refusal(RefusalKind.INVALID_REQUEST, f"the request body is not a JSON object: {str(error).lower()}")


def _decode_with_room(body: bytes) -> dict[str, Any]:
    level: Any = _decode_any(b"[" * _ROOM + body + b"]" * _ROOM)
    for _ in range(_ROOM):
        if len(level) != 1:
            return _decode(body)  # it closed our brackets and opened its own: the error is the decoder's to name
        level = level[0]
    return level if type(level) is dict else _decode(body)


def model_of(fields: Mapping[str, Any], body: bytes) -> str | Refusal:
    """Give the model that is asked for; a body that names two is refused, for a provider might read the other."""
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'model': a model's name, or 'auto'", "model")
    if len(model) > LONGEST_MODEL_NAME:
        return Refusal(RefusalKind.INVALID_REQUEST, f"'model' is longer than {LONGEST_MODEL_NAME} characters", "model")
    if _only_key(body) is None and sum(each.name == "model" for each in _members(body)) > 1:
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body has the key 'model' twice", "model")
    return model


def pass_on(
    request: Request, model: Model, params: Params, extra: Mapping[str, Any], limits: Sequence[str]
) -> Outgoing:
    """Give the body for the provider: its own model name, the step's edits, and `extra` keys on top.

    What the model is known to refuse is left out. `limits` are the dialect's own names for the output limit, see
    `apply`.
    """
    body, fields = request.body, request.fields
    refused = bool(model.refuses) and not model.refuses.isdisjoint(fields)
    if params is NO_PARAMS and not refused and not (extra and extra.keys() & fields.keys()):
        start, end = _model_value(body)
        body = body[:start] + _encode(model.upstream) + body[end:]
        return Outgoing(_prepend(body, extra) if extra else body)
    raw: dict[str, Any] = dict(_decode_raw(body))
    apply(raw, params, limits)
    lost = Lost()
    withhold(raw, model, limits, lost)
    raw.update(extra)
    raw["model"] = model.upstream
    return Outgoing(_encode(raw), lost.names)


def apply(fields: dict[str, Any], params: Params, limits: Sequence[str]) -> None:
    """Carry out a step's edits on the top level of a body; values may be raw JSON, and null is as if not sent.

    `set`, `default` and `cap` of an output limit address the one that the body has, under whichever of the dialect's
    names in `limits`; where it has none, the name of the rule, if that is one of the dialect's. A cap lowers numbers
    that the caller sent; an output limit is set where the caller sent none, for then the model's own would hold.
    """
    for name in params.drop:
        fields.pop(name, None)
    for name, value in params.set.items():
        fields.update(dict.fromkeys(_addressed(name, fields, limits), value))
    for name, value in params.default.items():
        fields.update({each: value for each in _addressed(name, fields, limits) if _absent(fields, each)})
    for name, most in params.cap.items():
        for each in _addressed(name, fields, limits):
            value = fields.get(each)
            if isinstance(value, msgspec.Raw):
                value = _decode_any(value)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value > most if number else name in OUTPUT_LIMITS:
                fields[each] = most


def limits_output(params: Params) -> bool:
    """Say whether a step's edits give requests a limit on the output."""
    return any(name in part for part in (params.set, params.default, params.cap) for name in OUTPUT_LIMITS)


def withhold(fields: dict[str, Any], model: Model, limits: Sequence[str], lost: Lost) -> None:
    """Take out the parameters that a model is known to answer with an error, and name those that asked for something.

    An output limit goes on under another of the dialect's names in `limits` that the model does not refuse, and is not
    named. Values may be raw JSON.
    """
    for name in fields.keys() & model.refuses:
        value = fields.pop(name)
        if _asks_for_nothing(value):
            continue
        others = [each for each in limits if each not in model.refuses] if name in limits else []
        if others and _absent(fields, others[0]):
            fields[others[0]] = value
        else:
            lost.add(name)


def _asks_for_nothing(value: Any) -> bool:  # noqa: ANN401 - decoded or raw JSON
    """Say whether a value is as if it were not there: null, or the words that ask a model not to think."""
    if isinstance(value, msgspec.Raw):
        value = _decode_any(value)
    return value in (None, "none") or (isinstance(value, dict) and value.get("type") == "disabled")


def _addressed(name: str, fields: Mapping[str, Any], limits: Sequence[str]) -> Sequence[str]:
    """Give the keys of a body that a rule means by `name`."""
    if name not in OUTPUT_LIMITS:
        return (name,)
    there = [each for each in limits if each in fields]
    sent = [each for each in there if not _absent(fields, each)]
    return sent or there[:1] or ((name,) if name in limits else limits[:1])


def _absent(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    return value is None or (isinstance(value, msgspec.Raw) and bytes(value) == _NULL)


def _prepend(body: bytes, extra: Mapping[str, Any]) -> bytes:
    """Put keys that the body does not have in front of those it has."""
    brace = body.index(b"{") + 1
    return body[:brace] + _encode(extra)[1:-1] + b"," + body[brace:]


def _only_key(body: bytes) -> int | None:
    """Give where the one key `model` of the body ends, if it is plain, without decoding, that there is no other."""
    if len(body) > _SMALL_BYTES:
        return None
    place = body.rfind(_MODEL)  # from the end and for a lone backslash first: each is twice as quick as the other way
    if place < 0 or place != body.find(_MODEL) or (BACKSLASH in body and _ESCAPED in body):
        return None
    return place + len(_MODEL)


def _model_value(body: bytes) -> tuple[int, int]:
    """Find the value of the key `model`, which the body has once, as the span of a JSON string with its quotes."""
    if (key_end := _only_key(body)) is not None and (value := _MODEL_VALUE.match(body, key_end)) is not None:
        return value.span(1)
    return next((each.value, each.end) for each in _members(body) if each.name == "model")


def without(body: bytes, names: Container[str]) -> bytes:
    """Take members off the top level of a body, every one of these names, and keep every byte of the others."""
    members = list(_members(body))
    kept = [place for place, member in enumerate(members) if member.name not in names]
    parts = [body[: members[0].key]] if members else []
    for place in kept:
        last = place == kept[-1]
        parts.append(body[members[place].key : members[place].end if last else members[place + 1].key])
    return b"".join((*parts, body[members[-1].end :])) if members else body


class _Member(NamedTuple):
    """A member of an object: its name, where its key and its value begin, and where the value ends."""

    name: str
    key: int
    value: int
    end: int


def _members(body: bytes) -> Iterator[_Member]:
    """Give the members of the top level in their order."""
    at = 0
    for key, raw in _decode_members(body).items():
        to_value = _TO_VALUE.match(body, at)
        if to_value is None:
            raise ValueError("a member of a JSON object has no key")
        at = to_value.end() + memoryview(raw).nbytes
        yield _Member(key.name, to_value.start(1), to_value.end(), at)

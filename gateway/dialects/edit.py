"""The documented edits of a request body that stays in its dialect.

A body with no edit but the model name is passed on byte for byte around it. Any other edit keeps the bytes of every
value that it does not touch.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.rule import NO_PARAMS, Params

_MODEL = b'"model"'
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_AFTER_KEY = re.compile(rb"\s*:\s*")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode


def decode_object(body: bytes) -> dict[str, Any] | Refusal:
    """Decode a JSON object, or say what keeps the body from being one."""
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        return Refusal(RefusalKind.INVALID_REQUEST, f"the request body is not a JSON object: {str(error).lower()}")
    except RecursionError:
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body is nested too deeply")


def model_of(fields: Mapping[str, Any], body: bytes) -> str | Refusal:
    """Give the model that is asked for; a body that names two is refused, for a provider might read the other."""
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'model': a model's name, or 'auto'", "model")
    if body.count(_MODEL) > 1 and len(_model_values(body)) > 1:
        return Refusal(RefusalKind.INVALID_REQUEST, "the request body has the key 'model' twice", "model")
    return model


def pass_on(body: bytes, upstream_model: str, params: Params, extra: Mapping[str, Any]) -> bytes:
    """Give the body for the provider: its own model name, the step's edits, and `extra` keys on top."""
    if params is NO_PARAMS:
        values = _model_values(body)
        if len(values) == 1:
            start, end = values[0]
            body = body[:start] + _encode(upstream_model) + body[end:]
            return _prepend(body, extra) if extra else body
    raw: dict[str, Any] = dict(_decode_raw(body))
    raw["model"] = upstream_model
    apply(raw, params)
    raw.update(extra)
    return _encode(raw)


def apply(fields: dict[str, Any], params: Params) -> None:
    """Carry out a step's edits on the top level of a body; values may be raw JSON."""
    for name in params.drop:
        fields.pop(name, None)
    fields.update(params.set)
    for name, value in params.default.items():
        fields.setdefault(name, value)
    for name, most in params.cap.items():
        value = fields.get(name)
        if isinstance(value, msgspec.Raw):
            value = msgspec.json.decode(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or value > most:
            fields[name] = most


def _prepend(body: bytes, extra: Mapping[str, Any]) -> bytes:
    """Put keys that the body does not have in front of those it has."""
    brace = body.index(b"{") + 1
    return body[:brace] + _encode(extra)[1:-1] + b"," + body[brace:]


def _model_values(body: bytes) -> list[tuple[int, int]]:
    """Find the values of the top-level key `model`, as spans of the JSON string with its quotes."""
    if body.count(_MODEL) == 1:
        at = body.index(_MODEL) + len(_MODEL)
        span = _value_after(body, at)
        if span is not None and body.count(b"{", 0, at) == 1:
            return [span]
    spans = []
    depth = 0
    for token in _TOKEN.finditer(body):
        first = token.group()[0]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        elif depth == 1 and token.group() == _MODEL:
            span = _value_after(body, token.end())
            if span is not None:
                spans.append(span)
    return spans


def _value_after(body: bytes, at: int) -> tuple[int, int] | None:
    colon = _AFTER_KEY.match(body, at)
    value = _STRING.match(body, colon.end()) if colon else None
    return value.span() if value else None

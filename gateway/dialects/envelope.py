"""Reading a request with `model` on its top level, and `messages`: what the dialects have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.dialects.edit import ELSEWHERE, decode_object, model_of, without
from gateway.dialects.fields import count_of, metadata_of, prefer_of
from gateway.domain.chat import Conversation
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.words import Surface


class Opened(Struct, frozen=True, gc=False):
    """A request body with a `model`; `dropped` names what was taken off body and fields alike."""

    body: bytes
    fields: Mapping[str, Any]
    model: str
    dropped: tuple[str, ...]


def opened(body: bytes) -> Opened | Refusal:
    """Read a body that is an object with `model`, or say what keeps it from being one.

    What names another place to connect to, or another credential, is dropped.
    """
    fields = decode_object(body)
    if isinstance(fields, Refusal):
        return fields
    dropped = () if ELSEWHERE.isdisjoint(fields) else tuple(name for name in fields if name in ELSEWHERE)
    if dropped:
        body = without(body, dropped)
        fields = {name: value for name, value in fields.items() if name not in dropped}
    model = model_of(fields, body)
    return model if isinstance(model, Refusal) else Opened(body, fields, model, dropped)


def _limit(fields: Mapping[str, Any], names: Sequence[str]) -> int | None:
    for name in names:
        if (most := count_of(fields.get(name))) is not None:
            return most
    return None


def read_chat(
    body: bytes,
    headers: Mapping[str, str],
    surface: Surface,
    limits: Sequence[str],
    conversation_of: Callable[[Mapping[str, Any]], Conversation],
) -> Request | Refusal:
    """Read a request whose body is an object with `model` and `messages`; `limits` name its output limit."""
    whole = opened(body)
    if isinstance(whole, Refusal):
        return whole
    fields = whole.fields
    if not isinstance(fields.get("messages"), list):
        return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'messages': a list", "messages")
    return Request(
        surface=surface,
        model=whole.model,
        stream=fields.get("stream") is True,
        max_tokens=_limit(fields, limits),
        body=whole.body,
        fields=fields,
        read=lambda: conversation_of(fields),
        prefer=prefer_of(headers),
        headers=headers,
        metadata=metadata_of(fields),
        dropped=whole.dropped,
    )

"""Reading a request with `model` and `messages` on its top level: what both chat dialects have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.dialects.edit import decode_object, model_of
from gateway.dialects.fields import count_of, metadata_of, prefer_of
from gateway.domain.chat import Conversation
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import Request
from gateway.domain.words import Surface


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
    fields = decode_object(body)
    if isinstance(fields, Refusal):
        return fields
    model = model_of(fields, body)
    if isinstance(model, Refusal):
        return model
    if not isinstance(fields.get("messages"), list):
        return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'messages': a list", "messages")
    return Request(
        surface=surface,
        model=model,
        stream=fields.get("stream") is True,
        max_tokens=_limit(fields, limits),
        body=body,
        fields=fields,
        read=lambda: conversation_of(fields),
        prefer=prefer_of(headers),
        headers=headers,
        metadata=metadata_of(fields),
    )

"""Reading a request with `model` and `messages` on its top level: what both chat dialects have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.dialects.edit import ELSEWHERE, decode_object, model_of, without
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
    """Read a request whose body is an object with `model` and `messages`; `limits` name its output limit.

    What names another place to connect to, or another credential, is dropped from fields and body alike.
    """
    fields = decode_object(body)
    if isinstance(fields, Refusal):
        return fields
    dropped = () if ELSEWHERE.isdisjoint(fields) else tuple(name for name in fields if name in ELSEWHERE)
    if dropped:
        body = without(body, dropped)
        fields = {name: value for name, value in fields.items() if name not in dropped}
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
        dropped=dropped,
    )

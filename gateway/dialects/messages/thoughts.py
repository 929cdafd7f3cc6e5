"""Thoughts that a provider would not take back, or did not: taken out of a messages request, whose other bytes stay.

A provider signs what its models thought and refuses what it did not sign: thoughts of another provider's model, or of
another account. Source: the API's guide to extended thinking.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.dialects.fields import UNREADABLE, dict_of, list_of, text_of
from gateway.domain.attempt import ProviderError

_KINDS = frozenset({"thinking", "redacted_thinking"})
_WORD = b'thinking"'
_REASONS = ("signature", "cannot be modified", "invalid `data`", "expected `thinking`")
_Members = dict[str, msgspec.Raw]
_decode = msgspec.json.decode
_encode = msgspec.json.encode


class Without(NamedTuple):
    """A body without some thoughts; `asked` says that it does not ask for more of them either, as it did before."""

    body: bytes
    thoughts: bool
    asked: bool


def turned_down(error: ProviderError) -> bool:
    """Say whether a provider refused a request for the thoughts in it, or for those that are missing."""
    said = error.message.lower()
    return error.status == 400 and "thinking" in said and any(reason in said for reason in _REASONS)


def has_unsigned(fields: Mapping[str, Any], body: bytes) -> bool:
    """Say whether a request holds a thought that nobody signed, which no provider takes back; `fields` are its body."""
    if body.find(_WORD) < 0:  # nearly all requests
        return False
    blocks = (
        block for message in list_of(fields.get("messages")) for block in list_of(dict_of(message).get("content"))
    )
    return any(_is_unsigned(dict_of(block)) for block in blocks)


def without_thoughts(body: bytes, *, signed: bool) -> Without:
    """Take thoughts out of a body: those that nobody signed, or with `signed` all of them.

    A message that held nothing else goes too. Where the model waits for the result of a tool, and what it thought when
    it asked for that is not there, it may not be asked to think: the switch is taken out.
    """
    try:
        fields: _Members = dict(_decode(body, type=_Members))
        messages = _decode(fields["messages"], type=list[msgspec.Raw])
        kept = [_kept(message, signed=signed) for message in messages]
        left = [message for message in kept if message is not None]
        asked = _WORD in body and _may_not_think(fields, [_decode(message) for message in left[-2:]])
    except (*UNREADABLE, msgspec.ValidationError, KeyError):
        return Without(body, thoughts=False, asked=False)
    thoughts = any(new is not old for new, old in zip(kept, messages, strict=True))
    if thoughts:
        fields["messages"] = msgspec.Raw(_encode(left))
    if asked:
        del fields["thinking"]
    return Without(_encode(fields) if thoughts or asked else body, thoughts, asked)


def _kept(message: msgspec.Raw, *, signed: bool) -> msgspec.Raw | None:
    """Give a message without its thoughts, the same object where it has none, None where nothing is left of it."""
    if _WORD not in bytes(message):
        return message
    members = _decode(message, type=_Members)
    content = members.get("content", msgspec.Raw(b"null"))
    if not bytes(content).startswith(b"["):
        return message
    blocks = _decode(content, type=list[msgspec.Raw])
    kept = [block for block in blocks if not _goes(block, signed=signed)]
    if len(kept) == len(blocks):
        return message
    return msgspec.Raw(_encode({**members, "content": kept})) if kept else None


def _goes(block: msgspec.Raw, *, signed: bool) -> bool:
    if _WORD not in bytes(block):
        return False
    read = dict_of(_decode(block))
    return text_of(read.get("type")) in _KINDS if signed else _is_unsigned(read)


def _is_unsigned(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "thinking" and not text_of(block.get("signature"))


def _may_not_think(fields: _Members, last: Sequence[Any]) -> bool:
    """Say whether a request asks to think within the turn of a tool that did not begin with a thought."""
    if dict_of(_decode(fields.get("thinking", b"null"))).get("type") != "enabled" or len(last) < 2:
        return False
    said, results = (list_of(dict_of(message).get("content")) for message in last)
    waits = any(dict_of(block).get("type") == "tool_result" for block in results)
    return waits and dict_of(next(iter(said), None)).get("type") not in _KINDS

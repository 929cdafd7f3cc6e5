"""What a request may not ask for, because the gateway keeps no state: checked before anything is decided."""

from collections.abc import Mapping
from typing import Any

from gateway.dialects.fields import list_of
from gateway.domain.refusal import Refusal, RefusalKind

_STATELESS = "the gateway keeps no state"
_SEND_ALL = f"{_STATELESS}: send the whole conversation in 'input'"
_WORDS = {
    "previous_response_id": _SEND_ALL,
    "conversation": _SEND_ALL,
    "background": f"{_STATELESS}, so that an answer cannot be fetched later: leave it out, or say false",
    "prompt": f"{_STATELESS}, and no stored prompts: write it in 'instructions' and 'input'",
    "store": f"{_STATELESS}, and answers cannot be fetched later: leave it out, or say false",
}


def stateful(fields: Mapping[str, Any]) -> Refusal | None:
    """Refuse a request that means something stored, naming the field; None for any other."""
    for name, words in _WORDS.items():
        if fields.get(name):
            return _refused(name, words)
    for place, item in enumerate(list_of(fields.get("input"))):
        if isinstance(item, dict) and _refers(item):
            words = f"refers to a stored item, and {_STATELESS}: send the item itself"
            return Refusal(RefusalKind.INVALID_REQUEST, f"'input[{place}]' {words}", f"input[{place}]")
    return None


def _refers(item: Mapping[str, Any]) -> bool:
    """Say whether an item is but the id of one; it may leave out that this is its type."""
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "id" in item and "role" not in item)


def _refused(name: str, words: str) -> Refusal:
    return Refusal(RefusalKind.INVALID_REQUEST, f"'{name}' is not possible here: {words}", name)

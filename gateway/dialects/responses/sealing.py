"""What only its provider can read of a thought, as the `encrypted_content` of a reasoning item, and back.

The gateway keeps no state and has no key: the caller holds what a provider sealed, and sends it back. A mark in front
says whose it is, so that it goes to no other provider. Nothing is ever made up: a thought that came without a
signature has no `encrypted_content`.
"""

from collections.abc import Mapping
from typing import Any

from gateway.dialects.fields import list_of, text_of
from gateway.domain.message import Thinking

ITEM_ID = "rs_rulegate_"
"""How the ids of reasoning items begin that the gateway wrote; no provider knows them."""
_SIGNED, _REDACTED = "rulegate.anthropic.signed.", "rulegate.anthropic.redacted."
"""The marks. Of the providers that others' thoughts are translated for, Anthropic alone seals them."""


def sealed(signature: str, redacted: str) -> str | None:
    """Give the `encrypted_content` of a thought, None for one that its provider did not seal."""
    if redacted:
        return _REDACTED + redacted
    return _SIGNED + signature if signature else None


def thought_of(item: Mapping[str, Any]) -> Thinking:
    """Read a reasoning item; what another provider sealed is left out of it."""
    seal = text_of(item.get("encrypted_content"))
    if seal.startswith(_REDACTED):
        return Thinking("", redacted=seal.removeprefix(_REDACTED))
    parts = list_of(item.get("summary")) or list_of(item.get("content"))
    text = "".join(text_of(part.get("text")) for part in parts if isinstance(part, dict))
    return Thinking(text, seal.removeprefix(_SIGNED) if seal.startswith(_SIGNED) else "")


def is_ours(item: object) -> bool:
    """Say whether it is a reasoning item that the gateway wrote for a provider of another dialect."""
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    seal = text_of(item.get("encrypted_content"))
    return text_of(item.get("id")).startswith(ITEM_ID) or seal.startswith((_SIGNED, _REDACTED))

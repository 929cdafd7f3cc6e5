"""What conditions see of a request, each value computed at most once and only when something reads it.

A feature has a key. Keys that read text end in where they look: `words@user`, `words@conversation`, `words@system`.
`Features.of` starts from a request; `Features.recorded` starts from the values of a log row.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

from gateway.domain.category import Classification, Table
from gateway.domain.chat import Conversation, Role
from gateway.domain.request import Request
from gateway.domain.words import Prefer
from gateway.engine.classify import classify
from gateway.engine.complexity import complexity_of, needs_reasoning_of
from gateway.engine.estimate import estimate_tokens
from gateway.engine.text import folded

LOOKS = ("user", "conversation", "system")
ATTACHMENT_TOKENS = 1_000
"""What one image or document is taken for; providers charge 85 to 1,600 for an image."""
TURN_TOKENS = 4
"""What the framing of one message costs in the providers' chat templates."""


class Features:
    """Lazily computed values by feature key. An unknown key is a KeyError."""

    __slots__ = ("_request", "_table", "_values")

    def __init__(self, request: Request | None, table: Table | None, values: dict[str, Any]) -> None:
        self._request = request
        self._table = table
        self._values = values

    @classmethod
    def of(cls, request: Request, table: Table, prefer: Prefer, at: datetime) -> Self:
        """Start from a request; `prefer` is the default where the caller has none, `at` is an aware time."""
        return cls(request, table, {"at": at, "prefer": request.prefer or prefer})

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> Self:
        """Start from recorded values; keys that were not recorded are KeyErrors."""
        return cls(None, None, dict(values))

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a feature may be any scalar, word set or table
        try:
            return self._values[key]
        except KeyError:
            value = self._values[key] = self._compute(key)
            return value

    @property
    def request(self) -> Request:
        """The request; a KeyError for recorded features, as for any feature that was not recorded."""
        if self._request is None:
            raise KeyError("request")
        return self._request

    @property
    def conversation(self) -> Conversation:
        """The conversation, read from the body at the first use."""
        value: Conversation = self["conversation"]
        return value

    def classification(self, look: str = "user") -> Classification:
        """The scores of all categories for the text that `look` names."""
        value: Classification = self[f"classification@{look}"]
        return value

    def _compute(self, key: str) -> Any:  # noqa: ANN401 - as __getitem__
        if self._request is None:
            raise KeyError(key)
        if (plain := _PLAIN.get(key)) is not None:
            return plain(self)
        name, at, look = key.partition("@")
        if at:
            return _TEXT[name](self, look)
        kind, dot, field = key.partition(".")
        if dot and kind == "header":
            return self.request.headers.get(field, "")
        if dot and kind == "metadata":
            return self.request.metadata.get(field, "")
        raise KeyError(key)

    def classified(self, look: str) -> Classification:
        """Classify now; `classification` is the remembered form."""
        if self._table is None:
            raise KeyError(f"classification@{look}")
        return classify(self[f"text@{look}"], self._table)

    def judged(self, look: str) -> tuple[Any, float]:
        """Give the complexity and the score behind it."""
        if self._table is None:
            raise KeyError(f"judged@{look}")
        return complexity_of(self[f"text@{look}"], self.classification(look), self._table, self["estimated_tokens"])

    def needs_reasoning(self, look: str) -> bool:
        """Say whether the text wants a model that thinks before it answers."""
        if self._table is None:
            raise KeyError(f"needs_reasoning@{look}")
        return needs_reasoning_of(self[f"text@{look}"], self.classification(look), self._table, self[f"score@{look}"])


def _last_user_text(conversation: Conversation) -> str:
    for turn in reversed(conversation.turns):
        if turn.role is Role.USER and turn.text:
            return turn.text
    return ""


def _text(features: Features, look: str) -> str:
    conversation = features.conversation
    match look:
        case "user":
            return _last_user_text(conversation)
        case "system":
            return conversation.system
        case "conversation":
            return "\n\n".join(part for part in (conversation.system, *(t.text for t in conversation.turns)) if part)
        case _:
            raise KeyError(f"text@{look}")


def _estimated_tokens(features: Features) -> int:
    conversation = features.conversation
    texts = [conversation.system, conversation.tools_text]
    for turn in conversation.turns:
        texts += (turn.text, turn.tool_text)
    framing = TURN_TOKENS * len(conversation.turns) + ATTACHMENT_TOKENS * conversation.attachments
    return estimate_tokens("\n".join(text for text in texts if text)) + framing


def _turns(features: Features) -> int:
    return sum(1 for turn in features.conversation.turns if turn.role is Role.USER and not turn.tool_text)


def _has(features: Features) -> frozenset[str]:
    conversation = features.conversation
    coded = any("```" in turn.text for turn in conversation.turns) or (
        features["category@user"] == "code_generation" and "\n" in features["text@user"]
    )
    return conversation.has | {"code"} if coded else conversation.has


def _conversation_hash(features: Features) -> int:
    """Hash what names a conversation to 64 bits: the caller's header, or caller, system and first user turn."""
    request, conversation = features.request, features.conversation
    named = request.headers.get("x-rulegate-conversation")
    if named is None:
        first = next((turn.text for turn in conversation.turns if turn.role is Role.USER), "")
        parts = [request.caller.name, conversation.system, first]
    else:
        parts = [request.caller.name, named]
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(digest.digest(), "big")


_PLAIN: Mapping[str, Callable[[Features], Any]] = {
    "conversation": lambda features: features.request.read(),
    "estimated_tokens": _estimated_tokens,
    "conversation_hash": _conversation_hash,
    "turns": _turns,
    "has": _has,
    "model": lambda features: features.request.model,
    "stream": lambda features: features.request.stream,
    "max_tokens": lambda features: features.request.max_tokens,
    "surface": lambda features: features.request.surface,
    "caller": lambda features: features.request.caller.name,
    "team": lambda features: features.request.caller.team,
    "tags": lambda features: features.request.caller.tags,
}

_TEXT: Mapping[str, Callable[[Features, str], Any]] = {
    "text": _text,
    "folded": lambda features, look: folded(features[f"text@{look}"]),
    "words": lambda features, look: len(features[f"text@{look}"].split()),
    "characters": lambda features, look: len(features[f"text@{look}"]),
    "classification": lambda features, look: features.classified(look),
    "category": lambda features, look: features.classification(look).category,
    "confidence": lambda features, look: features.classification(look).confidence,
    "judged": lambda features, look: features.judged(look),
    "complexity": lambda features, look: features[f"judged@{look}"][0],
    "score": lambda features, look: features[f"judged@{look}"][1],
    "needs_reasoning": lambda features, look: features.needs_reasoning(look),
}

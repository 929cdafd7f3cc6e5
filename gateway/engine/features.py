"""What conditions see of a request, each value computed at most once and only when something reads it.

A feature has a key. Keys that read text end in where they look: `words@user`, `words@conversation`, `words@system`.
`Features.of` starts from a request; `Features.recorded` starts from the values of a log row.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self

from gateway.domain.category import Classification, Demand, Table
from gateway.domain.chat import Conversation, Role
from gateway.domain.health import HealthState
from gateway.domain.request import Request
from gateway.domain.words import Prefer, Surface
from gateway.engine.classify import classify
from gateway.engine.complexity import complexity_of, demand_of, needs_reasoning_of
from gateway.engine.estimate import estimate_tokens
from gateway.engine.reading import Reading, considered
from gateway.engine.text import count_words

STANDING = (
    "model",
    "surface",
    "stream",
    "max_tokens",
    "prefer",
    "caller",
    "team",
    "turns",
    "estimated_tokens",
    "words@user",
    "characters@user",
    "category@user",
    "confidence@user",
    "complexity@user",
    "score@user",
    "needs_reasoning@user",
)
WORD_SETS = ("has", "tags")
"""Features that every row keeps, and so every request has computed; those of the second kind are sets of words."""

ARMS = "arms"
"""The key of recorded features for the models that splits settled on, by place; it is never computed."""
PIN = "pin"
"""The key of the model that answered the conversation last; None for a request that no turn came before."""
ATTACHMENT_TOKENS = 1_000
"""What one image or document is taken for; providers charge 85 to 1,600 for an image."""
CONVERSATION = "x-rulegate-conversation"
"""The header that names a conversation."""
TURN_TOKENS = 4
"""What the framing of one message costs in the providers' chat templates."""


_USER, _EMBEDDINGS = Role.USER, Surface.EMBEDDINGS  # looking a member up takes as long as noting a feature
_WITHOUT_HISTORY = frozenset({Surface.EMBEDDINGS, Surface.EXECUTE})
_FENCE = "```"


def _well(_: str) -> HealthState:
    return HealthState.OK


def _untouched(_: str) -> float:
    return 0.0


def _unheard_of(_: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Live:
    """What deciding may see of the daemon beside the request.

    That is the state of a model, the share used of a budget, and by the hash of a conversation which model answered it.
    """

    health: Callable[[str], HealthState] = _well
    used: Callable[[str], float] = _untouched
    pinned: Callable[[int], str | None] = _unheard_of


AT_REST = Live()
"""A daemon of well models and untouched budgets."""


class Features(dict[str, Any]):
    """Values by feature key, each computed when it is first read. An unknown key is a KeyError.

    What all are computed from stands among them, as `request`, `table` and `live`: recorded features are without.
    """

    __slots__ = ()

    @classmethod
    def of(cls, request: Request, table: Table, prefer: Prefer, at: datetime, live: Live = AT_REST) -> Self:
        """Start from a request; `prefer` is the default where the caller has none, `at` is an aware time.

        `live` gives what changes from moment to moment.
        """
        caller = request.caller
        return cls(
            {
                "request": request,
                "table": table,
                "live": live,
                "at": at,
                "prefer": request.prefer or prefer,
                "model": request.model,
                "surface": request.surface,
                "stream": request.stream,
                "max_tokens": request.max_tokens,
                "caller": caller.name,
                "team": caller.team,
            }
        )

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> Self:
        """Start from recorded values; keys that were not recorded are KeyErrors."""
        return cls(values)

    def __missing__(self, key: str) -> Any:  # noqa: ANN401 - a feature may be any scalar, word set or table
        value: Any
        if (compute := _COMPUTED.get(key)) is not None:
            value = compute(self)
        elif key.startswith("header."):
            value = self.request.headers.get(key[7:])
        elif key.startswith("metadata."):
            value = self.request.metadata.get(key[9:])
        elif key.startswith("health."):
            value = self["live"].health(key[7:])
        elif key.startswith("budget."):
            value = self["live"].used(key[7:])
        else:
            raise KeyError(key)
        self[key] = value
        return value

    def stand(self) -> Self:
        """Compute what every row keeps, before the first condition looks: one by one takes twice as long."""
        self["conversation"] = self["request"].read()
        self["text@user"] = _listen(self)
        self["classification@user"] = _judge_user(self)
        self["has"], self["needs"], self["tags"] = _has(self), _needs(self), _tags(self)
        return self

    def let_go(self) -> None:
        """Forget what takes much room and can be computed again: the words of the texts that were read."""
        for key in _ROOMY:
            self.pop(key, None)

    @property
    def request(self) -> Request:
        """The request; a KeyError for recorded features, as for any feature that was not recorded."""
        request: Request = self["request"]
        return request

    @property
    def table(self) -> Table:
        """The categories to choose from; a KeyError for recorded features."""
        table: Table = self["table"]
        return table

    def classification(self, look: str = "user") -> Classification:
        """The scores of all categories for the text that `look` names."""
        value: Classification = self[f"classification@{look}"]
        return value


def _conversation_text(conversation: Conversation) -> str:
    return "\n\n".join(part for part in (conversation.system, *(t.text for t in conversation.turns)) if part)


def _listen(features: Features) -> str:
    """Go through the turns once, and note what that tells; gives the text of the last user turn that has some."""
    conversation: Conversation = features["conversation"]
    turns = conversation.turns
    texts = [conversation.system, conversation.tools_text]
    last, asked = "", 0
    for turn in turns:
        text, tool_text = turn.text, turn.tool_text
        texts += (text, tool_text)
        if turn.role is _USER:
            last = text or last
            asked += not tool_text
    whole = "\n".join(filter(None, texts))
    framing = 0 if features["surface"] == _EMBEDDINGS else TURN_TOKENS * len(turns)
    others = framing + ATTACHMENT_TOKENS * conversation.attachments + conversation.token_ids
    features["turns"] = asked
    features["fenced"] = _FENCE in whole and any(_FENCE in turn.text for turn in turns)
    features["words@user"], features["characters@user"] = count_words(last), len(last)
    features["estimated_tokens"] = estimate_tokens(whole) + others
    return last


def _has(features: Features) -> frozenset[str]:
    """Give the words of the `has` condition: what the structure says, and whether there is code."""
    has: frozenset[str] = features["conversation"].has
    coded = features["fenced"] or (features["category@user"] == "code_generation" and "\n" in features["text@user"])
    return has | {"code"} if coded else has


def _needs(features: Features) -> frozenset[str]:
    """Give what a model must take to serve the request."""
    needs: frozenset[str] = features["conversation"].needs
    return needs


def _tags(features: Features) -> frozenset[str]:
    request: Request = features["request"]
    asked = tags_of(request.headers)
    return request.caller.tags | asked if asked else request.caller.tags


def tags_of(headers: Mapping[str, str]) -> frozenset[str]:
    """Give the tags that a request has in its header, where commas stand between them."""
    written = headers.get("x-rulegate-tags")
    return frozenset(tag for each in written.split(",") if (tag := each.strip())) if written else frozenset()


def _first_user_message(request: Request) -> str:
    """Give the first user message as JSON; the whole body where there is none."""
    messages = request.fields.get("messages", request.fields.get("input"))
    each = messages if isinstance(messages, list) else []
    first = next((one for one in each if isinstance(one, dict) and one.get("role") == "user"), request.fields)
    return json.dumps(first, sort_keys=True)


def goes_on(features: Features) -> bool:
    """Say whether a request is one of several of a conversation: it has turns before its own, or names it."""
    if features["surface"] == _EMBEDDINGS:
        return False
    conversation: Conversation = features["conversation"]
    return len(conversation.turns) > 1 or bool(features.request.headers.get(CONVERSATION))


def may_go_on(features: Features) -> bool:
    """Say whether a conversation may go on after a request: vectors are no answer, and prompts have no history."""
    return features["surface"] not in _WITHOUT_HISTORY or goes_on(features)


def _pin(features: Features) -> str | None:
    if not goes_on(features):
        return None
    live: Live = features["live"]
    return live.pinned(features["conversation_hash"])


def _conversation_hash(features: Features) -> int:
    """Hash what names a conversation to 64 bits: the caller's header, or caller, system and first user turn.

    A first user turn without text, such as one of images only, is named by the whole message.
    """
    request: Request = features["request"]
    if named := request.headers.get(CONVERSATION):
        framed = _framed(request.caller.name) + _framed(named)
    else:
        conversation: Conversation = features["conversation"]
        first = _first_user_text(conversation) or _first_user_message(request)
        framed = _framed(request.caller.name) + _framed(conversation.system) + _framed(first)
    return int.from_bytes(blake2b(framed, digest_size=8).digest(), "big")


def _first_user_text(conversation: Conversation) -> str:
    for turn in conversation.turns:
        if turn.role is _USER:
            return turn.text
    return ""


def _framed(part: str) -> bytes:
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "big") + data


def _after(key: str, first: str) -> Callable[[Features], Any]:
    """Compute a feature by computing the one it is noted together with."""

    def compute(features: Features) -> Any:  # noqa: ANN401 - a feature
        features[first]
        if key not in features:  # recorded without it
            raise KeyError(key)
        return features[key]

    return compute


_OF_THE_TURNS = ("turns", "fenced", "estimated_tokens", "words@user", "characters@user")
_PLAIN: Mapping[str, Callable[[Features], Any]] = {
    "conversation": lambda features: features.request.read(),
    "conversation_hash": _conversation_hash,
    PIN: _pin,
    "text@user": _listen,
    "text@conversation": lambda features: _conversation_text(features["conversation"]),
    "text@system": lambda features: features["conversation"].system,
    **{key: _after(key, "text@user") for key in _OF_THE_TURNS},
    "has": _has,
    "needs": _needs,
    "tags": _tags,
}


@lru_cache(maxsize=1024)
def _judgement(_part: str, _table: Table) -> list[tuple[Classification, Demand]]:
    """Give a place to keep what was found of a part of a text; who finds it empty puts it there.

    Kept, because the steps of one agent send the same last user turn again and again: a few KiB each.
    """
    return []


def _of_text(look: str) -> dict[str, Callable[[Features], Any]]:
    """Give the features of the text that `look` names; those that come of one reading are noted together."""
    text, reading = f"text@{look}", f"reading@{look}"
    classified = f"classification@{look}"
    category, confidence = f"category@{look}", f"confidence@{look}"
    complexity, score, reasoning = f"complexity@{look}", f"score@{look}", f"needs_reasoning@{look}"

    def read_whole(features: Features) -> Reading:
        whole: str = features[text]
        return features[reading] if considered(whole) is whole else Reading(whole)

    def judge(features: Features) -> Classification:
        table: Table = features["table"]
        part = considered(features[text])
        judgement = _judgement(part, table)
        if not judgement:
            if reading not in features:
                features[reading] = Reading(part)
            read: Reading = features[reading]
            judgement.append((classify(read, table), demand_of(read)))
        classification, asked = judgement[0]
        level, height = complexity_of(asked, classification, table, features["estimated_tokens"])
        features[category], features[confidence] = classification.category, classification.confidence
        features[complexity], features[score] = level, height
        features[reasoning] = needs_reasoning_of(asked, classification, table, height)
        return classification

    return {
        reading: lambda features: Reading(considered(features[text])),
        f"folded@{look}": read_whole,
        classified: judge,
        **{key: _after(key, classified) for key in (category, confidence, complexity, score, reasoning)},
        f"words@{look}": lambda features: count_words(features[text]),
        f"characters@{look}": lambda features: len(features[text]),
    }


_ROOMY = tuple(f"{kind}@{look}" for kind in ("reading", "folded") for look in ("user", "conversation", "system"))
_OF_USER = _of_text("user")
_judge_user = _OF_USER["classification@user"]
_COMPUTED: Mapping[str, Callable[[Features], Any]] = {
    **_OF_USER,
    **_of_text("conversation"),
    **_of_text("system"),
    **_PLAIN,
}

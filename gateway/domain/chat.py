"""The conversation inside a request, in no dialect: what conditions see and what a translation carries over."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who speaks in a turn; system text stands apart from the turns."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `text` is what the speaker wrote; `tool_text` is what tools were asked and answered."""

    role: Role
    text: str
    tool_text: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request body as conditions see it.

    `has` holds words of the `has` condition that the structure alone decides (all but `code`).
    `attachments` counts images, documents and sounds; `tools_text` is the tool and output schemas as they came.
    """

    system: str
    turns: tuple[Turn, ...]
    has: frozenset[str] = frozenset()
    attachments: int = 0
    tools_text: str = ""


class Stop(StrEnum):
    """Why a model stopped, in no dialect."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class PlainChat:
    """A plain text request that can cross dialects.

    `sampling` holds those of temperature, top_p and top_k that the caller set; `max_tokens` None means that the
    caller left it to the model.
    """

    system: str
    turns: tuple[Turn, ...]
    stream: bool
    max_tokens: int | None
    stop_sequences: tuple[str, ...]
    sampling: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A plain text answer that can cross dialects; `id` is the provider's."""

    id: str
    model: str
    text: str
    stop: Stop

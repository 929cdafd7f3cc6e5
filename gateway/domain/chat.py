"""The conversation inside a request, in no dialect: what conditions see of it.

What is made anew for each request is a msgspec Struct: to make a frozen dataclass takes ten times as long.
"""

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """Who speaks in a turn; system text stands apart from the turns."""

    USER = "user"
    ASSISTANT = "assistant"


class Turn(Struct, frozen=True, gc=False):
    """One message. `text` is what the speaker wrote; `tool_text` is what tools were asked and answered."""

    role: Role
    text: str
    tool_text: str = ""


class Conversation(Struct, frozen=True, gc=False):
    """A whole request body as conditions see it.

    `has` holds words of the `has` condition that the structure alone decides (all but `code`).
    `attachments` counts images, documents and sounds; `tools_text` is the tool and output schemas as they came.
    `token_ids` counts tokens that came as their numbers in a vocabulary instead of as text.
    """

    system: str
    turns: tuple[Turn, ...]
    has: frozenset[str] = frozenset()
    attachments: int = 0
    tools_text: str = ""
    token_ids: int = 0


class Stop(StrEnum):
    """Why a model stopped, in no dialect."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    REFUSAL = "refusal"

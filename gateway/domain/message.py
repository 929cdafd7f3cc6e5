"""The messages of a conversation in no dialect: what a translation carries from one side to the other.

Each dialect reads its own words into these and writes these in its own words, so that no dialect knows another. What
only one dialect has is not here: its reader names it, and the caller is told that it was left out.

JSON values (schemas, tool arguments, citations) stay as they were decoded. Made anew for each translated request, so
they are msgspec Structs.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from gateway.domain.chat import Role, Stop

Json = Any
"""A decoded JSON value."""


class Inline(Struct, frozen=True):
    """Media within the request: `data` is base64, `media_type` such as `image/png`."""

    media_type: str
    data: str


class Link(Struct, frozen=True):
    """Media at an address that the provider fetches; the gateway never does."""

    url: str


Source = Inline | Link


class Citation(Struct, frozen=True):
    """A page that a text rests on."""

    url: str
    title: str = ""
    quoted: str = ""


class Text(Struct, frozen=True):
    """Text that somebody wrote. `cache` is a cache marker as the caller wrote it, `citations` what it rests on."""

    text: str
    cache: Json = None
    citations: tuple[Citation, ...] = ()


class Image(Struct, frozen=True):
    """An image; `detail` says how closely to look, empty for as the model sees fit."""

    source: Source
    detail: str = ""
    cache: Json = None


class Document(Struct, frozen=True):
    """A document: a file, or with `text` its plain text; `title` is its name, empty for none."""

    source: Source | None
    text: str = ""
    title: str = ""
    cache: Json = None


class Thinking(Struct, frozen=True):
    """What a model thought before it answered.

    `signature` is the provider's, without which it does not take the thought back; it is passed on and never made up.
    A `redacted` thought has its sealed form instead of a text.
    """

    text: str
    signature: str = ""
    redacted: str = ""


class ToolCall(Struct, frozen=True):
    """A model asks for a tool; `arguments` is JSON text as the model wrote it, which may be no JSON at all."""

    id: str
    name: str
    arguments: str
    cache: Json = None


class ToolResult(Struct, frozen=True):
    """What a tool answered to the call of that id; `failed` says that it could not do what was asked."""

    call_id: str
    content: "tuple[Text | Image | Document, ...]"
    failed: bool = False
    cache: Json = None


class Declined(Struct, frozen=True):
    """The words with which a model declined to answer."""

    text: str


Part = Text | Image | Document | Thinking | ToolCall | ToolResult | Declined


class Message(Struct, frozen=True):
    """What one side said in one go, in order; results of tools are said by the user."""

    role: Role
    parts: tuple[Part, ...]


class Tool(Struct, frozen=True):
    """A tool that the caller runs itself; `schema` is the JSON Schema of its arguments, None where none was given."""

    name: str
    description: str = ""
    schema: Json = None
    strict: bool = False
    cache: Json = None


class Choosing(StrEnum):
    """Whether the model may, must or must not ask for a tool."""

    AUTO = "auto"
    REQUIRED = "required"
    NONE = "none"
    NAMED = "named"


class ToolChoice(Struct, frozen=True):
    """How a model chooses among the tools; `name` is the one it must ask for, `parallel` None is the model's habit."""

    choosing: Choosing = Choosing.AUTO
    name: str = ""
    parallel: bool | None = None


class Output(Struct, frozen=True):
    """The JSON Schema that an answer must fit; None for any JSON object."""

    schema: Json
    name: str = ""
    description: str = ""
    strict: bool = True


class Effort(Struct, frozen=True):
    """How much a model should think: a `level` in words, or at most `budget_tokens`; neither is as it sees fit.

    `level` is one of LEVELS; `none` asks it not to think.
    """

    level: str = ""
    budget_tokens: int | None = None


LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Words for how much to think, from least to most."""


class Chat(Struct, frozen=True):
    """A request that can cross dialects.

    `max_tokens` None leaves it to the model. `settings` holds by their own name parameters that some dialects share
    and that have the same meaning wherever they stand: see SETTINGS. `lost` names, in the words of the caller's
    dialect, what stood in the request and is not here.
    """

    system: tuple[Text, ...]
    messages: tuple[Message, ...]
    stream: bool = False
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    output: Output | None = None
    effort: Effort | None = None
    user: str = ""
    settings: Mapping[str, Json] = {}
    lost: tuple[str, ...] = ()


SETTINGS = frozenset(
    {
        *("temperature", "top_p", "top_k", "n", "seed", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("logprobs", "top_logprobs", "verbosity", "prompt_cache_key", "service_tier"),
    }
)
"""Names of the parameters in `Chat.settings`; each stands there only where the caller gave it a meaning."""


class Reply(Struct, frozen=True):
    """A whole answer; `id` is the provider's. `parts` hold text, thoughts, calls of tools and what it declined with.

    `stop_sequence` is the one it stopped at, where the provider says so. `logprobs` are those of the tokens of the
    text, in OpenAI's form.
    """

    id: str
    model: str
    parts: tuple[Part, ...]
    stop: Stop
    stop_sequence: str = ""
    logprobs: Json = None

    @property
    def text(self) -> str:
        """The text, or where there is none the words with which the model declined."""
        text = "".join(part.text for part in self.parts if isinstance(part, Text))
        return text or "".join(part.text for part in self.parts if isinstance(part, Declined))


class TextPiece(Struct, frozen=True, gc=False):
    """A piece of the text of a stream."""

    text: str
    logprobs: Json = None


class ThoughtPiece(Struct, frozen=True, gc=False):
    """A piece of a thought; a `signature` or a `redacted` thought comes whole."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


class CallPiece(Struct, frozen=True, gc=False):
    """A piece of the call of a tool; `place` tells calls apart, whose first pieces have the `id` and the `name`."""

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class DeclinedPiece(Struct, frozen=True, gc=False):
    """A piece of the words with which a model declines."""

    text: str


class CitationPiece(Struct, frozen=True):
    """What the text from one place to another rests on, counted in characters of the whole text."""

    citation: Citation
    start: int
    end: int


Piece = TextPiece | ThoughtPiece | CallPiece | DeclinedPiece | CitationPiece

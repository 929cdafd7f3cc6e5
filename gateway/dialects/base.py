"""What every dialect offers: to the caller's side, to the provider's side, or to both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

import msgspec

from gateway.domain.attempt import ProviderError
from gateway.domain.budget import Overspent
from gateway.domain.chat import Stop
from gateway.domain.limit import LimitKind, Standing
from gateway.domain.message import Chat, Piece, Reply
from gateway.domain.price import NANO_USD_PER_USD
from gateway.domain.refusal import Refusal
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Failure

Fields = Mapping[str, Any]
"""The top level of a JSON request body."""


@dataclass(frozen=True, slots=True)
class Bad:
    """An answer that is none: what kind of failure it is, and the provider's words if it had any."""

    failure: Failure
    error: ProviderError
    usage: Usage | None = None


TOO_LONG = Bad(Failure.MALFORMED, ProviderError(200, message="the provider sent an event without an end"))
TOO_MUCH = Bad(Failure.MALFORMED, ProviderError(200, message="the provider sent more than an answer can have"))
NOT_JSON = Bad(Failure.MALFORMED, ProviderError(200, message="the provider's answer is not a JSON object"))
UNREADABLE = Bad(Failure.MALFORMED, ProviderError(200, message="the provider sent an event that cannot be read"))
NOTHING = Bad(Failure.EMPTY, ProviderError(200, message="the provider's answer has no content"))
REFUSED = Bad(Failure.CONTENT_FILTER, ProviderError(200, message="the provider refused to answer this content"))
CUT_SHORT = Bad(
    Failure.TRUNCATED, ProviderError(200, message="the provider's stream ended in the middle of the answer")
)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer that holds some content: what it says it used, and the JSON object itself, still to be read.

    `characters` counts all that the model wrote, tool arguments included, where the usage has to be
    estimated.
    """

    model: str
    usage: Usage | None
    fields: Fields
    characters: int = 0


@dataclass(frozen=True, slots=True)
class About:
    """What the gateway knows of an answer beside its text; `cost_nano_usd` None where it is not known."""

    request_id: str
    rule: str
    category: str
    model: str
    provider: str
    cost_nano_usd: int | None


@dataclass(frozen=True, slots=True)
class Blame:
    """The `error.rulegate` part of an error body: who is at fault, what was attempted, and which budget had no room."""

    blame: str
    attempts: Sequence[Mapping[str, object]]
    overspent: Overspent | None = None

    def shown(self) -> dict[str, object]:
        """Give it as JSON values, money in dollars."""
        about: dict[str, object] = {"blame": self.blame, "attempts": self.attempts}
        if self.overspent is not None:
            about["budget"] = {
                "name": self.overspent.budget,
                "spent_usd": self.overspent.spent_nano_usd / NANO_USD_PER_USD,
                "limit_usd": self.overspent.limit_nano_usd / NANO_USD_PER_USD,
                "resets_at": self.overspent.resets_at and self.overspent.resets_at.isoformat(timespec="seconds"),
            }
        return about


class Kind(IntEnum):
    """What one block of a stream means for the caller."""

    PREAMBLE = 0
    CONTENT = 1
    USAGE = 2
    TAIL = 3
    END = 4
    ERROR = 5
    GARBAGE = 6


class Block(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, or several that mean the same: the bytes as they came, and what they mean.

    A stream has thousands of them, and this kind of class is made four times as fast as a dataclass.

    `characters` counts all that the model wrote in it: the text, and what it thought or asked of tools. `pieces` are
    what it says, in no dialect; a reader that is not asked for them gives none.
    """

    raw: bytes
    kind: Kind
    characters: int = 0
    pieces: tuple[Piece, ...] = ()
    events: int = 1


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request in the provider's dialect, and the names of what it leaves out, in our words: see `CallerDialect`.

    `defaulted` is the output limit that it has because the dialect needs one and neither the caller nor a rule gave it.
    """

    body: bytes
    lost: tuple[str, ...] = ()
    defaulted: int | None = None


class StreamReader(Protocol):
    """Reads a provider's stream; feed it any cut of the bytes.

    What the stream has said so far, up to the block that was last taken, stands in the attributes.
    """

    id: str
    model: str
    stop: Stop
    bad: Bad | None

    @property
    def usage(self) -> Usage | None:
        """All that its events reported, joined."""
        ...

    def feed(self, data: bytes) -> Iterator[Block]:
        """Give the blocks that `data` completes."""
        ...

    def end(self) -> Iterator[Block]:
        """Give what is left when the connection ends."""
        ...


class StreamWriter(Protocol):
    """Writes a stream in the caller's dialect."""

    def start(self, answer_id: str, model: str) -> bytes:
        """Give what comes before the first piece."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """Give one piece; empty for one that the caller is not to see."""
        ...

    def finish(self, stop: Stop, usage: Usage | None) -> bytes:
        """Give the end of a whole answer, its terminal marker included."""
        ...


class CallerDialect(Protocol):
    """The side that faces applications.

    `names` gives this dialect's names of what a provider's dialect left out, where they are not ours. `id_header` is
    where its clients look for the id of a request, and `overloaded` the status of a provider that they are told as it
    is: 503, or one that only this dialect has. `keepalive` is the sign of life of a stream: bytes that its clients pass
    over, and that may stand between any two events and before the first.
    """

    names: Mapping[str, str]
    id_header: str
    overloaded: int
    keepalive: bytes

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request; `headers` has lower-case names."""
        ...

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give a request in no dialect, or name the field that keeps it from crossing dialects."""
        ...

    def write_answer(self, reply: Reply, usage: Usage | None, about: About, fields: Fields) -> bytes:
        """Give a whole answer to the request that had these `fields`."""
        ...

    def stream_writer(self, fields: Fields, request_id: str) -> StreamWriter:
        """Give a writer for the stream that the request `fields` asked for."""
        ...

    def refusal(self, refusal: Refusal, blame: Blame, request_id: str) -> bytes:
        """Give an error body for a refusal of the gateway."""
        ...

    def limit_headers(self, standings: Mapping[LimitKind, Standing], now: datetime) -> dict[str, str]:
        """Give the headers that say where a caller stands with its limits by the minute, at an aware moment."""
        ...

    def failure(self, status: int, error: ProviderError, blame: Blame, request_id: str) -> bytes:
        """Give an error body for a failure of the providers, in this dialect's words for `status`."""
        ...

    def error_event(self, error: ProviderError, blame: Blame, request_id: str, sent: int = 0) -> bytes:
        """Give the event that ends a stream which cannot be finished, after so many that were `sent`.

        An `error` with an error status and no type of its own gets this dialect's words for the status.
        """
        ...


class Endpoint(Protocol):
    """What an endpoint of a provider takes and gives, where bodies and answers are passed on as they are.

    `id_header` is where it gives the provider's id of a request.
    """

    path: str
    id_header: str

    def headers(self, secret: str | None, request: Request) -> dict[str, str]:
        """Give the headers of an upstream request, the credential among them."""
        ...

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Give a request of the same dialect, byte for byte but for the model name, the edits and what it refuses.

        `max_output_tokens` is as for `write_request`.
        """
        ...

    def mended(self, body: bytes, error: ProviderError) -> Outgoing | None:
        """Give a request that was answered with an error as it may be taken, None where nothing can be left out of it.

        `lost` names what is left out, in our words.
        """
        ...

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Look through a whole answer with a 2xx status."""
        ...

    def read_error(self, status: int, body: bytes) -> ProviderError:
        """Read what came with any other status."""
        ...

    def stream_reader(self, *, pieces: bool) -> StreamReader:
        """Give a reader for one stream; without `pieces` it may leave what plain blocks say unread."""
        ...

    def hides_usage(self, request: Request) -> bool:
        """Say whether usage is asked for on the caller's behalf, so that its block is not theirs to see."""
        ...


class ProviderDialect(Endpoint, Protocol):
    """The side that faces providers of a kind: the endpoint that all conversations can be carried over to."""

    name: Dialect

    def write_request(self, chat: Chat, model: Model, params: Params, max_output_tokens: int) -> Outgoing | Refusal:
        """Give a request that came in another dialect, or name the field that cannot be said in this one.

        `max_output_tokens` stands in where the caller gave no limit and this dialect needs one.
        """
        ...

    def reply(self, answer: Answer) -> Reply:
        """Give what a whole answer says, in no dialect."""
        ...

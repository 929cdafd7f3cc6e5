"""What a simulated wire format offers: the modules `openai`, `responses` and `anthropic` each fit.

The modules `embeddings` and `counting` fit what has no streams.

Pure: values to bytes and bytes to values, no input or output.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.simulator.faults import Fault
from gateway.simulator.world import Answer, Question

JSON_TYPE = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Whole(Protocol):
    """One endpoint that answers at once, as bytes."""

    NAME: str

    def read(self, document: Mapping[str, object], header_names: frozenset[str]) -> Question | Reply:
        """Read a request; a Reply is the provider's complaint about it. Header names are in lower case."""

    def unreadable(self) -> Reply:
        """Complain about a body that is not a JSON object."""

    def failure(self, fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
        """Give the error response for a fault that has one; any other fault gives the overloaded one."""

    def whole(self, question: Question, answer: Answer) -> Reply:
        """Give an answer that is not streamed."""


class Wire(Whole, Protocol):
    """One dialect, as bytes, with its streams."""

    def stream_headers(self, question: Question) -> tuple[tuple[str, str], ...]:
        """Give the headers of a streamed answer."""

    def opening(self, question: Question, answer: Answer) -> tuple[bytes, ...]:
        """Give the events before content."""

    def piece(self, question: Question, text: str, place: int) -> bytes:
        """Give one event of content, the first one's `place` being 0."""

    def closing(self, question: Question, answer: Answer) -> tuple[bytes, ...]:
        """Give the events after content, all but the last marker."""

    def marker(self, question: Question, answer: Answer) -> bytes:
        """Give the last marker of a stream."""

    def error_event(self) -> bytes:
        """Give the event that says the provider failed."""

    def garbage_event(self) -> bytes:
        """Give an event whose data is not JSON."""

    def ping(self) -> bytes:
        """Give the sign of life of a stream."""

    def models(self, names: Sequence[str]) -> Reply:
        """List models."""


def encode(document: object) -> bytes:
    """Write JSON the way providers do: compact and in UTF-8, not escaped. A lone surrogate becomes `?`."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def retry_after(seconds: float | None) -> tuple[tuple[str, str], ...]:
    """Give the Retry-After header, if there is anything to say."""
    return () if seconds is None else (("retry-after", f"{seconds:g}"),)

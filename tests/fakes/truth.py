"""What the simulator said and used, as it knows it itself: by the journal of the requests that it was sent.

From the promises alone follows what must be booked of it: what was reported, else a guess that says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.simulator import anthropic, embeddings, openai, responses
from gateway.simulator.faults import Fault
from gateway.simulator.world import Answer, Question, Usage, answer, cached, estimate_tokens

WIRES: Final[Mapping[str, Any]] = {wire.NAME: wire for wire in (anthropic, embeddings, openai, responses)}
REFUSALS: Final = {
    **{fault.value: fault for fault in (Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.OVERLOADED)},
    **{fault.value: fault for fault in (Fault.BAD_REQUEST, Fault.CONTEXT_LENGTH)},
    "error_in_200": Fault.SERVER_ERROR,
    "error_in_stream": Fault.OVERLOADED,
}
"""Faults whose words are about the request or the provider, by the refusal that has them; a stream has its own."""


@dataclass(frozen=True)
class Used:
    """Tokens that are booked, the four counters disjoint; `estimated` where they are a guess."""

    fresh: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    estimated: bool = False

    def __add__(self, other: "Used") -> "Used":
        """Add up; one guess makes it a guess."""
        fresh, cache_read, cache_write, output = map(sum, zip(self.counters, other.counters, strict=True))
        return Used(fresh, cache_read, cache_write, output, self.estimated or other.estimated)

    @property
    def counters(self) -> tuple[int, ...]:
        """Give the four counters."""
        return self.fresh, self.cache_read, self.cache_write, self.output


@dataclass(frozen=True)
class Truth:
    """One request that the simulator was sent: what it answers before any fault bends that."""

    dialect: str
    stream: bool
    fault: str
    status: int
    question: Question
    answer: Answer

    @property
    def text(self) -> str:
        """Its words; vectors have none."""
        return "" if self.dialect == embeddings.NAME else self.answer.text

    @property
    def plain(self) -> Used:
        """What it used, all input fresh."""
        usage = self._usage
        return Used(usage.input_tokens, output=0 if self.dialect == embeddings.NAME else usage.output_tokens)

    def answered(self, guess: int) -> Used:
        """Give what must be booked of a whole answer; `guess` is the gateway's own estimate of the input.

        What contradicts itself is cut to what can be, a zero stays zero, and only silence is made up for.
        """
        usage, told_by = self._usage, self.dialect
        if self.fault == "usage_missing":
            return Used(guess, output=estimate_tokens(len(self.text)), estimated=True)
        if self.fault == "usage_cached" and told_by != embeddings.NAME:
            parts = cached(usage)
            read, write = parts.cache_read_tokens, parts.cache_write_tokens if told_by == anthropic.NAME else 0
            return Used(usage.input_tokens - read - write, read, write, usage.output_tokens)
        if self.fault == "usage_wrong" and told_by != embeddings.NAME:
            return Used(cache_read=usage.input_tokens * (3 if told_by == anthropic.NAME else 1))
        return self.plain

    def broke_off(self, heard: str, guess: int) -> Used:
        """Give what must be booked of a stream of which so much was heard: the input as reported, if it was by then."""
        early = self.dialect == anthropic.NAME
        late = self.fault == "no_marker" and self.dialect != responses.NAME
        told = self.plain.output if late else int(early)
        fresh = self.plain.fresh if early or late else guess
        return Used(fresh, output=max(told, estimate_tokens(len(heard))), estimated=True)

    def failed(self) -> Used | None:
        """Give what must be booked of an attempt without content: what it had reported, None for nothing."""
        if self.fault == "empty":
            return Used(self.plain.fresh)
        talks = {"stall_after_headers", "pings_only", "endless_event", "malformed_line", "error_in_stream"}
        if self.stream and self.dialect == anthropic.NAME and self.fault in talks:
            return Used(self.plain.fresh, output=1)  # message_start says so
        return None

    @property
    def words(self) -> tuple[str | None, str | None, str] | None:
        """Type, code and message of the error that it gave, None where it gave none that is for the caller."""
        wire = WIRES[self.dialect]
        if self.fault == "error_in_stream" and self.stream:
            (data,) = [line for line in wire.error_event().split(b"\n") if line.startswith(b"data: ")]
            said = json.loads(data.removeprefix(b"data: "))
            error = said.get("error", {"code": said.get("code"), "message": said.get("message")})
        elif refusal := REFUSALS.get(self.fault):
            error = json.loads(wire.failure(refusal, self.question, None).body)["error"]
        else:
            return None
        return error.get("type"), error.get("code"), error["message"]

    @property
    def _usage(self) -> Usage:
        assert self.answer.usage is not None
        return self.answer.usage


def truths(journal: Mapping[str, Any]) -> dict[str, list[Truth]]:
    """Give what each provider was sent, by its name, in order."""
    found: dict[str, list[Truth]] = {}
    for entry in journal["requests"]:
        found.setdefault(entry["provider"], []).append(truth_of(entry))
    return found


def truth_of(entry: Mapping[str, Any]) -> Truth:
    """Read one entry of the journal."""
    question = WIRES[entry["dialect"]].read(entry["body"], frozenset(entry["header_names"]))
    assert isinstance(question, Question), question
    fault, status = entry["fault"] or "", entry["status"] or 0
    return Truth(entry["dialect"], entry["stream"], fault, status, question, answer(question))

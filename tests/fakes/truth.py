"""What the simulator said and used, as it knows it itself: by the journal of the requests that it was sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator import anthropic, embeddings, openai, responses
from gateway.simulator.world import Question, answer

WIRES = {wire.NAME: wire for wire in (anthropic, embeddings, openai, responses)}


@dataclass(frozen=True)
class Truth:
    """An answer before any fault bent it: its words, and the tokens that were read and written for it."""

    text: str
    input_tokens: int
    output_tokens: int


def truths(journal: Mapping[str, Any]) -> dict[str, Truth]:
    """Give what each provider had to say; each was asked once."""
    entries: Iterable[Mapping[str, Any]] = journal["requests"]
    return {entry["provider"]: truth_of(entry) for entry in entries}


def truth_of(entry: Mapping[str, Any]) -> Truth:
    question = WIRES[entry["dialect"]].read(entry["body"], frozenset(entry["header_names"]))
    assert isinstance(question, Question), question
    said = answer(question)
    assert said.usage is not None
    is_vector = entry["dialect"] == embeddings.NAME
    return Truth("" if is_vector else said.text, said.usage.input_tokens, 0 if is_vector else said.usage.output_tokens)

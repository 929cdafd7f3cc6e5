"""The simulated world: what is asked, what is answered, what it is said to cost and how long it takes.

Frozen nouns and pure functions. Everything follows from the request alone: the same request always gets the same
words and the same usage, streamed or not. Nothing here waits, opens or remembers.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.simulator.wishes import NO_WISHES, Wishes, json_of

CHARACTERS_PER_TOKEN = 4
LEAST_USAGE_RATIO = 0.7
GREATEST_USAGE_RATIO = 1.5

_ATTACHMENT_CHARACTERS = 4_000
_ATTACHMENT_TYPES = frozenset({"image", "image_url", "input_audio", "document", "file"})
_DELIVERY_FIELDS = frozenset({"stream", "stream_options"})
_EXCERPT_CHARACTERS = 80

_FAST_NAMES = r"(?<![a-z0-9])(haiku|mini|nano|flash|lite|small|instant|8b)(?![a-z0-9])"
_SLOW_NAMES = r"(?<![a-z0-9])(opus|gpt-5|o\d|pro|r1|thinking|reasoner)(?![a-z0-9])"

_OPENINGS = (
    'You asked about "{}".',
    'Here is what can be said about "{}".',
    'Thank you for asking about "{}".',
    'On "{}", in short:',
)
_SENTENCES = (
    "No model was called and no money was spent.",
    "A real provider would answer at greater length here.",
    "The words are made up, but headers, events and token counts have their true form.",
    "Rules, budgets and alerts treat this like any other answer.",
    "The same request always gets this same answer.",
    "Point the gateway at the real provider to hear what it thinks.",
    "There are three things to keep in mind: cost, quality and speed.",
)


class Finish(StrEnum):
    """Why an answer ended; each dialect has its own word for it."""

    COMPLETE = "complete"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    FILTERED = "filtered"
    CALLED = "called"


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks, in words that both dialects share.

    `prompt` is the text of the last user turn, `input_characters` the size of the whole input, `output_limit` is in
    tokens, `stream_usage` says whether a stream reports usage, and `digest` (32 bytes) is what chance is drawn from.
    """

    model: str
    prompt: str
    input_characters: int
    output_limit: int | None
    stop: tuple[str, ...]
    stream: bool
    stream_usage: bool
    digest: bytes
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens a provider says it counted; the input includes what was read from and written to a cache."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class Telling(StrEnum):
    """How a provider tells its usage; each dialect has its own way to get it wrong and to split it."""

    PLAIN = "plain"
    WRONG = "wrong"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `stop_sequence` is the one that ended it, `usage` is absent if the provider does not tell.

    `thought` comes before the text and `calls` after it.
    """

    text: str
    finish: Finish
    stop_sequence: str | None
    usage: Usage | None
    telling: Telling = Telling.PLAIN
    thought: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long an upstream model takes, in seconds.

    `connect_s` passes before the headers, then `first_content_s` before the first word, then `per_token_s` for each
    token. An answer that is not streamed takes the sum of the three.
    """

    first_content_s: float
    per_token_s: float
    connect_s: float = 0.02

    def scaled(self, speed: float) -> "Latency":
        """Multiply every delay by `speed`, so that 0 means no delay at all."""
        return Latency(
            first_content_s=self.first_content_s * speed,
            per_token_s=self.per_token_s * speed,
            connect_s=self.connect_s * speed,
        )


def digest_of(document: Mapping[str, object]) -> bytes:
    """Give the 32 bytes that a request's answer is drawn from; how it is delivered (`stream`) makes no difference."""
    asked = {name: value for name, value in document.items() if name not in _DELIVERY_FIELDS}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()


def count_characters(document: object) -> int:
    """Count the text in a part of a request; an image or a file counts as 4000 characters, whatever its size."""
    total = 0
    waiting = [document]
    while waiting:
        match waiting.pop():
            case str() as text:
                total += len(text)
            case list() as items:
                waiting.extend(items)
            case {"type": str() as kind} if kind in _ATTACHMENT_TYPES:
                total += _ATTACHMENT_CHARACTERS
            case dict() as fields:
                waiting.extend(fields.values())
            case _:
                pass
    return total


def last_user_text(messages: object) -> str:
    """Give the text of the last user turn of either dialect's `messages`, or the empty string."""
    if not isinstance(messages, list):
        return ""
    for message in reversed(messages):
        match message:
            case {"role": "user", "content": str() as text}:
                return text
            case {"role": "user", "content": list() as parts}:
                return " ".join(part["text"] for part in parts if _is_text(part))
            case _:
                pass
    return ""


def estimate_tokens(characters: int) -> int:
    """Estimate tokens at four characters each, rounded up."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def usage_ratio(digest: bytes) -> float:
    """Draw how far the reported usage is from the estimate: 0.7 to 1.5 times."""
    share = int.from_bytes(digest[:8]) / 2**64
    return LEAST_USAGE_RATIO + share * (GREATEST_USAGE_RATIO - LEAST_USAGE_RATIO)


def compose(question: Question) -> str:
    """Write an answer that says which upstream model gave it and a little about the question."""
    words = question.prompt[: _EXCERPT_CHARACTERS * 4].split()
    excerpt = " ".join(words)
    if len(excerpt) > _EXCERPT_CHARACTERS:
        excerpt = excerpt[:_EXCERPT_CHARACTERS].rstrip() + " ..."
    opening = _OPENINGS[question.digest[8] % len(_OPENINGS)].format(excerpt or "nothing in particular")
    first = question.digest[9] % len(_SENTENCES)
    count = 2 + question.digest[10] % 3
    sentences = (_SENTENCES * 2)[first : first + count]
    return " ".join((f"(simulated {question.model})", opening, *sentences))


def answer(question: Question) -> Answer:
    """Answer a question: as it wishes, or compose, then end at the first stop sequence or at the limit of tokens."""
    wishes = question.wishes
    thought = f'(simulated) What is asked is "{question.prompt[:_EXCERPT_CHARACTERS]}".' if wishes.thoughts else ""
    if wishes.calls:
        calls = tuple(
            Call(f"call_{question.digest[:8].hex()}_{place}", tool.name, json_of(tool.schema))
            for place, tool in enumerate(wishes.calls)
        )
        written = thought + "".join(call.arguments for call in calls)
        used = usage_of(question, written, Finish.CALLED)
        return Answer("", Finish.CALLED, None, used, thought=thought, calls=calls)
    text = compose(question) if wishes.output is None else json_of(wishes.output)
    finish, stop_sequence = Finish.COMPLETE, None
    found = [(text.index(stop), stop) for stop in question.stop if stop and stop in text]
    if found:
        position, stop_sequence = min(found)
        text, finish = text[:position], Finish.STOP_SEQUENCE
    limit = question.output_limit
    if limit is not None and estimate_tokens(len(text)) > limit:
        text, finish, stop_sequence = text[: limit * CHARACTERS_PER_TOKEN], Finish.LENGTH, None
    return Answer(text, finish, stop_sequence, usage_of(question, thought + text, finish), thought=thought)


def usage_of(question: Question, text: str, finish: Finish) -> Usage:
    """Report usage as a provider would: near the estimate but not equal, and never above the limit that was asked."""
    ratio = usage_ratio(question.digest)
    output_tokens = round(estimate_tokens(len(text)) * ratio)
    if question.output_limit is not None:
        at_limit = finish is Finish.LENGTH
        output_tokens = question.output_limit if at_limit else min(output_tokens, question.output_limit)
    return Usage(round(max(1, estimate_tokens(question.input_characters)) * ratio), output_tokens)


def cached(usage: Usage) -> Usage:
    """Say that three quarters of the same input came from a cache and an eighth was written to it."""
    return replace(usage, cache_read_tokens=usage.input_tokens * 3 // 4, cache_write_tokens=usage.input_tokens // 8)


def pieces(text: str) -> tuple[str, ...]:
    """Cut a text into the portions a stream delivers, one word each; joined, they are the text again."""
    return tuple(re.findall(r"\S+\s*|\s+", text))


def latency_for(model: str, overrides: Mapping[str, Latency]) -> Latency:
    """Choose how long a model takes: what was asked for, or a guess by words in its name."""
    if model in overrides:
        return overrides[model]
    name = model.lower()
    if re.search(_FAST_NAMES, name):
        return Latency(first_content_s=0.25, per_token_s=0.006)
    if re.search(_SLOW_NAMES, name):
        return Latency(first_content_s=1.2, per_token_s=0.02)
    return Latency(first_content_s=0.5, per_token_s=0.012)


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)

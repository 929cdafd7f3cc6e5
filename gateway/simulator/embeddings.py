"""OpenAI's embeddings, as api.openai.com sends them: unit vectors that follow from model and input alone.

Shapes: https://platform.openai.com/docs/api-reference/embeddings. Pure: no input or output, no clock. The vectors mean
nothing: equal inputs have equal ones, and that is all they say.
"""

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.simulator import openai
from gateway.simulator.faults import Fault
from gateway.simulator.wire import JSON_TYPE, Reply, encode
from gateway.simulator.world import CHARACTERS_PER_TOKEN, Answer, Question, count_characters, digest_of

NAME = "embeddings"

_DIMENSIONS = 1536
_LARGE_DIMENSIONS = 3072
_MOST_INPUTS = 2048
_FIXED_SIZE = "text-embedding-ada-002"


@dataclass(frozen=True, slots=True)
class Wanted(Question):
    """What is to be embedded: each input as text, and how a vector is to look."""

    inputs: tuple[str, ...]
    dimensions: int
    base64: bool


def read(document: Mapping[str, object], _header_names: frozenset[str]) -> Question | Reply:
    """Read a request for embeddings, or complain about the first field that is missing or of the wrong type."""
    model, asked = document.get("model"), document.get("input")
    if not isinstance(model, str) or not model:
        return openai.complaint("you must provide a model parameter")
    inputs = _inputs_of(asked)
    if not inputs or len(inputs) > _MOST_INPUTS:
        return openai.complaint("'$.input' is invalid. Please check the API reference.", param="input")
    if "" in inputs:
        return openai.complaint("Invalid 'input': input cannot be an empty string.", param="input")
    form = document.get("encoding_format", "float")
    if form not in ("float", "base64"):
        words = f"Invalid value: '{form}'. Supported values are: 'float' and 'base64'."
        return openai.complaint(words, param="encoding_format", code="invalid_value")
    most = _LARGE_DIMENSIONS if "large" in model else _DIMENSIONS
    size = document.get("dimensions", most)
    if "dimensions" in document and model == _FIXED_SIZE:
        return openai.complaint("This model does not support specifying dimensions.", param="dimensions")
    if not isinstance(size, int) or not 1 <= size <= most:
        words = f"Invalid value for 'dimensions' = {size}. Must be between 1 and {most}."
        return openai.complaint(words, param="dimensions")
    return Wanted(
        model=model,
        prompt=inputs[-1],
        input_characters=_characters_in(asked),
        output_limit=1,  # nothing is written, and nothing takes the time of writing
        stop=(),
        stream=False,
        stream_usage=False,
        digest=digest_of(document),
        inputs=inputs,
        dimensions=size,
        base64=form == "base64",
    )


def unreadable() -> Reply:
    """Complain about a body that is not a JSON object."""
    return openai.unreadable()


def failure(fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
    """Give the error response for a fault that has one, as OpenAI gives it."""
    return openai.failure(fault, question, retry_after_s)


def whole(question: Question, answer: Answer) -> Reply:
    """Give a list of embeddings, an empty one for an empty answer."""
    if not isinstance(question, Wanted):
        raise TypeError("a question of another endpoint has no embeddings")
    data = [
        {"object": "embedding", "index": place, "embedding": _written(vector_of(question, text), question)}
        for place, text in enumerate(question.inputs if answer.text else ())
    ]
    document: dict[str, object] = {"object": "list", "data": data, "model": question.model}
    if answer.usage is not None:
        tokens = answer.usage.input_tokens
        document["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(200, (JSON_TYPE, *openai.identity(question)), encode(document))


def vector_of(wanted: Wanted, text: str) -> tuple[float, ...]:
    """Give the unit vector of an input, as single precision holds it."""
    seed = f"{wanted.model}\0{text}".encode("utf-8", "surrogatepass")
    drawn = struct.unpack(f"<{wanted.dimensions}h", hashlib.shake_256(seed).digest(2 * wanted.dimensions))
    length = math.sqrt(sum(each * each for each in drawn)) or 1.0
    form = f"<{wanted.dimensions}f"
    return struct.unpack(form, struct.pack(form, *(each / length for each in drawn)))


def _written(vector: tuple[float, ...], wanted: Wanted) -> object:
    """Give a vector as a list, or as base64 of little-endian single precision."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if wanted.base64 else vector


def _inputs_of(asked: object) -> tuple[str, ...]:
    """Give each input as text, the numbers of tokens with spaces between; none for what is no input."""
    match asked:
        case str():
            return (asked,)
        case [int(), *_]:
            return (_numbers(asked),)
        case [str(), *_]:
            return tuple(each for each in asked if isinstance(each, str))
        case [[int(), *_], *_]:
            return tuple(map(_numbers, asked))
        case _:
            return ()


def _numbers(tokens: object) -> str:
    return " ".join(map(str, tokens)) if isinstance(tokens, list) else ""


def _characters_in(asked: object) -> int:
    """Count the text of inputs; the number of a token counts as the characters that one has on average."""
    match asked:
        case int():
            return CHARACTERS_PER_TOKEN
        case list():
            return sum(map(_characters_in, asked))
        case _:
            return count_characters(asked)

"""Anthropic's token counts, as api.anthropic.com sends them: what a message would be charged for its input.

Shapes: https://docs.anthropic.com/en/api/messages-count-tokens. Pure: no input or output, no clock.
"""

from collections.abc import Mapping

from gateway.simulator import anthropic
from gateway.simulator.faults import Fault
from gateway.simulator.wire import JSON_TYPE, Reply, encode
from gateway.simulator.world import Answer, Question

NAME = "count_tokens"

_NOT_COUNTED = ("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier")
"""Fields of a message that say nothing of its input, which this endpoint refuses."""


def read(document: Mapping[str, object], header_names: frozenset[str]) -> Question | Reply:
    """Read a request for a count, or complain as for a message, or about a field that only a message has."""
    for name in _NOT_COUNTED:
        if name in document:
            return anthropic.complaint(f"{name}: Extra inputs are not permitted")
    return anthropic.read({**document, "max_tokens": 1}, header_names)


def unreadable() -> Reply:
    """Complain about a body that is not a JSON object."""
    return anthropic.unreadable()


def failure(fault: Fault, question: Question, retry_after_s: float | None) -> Reply:
    """Give the error response for a fault that has one, as Anthropic gives it."""
    return anthropic.failure(fault, question, retry_after_s)


def whole(question: Question, answer: Answer) -> Reply:
    """Give the count."""
    document = {} if answer.usage is None else {"input_tokens": answer.usage.input_tokens}
    return Reply(200, (JSON_TYPE, *anthropic.identity(question)), encode(document))

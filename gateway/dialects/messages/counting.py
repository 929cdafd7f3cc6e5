"""Anthropic's token counts: what the input of a message would be charged for, without sending it.

Source: the API reference of `POST /v1/messages/count_tokens`.
"""

from typing import Final

import msgspec

from gateway.dialects import edit
from gateway.dialects.base import NOT_JSON, Answer, Bad
from gateway.dialects.fields import count_of, object_of
from gateway.dialects.messages.dialect import AnthropicMessages
from gateway.dialects.messages.stream import bad_of
from gateway.domain.attempt import ProviderError
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS, Params
from gateway.domain.words import Failure

INPUT: Final = frozenset(
    {
        *("context_management", "mcp_servers", "messages", "output_config", "output_format", "system", "thinking"),
        *("tool_choice", "tools"),
    }
)
"""The fields of a message that are its input; the endpoint refuses the others, and they change no count."""

NO_COUNT = Bad(Failure.MALFORMED, ProviderError(200, message="the provider's answer has no count of tokens"))


class CountTokens(AnthropicMessages):
    """The provider's side of counting."""

    path = "/messages/count_tokens"

    def pass_on(self, request: Request, upstream_model: str, params: Params) -> bytes:
        """Pass the body on; of a rule's edits those are carried out that change the input."""
        return edit.pass_on(request, upstream_model, _of_the_input(params, request), {}, ())

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Read `{"input_tokens": N}`."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("type") == "error" or answer.get("error"):
            return bad_of(answer.get("error"))
        return NO_COUNT if count_of(answer.get("input_tokens")) is None else Answer("", None, answer)


def written(tokens: int) -> bytes:
    """Give a count as the endpoint does."""
    return msgspec.json.encode({"input_tokens": tokens})


def _of_the_input(params: Params, request: Request) -> Params:
    named = {name: value for name, value in params.set.items() if name in INPUT}
    default = {name: value for name, value in params.default.items() if name in INPUT}
    drop = tuple(name for name in params.drop if name in request.fields)
    return Params(named, default, {}, drop) if named or default or drop else NO_PARAMS

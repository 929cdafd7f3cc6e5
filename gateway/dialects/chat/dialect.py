"""The chat completions dialect of OpenAI and of the many who speak it.

Source: the API reference of `POST /v1/chat/completions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gateway.dialects import edit, envelope, sse
from gateway.dialects.base import NOT_JSON, NOTHING, REFUSED, About, Answer, Bad, Blame, Fields, Outgoing
from gateway.dialects.carry import CannotCarryError, Lost
from gateway.dialects.chat.answers import completion_of, reply_of
from gateway.dialects.chat.conversation import conversation_of
from gateway.dialects.chat.reading import LIMITS, chat_of
from gateway.dialects.chat.stream import Reader, Writer, characters_in, says_something, stop_of, usage_of
from gateway.dialects.chat.writing import body_of, limit_name
from gateway.dialects.fields import created_at, dict_of, list_of, object_of, reported_in, text_of
from gateway.dialects.openai import OpenAI, bad_of, event_words
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.message import Chat, Reply
from gateway.domain.refusal import Refusal
from gateway.domain.registry import Model
from gateway.domain.request import Request
from gateway.domain.rule import Params
from gateway.domain.usage import Usage
from gateway.domain.words import Dialect, Surface

NAMES = {
    "effort": "reasoning_effort",
    "stop_sequences": "stop",
    "output": "response_format",
    "schema": "response_format.json_schema.schema",
    "thinking": "messages.reasoning_content",
    "arguments": "messages.tool_calls.function.arguments",
    "detail": "messages.content.image_url.detail",
    "strict": "tools.function.strict",
    "citations": "messages.annotations",
}
"""This dialect's names of what another one may leave out."""
_encode = msgspec.json.encode


class OpenAIChat(OpenAI):
    """Both sides of the dialect; it has no state."""

    name = Dialect.OPENAI
    path = "/chat/completions"
    names: Mapping[str, str] = NAMES

    # -- the caller's side

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a request body."""
        return envelope.read_chat(body, headers, Surface.CHAT, LIMITS, conversation_of)

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give the request in no dialect, or name the field that keeps it from crossing dialects."""
        try:
            return chat_of(fields)
        except CannotCarryError as error:
            return error.refusal()

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Give a chat.completion object."""
        return _encode(completion_of(reply, used, created_at(about.request_id)))

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Give a writer of chat.completion.chunk events."""
        options = fields.get("stream_options")
        return Writer(
            created_at(request_id), wants_usage=isinstance(options, dict) and bool(options.get("include_usage"))
        )

    def error_event(self, error: ProviderError, blame: Blame, request_id: str, sent: int = 0) -> bytes:
        """Give a data event with an error object; no `[DONE]` follows it."""
        return sse.event(_encode({"error": event_words(error, blame)}))

    # -- the provider's side

    def pass_on(self, request: Request, model: Model, params: Params, max_output_tokens: int) -> Outgoing:
        """Pass the body on; a stream is asked to report its usage, and a limit on the output is not needed."""
        extra: dict[str, Any] = {}
        if self.hides_usage(request):
            options = request.fields.get("stream_options")
            extra["stream_options"] = (
                {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
            )
        return edit.pass_on(request, model, params, extra, LIMITS)

    def write_request(self, chat: Chat, model: Model, params: Params, max_output_tokens: int) -> Outgoing | Refusal:
        """Give a chat completions request; without a limit on the output the model's own maximum holds."""
        lost = Lost(chat.lost)
        try:
            body = body_of(chat, model, lost)
        except CannotCarryError as error:
            return error.refusal()
        edit.apply(body, params, (limit_name(model),))
        edit.withhold(body, model, LIMITS, lost)
        return Outgoing(_encode(body), lost.names)

    def read_answer(self, body: bytes) -> Answer | Bad:
        """Look through a chat.completion object; one with an error in it, or with no content, is none."""
        answer = object_of(body)
        if answer is None:
            return NOT_JSON
        if answer.get("error"):
            return bad_of(answer["error"])
        choices = [dict_of(choice) for choice in list_of(answer.get("choices"))]
        messages = [dict_of(choice.get("message")) for choice in choices]
        used = usage_of(reported_in(answer.get("usage")), answer.get("service_tier"))
        if not any(map(says_something, messages)):
            refused = bool(choices) and stop_of(choices[0].get("finish_reason")) is Stop.REFUSAL
            return replace(REFUSED if refused else NOTHING, usage=used)
        characters = 0 if used and not used.estimated else sum(map(characters_in, messages))
        return Answer(text_of(answer.get("model")), used, answer, characters)

    def reply(self, answer: Answer) -> Reply:
        """Give what a chat.completion object says."""
        return reply_of(answer.fields)

    def stream_reader(self, *, pieces: bool) -> Reader:
        """Give a reader of chat.completion.chunk events."""
        return Reader(pieces=pieces)

    def hides_usage(self, request: Request) -> bool:
        """Say whether a stream did not ask for its usage block."""
        options = request.fields.get("stream_options")
        return request.stream and not (isinstance(options, dict) and options.get("include_usage"))

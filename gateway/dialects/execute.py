"""The execute surface: a prompt in, a text out, for people without an SDK. It faces callers only."""

from collections.abc import Mapping

import msgspec

from gateway.dialects import edit
from gateway.dialects.base import About, Fields
from gateway.dialects.chat.dialect import OpenAIChat
from gateway.dialects.chat.stream import Writer
from gateway.dialects.fields import prefer_of
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.message import Chat, Message, Reply, Text
from gateway.domain.price import NANO_USD_PER_USD
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.request import AUTO, Request
from gateway.domain.usage import Usage
from gateway.domain.words import Prefer, Surface

_FIELDS = ("prompt", "prefer")


class Execute(OpenAIChat):
    """`{"prompt", "prefer"}` to `{"text", "model", ...}`; its errors have OpenAI's shape."""

    def read_request(self, body: bytes, headers: Mapping[str, str]) -> Request | Refusal:
        """Read a prompt; unknown fields are refused by name."""
        fields = edit.decode_object(body)
        if isinstance(fields, Refusal):
            return fields
        for name in fields:
            if name not in _FIELDS:
                message = f"'{name}' is not a field of this surface; it takes {' and '.join(_FIELDS)}"
                return Refusal(RefusalKind.INVALID_REQUEST, message, name)
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            return Refusal(RefusalKind.INVALID_REQUEST, "a request needs 'prompt': a text", "prompt")
        prefer = fields.get("prefer")
        if prefer is not None and prefer not in list(Prefer):
            return Refusal(RefusalKind.INVALID_REQUEST, f"'prefer' is one of {', '.join(Prefer)}", "prefer")
        return Request(
            surface=Surface.EXECUTE,
            model=AUTO,
            stream=False,
            max_tokens=None,
            body=body,
            fields=fields,
            read=lambda: Conversation("", (Turn(Role.USER, prompt),)),
            prefer=Prefer(prefer) if prefer else prefer_of(headers),
            headers=headers,
        )

    def chat(self, fields: Fields) -> Chat | Refusal:
        """Give the prompt as a chat of one message."""
        return Chat((), (Message(Role.USER, (Text(fields["prompt"]),)),))

    def write_answer(self, reply: Reply, used: Usage | None, about: About, fields: Fields) -> bytes:
        """Give the text, and who answered it why and for how much."""
        cost = None if about.cost_nano_usd is None else about.cost_nano_usd / NANO_USD_PER_USD
        return msgspec.json.encode(
            {
                "text": reply.text,
                "model": about.model,
                "provider": about.provider,
                "rule": about.rule,
                "category": about.category,
                "cost_usd": cost,
                "request_id": about.request_id,
            }
        )

    def stream_writer(self, fields: Fields, request_id: str) -> Writer:
        """Never called: this surface has no streams."""
        raise TypeError("the execute surface has no streams")

"""Anthropic's models at Amazon Bedrock, by its client library; it has the extra `bedrock`.

Bedrock streams in a framing of its own (application/vnd.amazon.eventstream), which the library takes off; what comes
out are the server-sent events that Anthropic's own API sends.
"""

import json
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import Any, Final

import anthropic
import httpx2
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder, get_response_stream_shape
from botocore.eventstream import EventStreamBuffer, ParserError
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from gateway.adapters.aside import Aside
from gateway.adapters.sdk import Faults, options_of, without_credentials
from gateway.adapters.sdk_anthropic import FAULTS
from gateway.adapters.sdk_clouds import body_of, headers_of, path_of
from gateway.domain.registry import Bedrock
from gateway.domain.upstream import Call, Library, Reply, UpstreamError
from gateway.domain.words import Failure

FIRST_VERSION: Final = "bedrock-2023-05-31"
EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
UNFRAMED: Final = "text/event-stream"
ERRORS: Final = {
    "internalServerException": "api_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}
"""Bedrock's words for what ends a stream, and those of Anthropic's own API."""

OF_STATUS: Final = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
MODEL_ERROR: Final = 424
"""Bedrock's status where the model itself failed: 500 at Anthropic's own API."""
UNREADABLE: Final[Faults] = (BotoCoreError, ParserError, ResponseParserError, ValueError, KeyError)
"""What reading a stream raises that is damaged."""


class BedrockAccount:
    """An account at Bedrock, by a bearer token, by keys, or by what AWS's own chain finds."""

    faults: Faults = (*FAULTS, BotoCoreError)

    def __init__(self, library: Library, wire: httpx2.AsyncClient, aside: Aside) -> None:
        if not isinstance(library.cloud, Bedrock):
            raise TypeError("not an account at Bedrock")
        self._library = library
        self._aside = aside
        given = library.credentials
        self._asks = given.api_key is None and given.access_key_id is None
        self._session: Any = Session(profile=library.cloud.profile or None) if self._asks else None
        self._found: Any = None
        self._client = anthropic.AsyncAnthropicBedrock(
            aws_region=library.cloud.region,
            base_url=library.base_url,
            http_client=wire,
            max_retries=0,
            open_telemetry=False,
        )
        self._client.api_key = given.api_key  # it has taken that of the environment by now
        self._client.aws_access_key, self._client.aws_secret_key = given.access_key_id, given.secret_access_key
        self._client.aws_session_token = given.session_token

    async def post(self, call: Call) -> object:
        """Have the library sign a call and send it, with credentials that still hold."""
        if self._asks:
            keys = await self._aside.run(lambda: self._keys(call.provider))
            client = self._client
            client.aws_access_key, client.aws_secret_key, client.aws_session_token = keys
        path, body = path_of(call, self._library), body_of(call, FIRST_VERSION)
        options = options_of(headers_of(call), anthropic.Omit())
        return await self._client.post(path, body=body, cast_to=httpx2.Response, options=options)

    def reply(self, reply: Reply) -> Reply:
        """Give a reply in the framing, or an error in the words, of Anthropic's own API."""
        if reply.header("content-type").startswith(EVENT_STREAM):
            return Unframed(reply)
        return reply if reply.status < 400 else Refused(reply)

    def _keys(self, provider: str) -> tuple[str, str, str | None] | UpstreamError:
        """Find credentials, and renew them where they end: over the network, by AWS's own library."""
        try:
            self._found = self._found or self._session.get_credentials()
            if self._found is None:
                return without_credentials(provider)
            frozen = self._found.get_frozen_credentials()
        except (BotoCoreError, OSError):
            return without_credentials(provider)
        return frozen.access_key, frozen.secret_key, frozen.token


class Unframed:
    """A reply of Bedrock's whose events are in the framing of Anthropic's own API."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._frames = EventStreamBuffer()
        self._decoder = AWSEventStreamDecoder()
        self.status = reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields by lower-case name."""
        return {**self._reply.headers, "content-type": UNFRAMED}

    def header(self, name: str) -> str:
        """Give a header field by lower-case name, empty for none."""
        return UNFRAMED if name == "content-type" else self._reply.header(name)

    async def read(self) -> bytes:
        """Give the whole body. Raises UpstreamError."""
        parts = [part async for part in self._chunks()]
        return b"".join(parts)

    async def chunk(self) -> bytes:
        """Give the events that came next, empty at the end. Raises UpstreamError.

        Whoever waits may leave, and ask again: nothing is lost.
        """
        while piece := await self._reply.chunk():
            try:
                self._frames.add_data(piece)
                events = b"".join(map(self._event, self._frames))
            except UNREADABLE as error:
                raise UpstreamError(Failure.MALFORMED, "a stream of Bedrock cannot be read") from error
            if events:
                return events
        return b""

    def close(self, *, finished: bool = False) -> None:
        """Let go of the connection."""
        self._reply.close(finished=finished)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while event := await self.chunk():
            yield event

    def _event(self, frame: Any) -> bytes:  # noqa: ANN401 - botocore has no types
        event = self._decoder._parse_message_from_event(frame)  # noqa: SLF001 - what it is made of is ours to feed
        if event is None:
            return b""
        data = _in_own_words(event.data) if event.event == "error" else event.data
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        return f"event: {event.event}\n{lines}\n".encode()


class Refused:
    """An error of Bedrock's, `{"message": ...}`, as Anthropic's own API would have put it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._rest: bytes | None = None
        self.status = 500 if reply.status == MODEL_ERROR else reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields by lower-case name."""
        return self._reply.headers

    def header(self, name: str) -> str:
        """Give a header field by lower-case name, empty for none."""
        return self._reply.header(name)

    async def read(self) -> bytes:
        """Give the whole body. Raises UpstreamError."""
        body = await self._reply.read()
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            return body
        message = said.get("message", said.get("Message")) if isinstance(said, dict) else None
        if not isinstance(message, str):
            return body
        error = {"type": OF_STATUS.get(self.status, "api_error"), "message": message}
        return json.dumps({"type": "error", "error": error}).encode()

    async def chunk(self) -> bytes:
        """Give all of it, and then nothing. Raises UpstreamError."""
        if self._rest is None:
            self._rest = await self.read()
            return self._rest
        return b""

    def close(self, *, finished: bool = False) -> None:
        """Let go of the connection."""
        self._reply.close(finished=finished)


def _in_own_words(data: str) -> str:
    """Give an error event with the type that Anthropic's own API has for it."""
    written = json.loads(data)
    error = written["error"]
    error["type"] = ERRORS.get(error["type"], error["type"])
    return json.dumps(written)


def prepare(_: Library) -> None:
    """Do what takes long, before there are requests that would wait for it: AWS's description of Bedrock is large."""
    import_module("boto3")
    get_response_stream_shape()

"""The framing of AWS's streams (application/vnd.amazon.eventstream), as Bedrock sends them."""

import json
import struct
import zlib
from base64 import b64encode

HEAD = b"Content-Type: application/vnd.amazon.eventstream"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Give one message: lengths, a checksum of them, headers of text, the payload, a checksum of all."""
    fields = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(fields) + len(payload), len(fields))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + fields + payload
    return message + struct.pack("!I", zlib.crc32(message))


def event(data: str) -> bytes:
    """Give an event of Anthropic's, padded as Bedrock pads."""
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({"bytes": b64encode(data.encode()).decode(), "p": "abcdef"}).encode())


def exception(kind: str, message: str) -> bytes:
    """Give the end of a stream that cannot go on."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())

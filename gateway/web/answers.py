"""JSON for operators."""

import msgspec
from aiohttp import web

_encode = msgspec.json.Encoder(enc_hook=str).encode


def answer(value: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(status=status, body=_encode(value), content_type="application/json")

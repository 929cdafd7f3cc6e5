"""Images and documents within requests: data URLs, and whether the bytes are what they are said to be."""

import binascii
from base64 import b64decode

from gateway.dialects.carry import CannotCarryError
from gateway.domain.message import Inline, Link, Source

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""The images that the providers take."""
_HEAD_CHARACTERS = 24
"""Characters of base64 that are enough to tell an image by."""


def source_of(url: str, where: str) -> Source:
    """Read the address of something: a data URL (RFC 2397) or a link. Raises CannotCarryError."""
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://")):
            raise CannotCarryError(where, "must be an https address or a data URL")
        return Link(url)
    about, comma, data = url[5:].partition(",")
    media_type, *marks = about.split(";")
    if not comma or "base64" not in marks:
        raise CannotCarryError(where, "must be a data URL in base64: data:TYPE;base64,DATA")
    return Inline(media_type.strip().lower() or "text/plain", data)


def url_of(source: Source) -> str:
    """Give the address of something; what is within the request becomes a data URL."""
    return source.url if isinstance(source, Link) else f"data:{source.media_type};base64,{source.data}"


def checked_image(source: Source, where: str) -> Source:
    """Give an image that a provider can be sent. Raises CannotCarryError where it is surely not what it says."""
    if isinstance(source, Link):
        return source
    if source.media_type == "image/jpg":
        source = Inline("image/jpeg", source.data)  # many write it, and OpenAI takes it
    if source.media_type not in IMAGE_TYPES:
        raise CannotCarryError(where, f"is of type {source.media_type[:60]}; it must be {', '.join(IMAGE_TYPES)}")
    found = image_type_of(source.data)
    if found is not None and found != source.media_type:
        raise CannotCarryError(where, f"says that it is {source.media_type}, and is {found}")
    return source


def image_type_of(data: str) -> str | None:
    """Tell the type of an image by its first bytes, None where they say nothing."""
    try:
        head = b64decode(data[:_HEAD_CHARACTERS], validate=True)
    except (binascii.Error, ValueError):
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else None

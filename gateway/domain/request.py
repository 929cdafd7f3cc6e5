"""The request as the gateway sees it, before anything is decided."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field, structs

from gateway.domain.caller import NOBODY, Caller
from gateway.domain.chat import Conversation
from gateway.domain.words import Prefer, Surface

AUTO = "auto"
"""The model name that leaves the choice to the rules."""


CREDENTIALS = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})
"""Headers that no request here has, by lower-case name: they are for the door alone."""


class Request(Struct, frozen=True, gc=False):
    """One call on an inference surface.

    `headers` has lower-case names and never a credential or a cookie. `body` is as it came, less the members that
    `dropped` names, and `fields` is the same decoded, a JSON object. `read` gives the conversation within and is
    pure, but costs a pass over the body, so that it is asked for at most once and only when a condition looks at it.
    """

    surface: Surface
    model: str
    stream: bool
    max_tokens: int | None
    body: bytes
    fields: Mapping[str, Any]
    read: Callable[[], Conversation]
    caller: Caller = NOBODY
    prefer: Prefer | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def asked_by(self, caller: Caller) -> "Request":
        """Give the same request, of a caller who is known."""
        return structs.replace(self, caller=caller)

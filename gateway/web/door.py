"""The door: who may come in, by key, by peer, and by what a browser says of the page that asks.

Nothing of what is refused is repeated to anybody.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gateway.domain.caller import NOBODY, Caller, Callers
from gateway.domain.refusal import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class Door:
    """Where the gateway stands.

    `names` are the host names that it is called by, beside addresses and localhost, in lower case; `any_name` says that
    whoever can connect may ask, under any name.
    """

    names: frozenset[str] = frozenset()
    any_name: bool = False

    def enter(self, headers: Mapping[str, str], callers: Callers, at: datetime) -> Caller | Refusal:
        """Say who asks for an answer of a model, or for what is told of models: nobody where no key is needed."""
        if callers.needed:
            return caller_of(headers, callers, at)
        if is_foreign(headers, None if self.any_name else self.names):
            return FOREIGN
        return NOBODY

    def operate(self, headers: Mapping[str, str], peer: str | None, callers: Callers, at: datetime) -> Caller | Refusal:
        """Say who operates: the holder of an operator's key, or nobody by name on this machine itself."""
        caller = caller_of(headers, callers, at)
        if isinstance(caller, Caller) and caller.operator:
            return caller
        if is_loopback(peer):
            return FOREIGN if is_foreign(headers, self.names) else NOBODY
        if isinstance(caller, Caller):
            return Refusal(RefusalKind.FORBIDDEN, f"caller '{caller.name}' is not marked 'operator: true'")
        return caller if callers.needed else LOOPBACK_ONLY


NO_KEY = Refusal(RefusalKind.UNAUTHENTICATED, "a key is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'")
UNKNOWN_KEY = Refusal(RefusalKind.UNAUTHENTICATED, "the key is not one of a caller")
EXPIRED_KEY = Refusal(RefusalKind.UNAUTHENTICATED, "the key has expired")
FOREIGN = Refusal(
    RefusalKind.FORBIDDEN,
    "a page of another site may not ask here: the headers Origin and Host do not name this gateway by its address, "
    "by localhost or by the name that it listens on",
)
LOOPBACK_ONLY = Refusal(
    RefusalKind.FORBIDDEN,
    "operations are answered on this machine's loopback address only; "
    "from elsewhere they need the key of a caller marked 'operator: true'",
)


def caller_of(headers: Mapping[str, str], callers: Callers, at: datetime) -> Caller | Refusal:
    """Say whose key a request has, as a bearer or in x-api-key; of two, one that opens is enough."""
    refusal = NO_KEY
    for key in _keys(headers):
        caller = callers.holder(key)
        if caller is not None and not caller.expired(at):
            return caller
        refusal = UNKNOWN_KEY if caller is None else EXPIRED_KEY
    return refusal


def _keys(headers: Mapping[str, str]) -> Iterator[str]:
    scheme, _, bearer = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (key := bearer.strip()):
        yield key
    if key := headers.get("x-api-key", "").strip():
        yield key


def is_foreign(headers: Mapping[str, str], names: frozenset[str] | None) -> bool:
    """Say whether a browser asks on behalf of another site's page; other clients send no Origin.

    The page's own origin tells it, or, where a name of that site has been made to lead here (DNS rebinding), a Host
    that is no address, not localhost and none of `names`; None for any name.
    """
    host = headers.get("Host", "").lower()
    origin = headers.get("Origin")
    if origin is not None and (not host or origin.lower().partition("://")[2] != host):
        return True
    return bool(host) and names is not None and not _is_ours(host, names)


_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:\[\]@/]+))(?::[0-9]{1,5})?")


@lru_cache(maxsize=256)
def _is_ours(host: str, names: frozenset[str]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["address"] or found["name"]
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(peer: str | None) -> bool:
    """Say whether a peer's address is one of this machine's loopback, also as IPv6 writes one of IPv4."""
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback

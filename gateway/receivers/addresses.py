"""Whether a resolved address can be sent to. What is said about it never holds it: it is a secret."""

from urllib.parse import urlsplit

from gateway.domain.alert import ReceiverKind
from gateway.domain.delivery import Address
from gateway.receivers.generic import signing_key


def faults(kind: ReceiverKind, address: Address) -> tuple[str, ...]:
    """Say what is wrong with an address whose parts could all be found."""
    found = []
    if not is_reachable(address.url) and (address.url or kind is not ReceiverKind.PAGERDUTY):
        found.append("its url is no http or https address")
    if kind is ReceiverKind.PAGERDUTY and not is_key(address.routing_key):
        found.append("its routing_key has blanks or characters that no key has")
    for secret in address.signing_secrets:
        try:
            signing_key(secret)
        except ValueError as error:
            found.append(f"its signing_secret is none: {error}")
    return tuple(found)


def is_reachable(url: str) -> bool:
    """Say whether a URL names a host, over http or https, in characters that a request line can have."""
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_key(text: str) -> bool:
    """Say whether a text can be a routing key: printable ASCII without blanks."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text

"""What connections trust, and the certificates by which they show who we are."""

import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from gateway.domain.upstream import SYSTEM, Trust

REMEMBERED = 64
"""Contexts that are kept: those of one generation of rules are fewer, and each change of a file makes another."""


class TrustError(Exception):
    """A file of certificates cannot be used; the words name it and say why."""


class Contexts:
    """Gives the TLS context for each Trust, the same one for the same. Making one reads files; giving it does not."""

    def __init__(self) -> None:
        self.of = lru_cache(maxsize=REMEMBERED)(context_of)
        self.of(SYSTEM)


def stamped(trust: Trust) -> Trust:
    """Give a Trust the stamp of what its files hold now. Raises TrustError for a file that cannot be read."""
    if trust == SYSTEM:
        return trust
    digest = hashlib.sha256()
    for path in _paths(trust):
        try:
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
        except OSError as error:
            raise TrustError(f"file {path} cannot be read") from error
    return replace(trust, stamp=digest.hexdigest())


def context_of(trust: Trust) -> ssl.SSLContext:
    """Make a context. Raises TrustError."""
    try:
        context = ssl.create_default_context(cafile=trust.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise TrustError(f"file {trust.ca_file} holds no certificates to trust, as PEM") from error
    if trust.cert_file:
        try:
            context.load_cert_chain(trust.cert_file, trust.key_file, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            words = (
                f"files {trust.cert_file} and {trust.key_file} are no certificate and its key, as PEM and not encrypted"
            )
            raise TrustError(words) from error
    return context


def _no_password() -> str:
    """Stand in for the question that OpenSSL would put to the terminal."""
    raise ValueError("the key is encrypted")


def _paths(trust: Trust) -> Iterator[str]:
    return (path for path in (trust.ca_file, trust.cert_file, trust.key_file) if path)

"""The secrets that providers and receivers name: where they are, which are missing, and what they say.

Only `serve`, and the test of receivers, resolve them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.alerting import Destination
from gateway.domain.delivery import Address
from gateway.domain.problem import Mark, Problem
from gateway.domain.registry import EnvSecret, FileSecret, NoSecret, Secret
from gateway.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class _Want:
    """A secret with who wants it, and where that stands."""

    who: str
    secret: Secret
    file: str
    mark: Mark


def missing(snapshot: Snapshot, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Give a Problem for each secret that cannot be had, at the provider or receiver that wants it."""
    return tuple(problem for want in _wants(snapshot) if (problem := _lacks(want, environment)) is not None)


def _wants(snapshot: Snapshot) -> Iterator[_Want]:
    for provider in snapshot.providers.values():
        for secret in provider.secrets:
            yield _Want(f"provider '{provider.name}'", secret, provider.file, provider.mark)
    for destination in snapshot.receivers.values():
        for secret in (destination.url, destination.routing_key, *destination.signing_secrets):
            yield _Want(f"receiver '{destination.receiver.name}'", secret, destination.file, destination.mark)


def resolve(secret: Secret, environment: Mapping[str, str]) -> str | None:
    """Give the secret itself, None where none is wanted or it cannot be had; a file is read anew each time."""
    match secret:
        case NoSecret():
            return None
        case EnvSecret():
            return environment.get(secret.name) or None
        case FileSecret():
            try:
                return Path(secret.path).read_text(encoding="utf-8").strip() or None
            except (OSError, UnicodeDecodeError):
                return None


def address_of(destination: Destination, environment: Mapping[str, str]) -> Address:
    """Give where a receiver is; what cannot be had is empty."""
    signing = [resolve(secret, environment) for secret in destination.signing_secrets]
    return Address(
        url=(resolve(destination.url, environment) or "").strip(),
        routing_key=(resolve(destination.routing_key, environment) or "").strip(),
        signing_secrets=tuple(secret.strip() for secret in signing if secret),
    )


def wanted(secret: Secret) -> str:
    """Name where a secret is looked for; empty where none is wanted."""
    match secret:
        case NoSecret():
            return ""
        case EnvSecret():
            return f"environment variable {secret.name}"
        case FileSecret():
            return f"file {secret.path}"


def _lacks(want: _Want, environment: Mapping[str, str]) -> Problem | None:
    where = wanted(want.secret)
    if not where or resolve(want.secret, environment) is not None:
        return None
    remedy = "set it" if isinstance(want.secret, EnvSecret) else "write the key there"
    hint = f"{remedy}, or rehearse without keys: rulegate serve --simulate"
    return Problem(want.file, want.mark.line, want.mark.column, f"{want.who} needs {where}", hint)

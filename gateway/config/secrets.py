"""The secrets that providers name: where they are, which are missing, and what they say. Only `serve` resolves them."""

from collections.abc import Mapping
from pathlib import Path

from gateway.domain.problem import Problem
from gateway.domain.registry import EnvSecret, FileSecret, NoSecret, Provider, Secret


def missing(providers: Mapping[str, Provider], environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Give a Problem for each secret that cannot be had, at the provider that wants it."""
    return tuple(problem for provider in providers.values() if (problem := _lacks(provider, environment)) is not None)


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


def wanted(secret: Secret) -> str:
    """Name where a secret is looked for; empty where none is wanted."""
    match secret:
        case NoSecret():
            return ""
        case EnvSecret():
            return f"environment variable {secret.name}"
        case FileSecret():
            return f"file {secret.path}"


def _lacks(provider: Provider, environment: Mapping[str, str]) -> Problem | None:
    where = wanted(provider.api_key)
    if not where or resolve(provider.api_key, environment) is not None:
        return None
    remedy = "set it" if isinstance(provider.api_key, EnvSecret) else "write the key there"
    hint = f"{remedy}, or rehearse without keys: rulegate serve --simulate"
    mark = provider.mark
    return Problem(provider.file, mark.line, mark.column, f"provider '{provider.name}' needs {where}", hint)

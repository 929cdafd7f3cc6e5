"""Providers and models: the registry that chains refer to."""

from dataclasses import dataclass

from gateway.domain.price import CatalogueModel, PriceHistory
from gateway.domain.problem import Mark
from gateway.domain.words import Dialect, Prefer


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """A secret in an environment variable."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret in a file; surrounding white space is not part of it."""

    path: str


@dataclass(frozen=True, slots=True)
class NoSecret:
    """A provider that wants no key."""


Secret = EnvSecret | FileSecret | NoSecret


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream account.

    `base_url` has no trailing slash and ends before the dialect's own path; `file` and `mark` say where it stands.
    `responses` says whether it has OpenAI's endpoint of that name, None where its file does not say.
    """

    name: str
    kind: Dialect
    base_url: str
    api_key: Secret
    file: str
    mark: Mark
    responses: bool | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A registry entry: a provider's model under the name that rules, rows and metrics use.

    `upstream` is the provider's id. `price` is what the rule file says or else what the catalogue says.
    `price_version` names which: `rules`, or the date of the catalogue. `responses` says that it takes the bodies of
    OpenAI's responses as they are.
    """

    name: str
    provider: str
    upstream: str
    strength: Prefer
    price: PriceHistory
    price_version: str
    window_tokens: int | None = None
    max_output_tokens: int | None = None
    known: CatalogueModel | None = None
    responses: bool = False

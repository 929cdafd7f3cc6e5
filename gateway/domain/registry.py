"""Providers and models: the registry that chains refer to."""

from dataclasses import dataclass

from gateway.domain.chat import NEEDS
from gateway.domain.price import CatalogueModel, PriceHistory
from gateway.domain.problem import Mark
from gateway.domain.words import Dialect, Prefer

THINKING = "thinking"
"""The word of `takes` for a model that can be asked to think."""


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
    """

    name: str
    kind: Dialect
    base_url: str
    api_key: Secret
    file: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Model:
    """A registry entry: a provider's model under the name that rules, rows and metrics use.

    `upstream` is the provider's id. `price` is what the rule file says or else what the catalogue says.
    `price_version` names which: `rules`, or the date of the catalogue. `takes` are words as in
    `CatalogueModel.capabilities`, None where nothing is known; `refuses` are request fields in the provider's dialect
    that it answers with an error. `known` is its entry in the catalogue, whatever the rule file says over it.
    """

    name: str
    provider: str
    upstream: str
    strength: Prefer
    price: PriceHistory
    price_version: str
    window_tokens: int | None = None
    max_output_tokens: int | None = None
    takes: frozenset[str] | None = None
    refuses: frozenset[str] = frozenset()
    known: CatalogueModel | None = None

    @property
    def lacks(self) -> frozenset[str]:
        """What a request may need that the model is known not to take."""
        return frozenset() if self.takes is None else NEEDS - self.takes

    @property
    def thinks(self) -> bool | None:
        """Whether it can be asked to think; None where that is not known."""
        return None if self.takes is None else THINKING in self.takes

"""Providers and models: the registry that chains refer to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.chat import NEEDS
from gateway.domain.limit import Gate
from gateway.domain.price import CatalogueModel, PriceHistory, Unpriced
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
class Text:
    """What is no secret, and stands in the rule file itself."""

    text: str


class Via(StrEnum):
    """How a provider is reached: over our own connections alone, or with its client library before them."""

    HTTP = "http"
    SDK = "sdk"


@dataclass(frozen=True, slots=True)
class Connection:
    """How a provider is connected to; paths are empty where none is given.

    Without a `proxy` that of the environment is used; with NoSecret none at all. `headers` are pairs of name and value.
    """

    proxy: Text | Secret | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    headers: tuple[tuple[str, Text | Secret], ...] = ()


@dataclass(frozen=True, slots=True)
class Azure:
    """A resource of Azure OpenAI; without a `deployment` the model of each request names it."""

    api_version: str
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class Bedrock:
    """An account at Amazon Bedrock; without keys and a profile AWS's own chain of credentials is asked."""

    region: str
    profile: str = ""
    access_key_id: Secret = NoSecret()
    secret_access_key: Secret = NoSecret()
    session_token: Secret = NoSecret()


@dataclass(frozen=True, slots=True)
class Vertex:
    """A project at Google's Vertex AI; without the key of a service account Google's own chain is asked."""

    region: str
    project: str
    credentials_file: str = ""


Cloud = Azure | Bedrock | Vertex


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream account.

    `base_url` has no trailing slash and ends before the dialect's own path, or before what the library of a `cloud`
    adds to it; `file` and `mark` say where it stands. `responses` says whether it has OpenAI's
    endpoint of that name, None where its file does not say. `gate` says how many requests may be there at once.
    """

    name: str
    kind: Dialect
    base_url: str
    api_key: Secret
    file: str
    mark: Mark
    via: Via = Via.HTTP
    cloud: Cloud | None = None
    connection: Connection = Connection()
    responses: bool | None = None
    gate: Gate | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that must be had before it can be reached."""
        proxy = self.connection.proxy
        values = [value for _, value in self.connection.headers if not isinstance(value, Text)]
        keys: tuple[Secret, ...] = ()
        if isinstance(self.cloud, Bedrock):
            keys = self.cloud.access_key_id, self.cloud.secret_access_key, self.cloud.session_token
        return (self.api_key, *keys, *(() if proxy is None or isinstance(proxy, Text) else (proxy,)), *values)


@dataclass(frozen=True, slots=True)
class Model:
    """A registry entry: a provider's model under the name that rules, rows and metrics use.

    `upstream` is the provider's id. `price` is what the rule file says or else what the catalogue says.
    `price_version` names which: `rules`, or the date of the catalogue. `takes` are words as in
    `CatalogueModel.capabilities`, None where nothing is known; `refuses` are request fields in the provider's dialect
    that it answers with an error. `known` is its entry in the catalogue, whatever the rule file says over it. `states`
    are the ids, lower-case, that read like this one with a date or a version behind it and that the catalogue has as
    models of their own, with their prices. `responses` says that it
    takes the bodies of OpenAI's responses as they are. `gates` are its own and its provider's, where they have one.
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
    responses: bool = False
    gates: tuple[Gate, ...] = ()
    states: Mapping[str, PriceHistory | Unpriced] = field(default_factory=dict, hash=False)

    @property
    def lacks(self) -> frozenset[str]:
        """What a request may need that the model is known not to take."""
        return frozenset() if self.takes is None else NEEDS - self.takes

    @property
    def thinks(self) -> bool | None:
        """Whether it can be asked to think; None where that is not known."""
        return None if self.takes is None else THINKING in self.takes

"""Callers: who may connect, told by the SHA-256 of a key that only they have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

from gateway.domain.limit import Limits
from gateway.domain.problem import Mark

UNLIMITED: Final = Limits()
_INDEXED_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; all empty for somebody who is not known, or need not be.

    `models` are the registry names that may answer it, None for all of them. From `expires` on its keys are not taken.
    An `operator` may use the operations endpoints from other machines. `file` and `mark` say where it stands.
    """

    name: str = ""
    team: str = ""
    tags: frozenset[str] = frozenset()
    models: frozenset[str] | None = None
    expires: datetime | None = None
    operator: bool = False
    limits: Limits = UNLIMITED
    file: str = field(default="", compare=False)
    mark: Mark = field(default=Mark(1, 1), compare=False)

    def may_use(self, model: str) -> bool:
        """Say whether a model of the registry may answer it."""
        return self.models is None or model in self.models

    def expired(self, at: datetime) -> bool:
        """Say whether its keys are not taken any more."""
        return self.expires is not None and self.expires <= at


NOBODY: Final = Caller()


@dataclass(frozen=True, slots=True)
class Callers:
    """All callers by name, and by the first bytes of the SHA-256 of each of their keys."""

    by_name: Mapping[str, Caller]
    by_key: Mapping[bytes, tuple[tuple[bytes, Caller], ...]] = field(repr=False)

    @classmethod
    def of(cls, keys: Iterable[tuple[bytes, Caller]]) -> Self:
        """Make it of the SHA-256 of every key with its holder."""
        by_key: dict[bytes, tuple[tuple[bytes, Caller], ...]] = {}
        by_name: dict[str, Caller] = {}
        for digest, caller in keys:
            start = digest[:_INDEXED_BYTES]
            by_key[start] = (*by_key.get(start, ()), (digest, caller))
            by_name[caller.name] = caller
        return cls(by_name, by_key)

    @property
    def needed(self) -> bool:
        """Whether somebody must be one of them to connect: as soon as there is one."""
        return bool(self.by_name)

    def named(self, name: str) -> Caller:
        """Give the caller of a name, who is nobody where there is none."""
        return self.by_name.get(name, NOBODY)

    def holder(self, key: str) -> Caller | None:
        """Give who holds a key, expired or not; None for nobody.

        Whole hashes are compared in constant time: how long it takes tells at most how the hash of a guess begins.
        """
        digest = sha256(key.encode("utf-8", "surrogatepass")).digest()
        there = self.by_key.get(digest[:_INDEXED_BYTES], ())
        return next((caller for held, caller in there if compare_digest(held, digest)), None)


NO_CALLERS: Final = Callers({}, {})

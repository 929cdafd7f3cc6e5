"""What is kept of spend in memory, as text, as the table keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.domain.problem import StoreError
from gateway.domain.shift import Notice


@dataclass
class KeptShifts:
    """`broken` refuses to read and write."""

    fold: bytes = b"null"
    said: bytes = b"[]"
    broken: bool = False
    saves: int = 0

    def load(self) -> tuple[Mapping[str, Any] | None, Sequence[Notice]]:
        self._works()
        return msgspec.json.decode(self.fold), msgspec.json.decode(self.said, type=list[Notice])

    def save(self, kept: Mapping[str, Any], notices: Sequence[Notice]) -> None:
        self._works()
        self.fold, self.said, self.saves = msgspec.json.encode(kept), msgspec.json.encode(notices), self.saves + 1

    def _works(self) -> None:
        if self.broken:
            raise StoreError("the disk is full")

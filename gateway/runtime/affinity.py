"""Which model answered each conversation last: kept over reloads, and by a store over restarts.

A conversation is a number here: the keyed hash of its hash. Who reads the store can test no guess of what was said.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from datetime import timedelta
from functools import lru_cache, partial
from typing import NamedTuple

from gateway.domain.affinity import Pin
from gateway.runtime.ports import Clock

HOLDS_S = 3600.0
"""How long a conversation without another answer stays."""
MOST_PINS = 100_000
"""Conversations that are remembered at once, about 25 MB; the one that was answered longest ago is forgotten first."""
NUMBERS = 4096
"""Numbers of conversations that are remembered: one is asked for when a model is chosen, and when that has answered."""
KEPT_AGAIN_S = 300.0
"""How much later than what is kept a pin must end to be kept anew: a turn a second is no write a second."""

Keep = Callable[[int, Pin | None], object]
"""Keeps a pin over restarts, or forgets it, without waiting."""


def _for_now(_conversation: int, _pin: Pin | None) -> None:
    """Keep nothing."""


class _Held(NamedTuple):
    """`until_s` is monotonic, as is `kept_s`: until when it holds for the store."""

    model: str
    until_s: float
    kept_s: float


class Pins:
    """The pins, the one that ends first in front: each answer moves its conversation to the end."""

    def __init__(self, clock: Clock, key: bytes, keep: Keep = _for_now, most: int = MOST_PINS) -> None:
        self._clock = clock
        self._number = lru_cache(maxsize=NUMBERS)(partial(_number, key))
        self._keep = keep
        self._most = most
        self._held: OrderedDict[int, _Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def model_of(self, conversation_hash: int) -> str | None:
        """Give the model that a conversation stays on."""
        held = self._held.get(self._number(conversation_hash))
        return held.model if held is not None and self._clock.monotonic() < held.until_s else None

    def answered(self, conversation_hash: int, model: str) -> None:
        """Note who answers a conversation: it stays there for an hour from now."""
        number, until_s = self._number(conversation_hash), self._clock.monotonic() + HOLDS_S
        before = self._held.pop(number, None)
        if before is not None and before.model == model and until_s - before.kept_s < KEPT_AGAIN_S:
            self._held[number] = _Held(model, until_s, before.kept_s)
            return
        self._held[number] = _Held(model, until_s, until_s)
        self._keep(number, Pin(model, self._clock.now() + timedelta(seconds=HOLDS_S)))
        self._forget_old()

    def failed(self, conversation_hash: int, model: str) -> None:
        """Note that a model failed a conversation: it stays there no longer."""
        number = self._number(conversation_hash)
        held = self._held.get(number)
        if held is not None and held.model == model:
            del self._held[number]
            self._keep(number, None)

    def resume(self, kept: Mapping[int, Pin], models: Container[str]) -> None:
        """Go on with pins that were kept; those that have ended, or whose model there is no more, are forgotten.

        None holds longer than from now, however the clock of the machine was set meanwhile.
        """
        now, now_s = self._clock.now(), self._clock.monotonic()
        for number, pin in sorted(kept.items(), key=lambda each: each[1].until):
            left_s = min((pin.until - now).total_seconds(), HOLDS_S)
            if left_s <= 0 or pin.model not in models:
                self._keep(number, None)
            else:
                self._held[number] = _Held(pin.model, now_s + left_s, now_s + left_s)
        self._forget_old()

    def _forget_old(self) -> None:
        """Let go of what has ended, and of what is too many."""
        now_s = self._clock.monotonic()
        while self._held:
            number, first = next(iter(self._held.items()))
            if first.until_s > now_s and len(self._held) <= self._most:
                return
            del self._held[number]
            self._keep(number, None)


def _number(key: bytes, conversation_hash: int) -> int:
    data = conversation_hash.to_bytes(8, "big")
    return int.from_bytes(hashlib.blake2b(data, key=key, digest_size=8).digest(), "big", signed=True)

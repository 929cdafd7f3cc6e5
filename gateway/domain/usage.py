"""Usage: what one attempt used, as counters that a price can be multiplied with.

Every dialect normalises the usage object of its provider to this one shape, streamed or not. It holds no text and no
money.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from msgspec import Struct
from msgspec.structs import fields, replace

STANDARD: Final = "standard"
"""The service tier of an answer that names none."""


class Usage(Struct, frozen=True, gc=False):
    """What one attempt used, in tokens and calls; the five plain token counters never overlap.

    `fresh_input_tokens`, `cache_read_tokens`, `cache_write_5m_tokens`, `cache_write_1h_tokens` and `output_tokens` are
    disjoint: each token is in exactly one of them. The four others are parts of these, never more than the whole:
    `reasoning_tokens` and `audio_output_tokens` of the output, `audio_input_tokens` of the fresh input,
    `cache_read_audio_tokens` of the cache reads. `web_searches` counts calls. No counter is negative.

    `service_tier` is the tier the provider says it served (`standard`, `flex`, `priority`, `batch`, `fast`, ...), not
    the one that was asked for. `estimated` is true where the provider reported nothing and the counters are our guess.
    """

    fresh_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    cache_read_audio_tokens: int = 0
    audio_output_tokens: int = 0
    web_searches: int = 0
    service_tier: str = STANDARD
    estimated: bool = False

    @property
    def input_tokens(self) -> int:
        """All input, cached or not: the size that context-length prices and windows go by."""
        return (
            self.fresh_input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        )

    @property
    def anything(self) -> bool:
        """Whether any counter is above zero."""
        return any(counters_of(self))


def total_of(usages: Iterable[Usage]) -> Usage | None:
    """Add up what several attempts used, None for none; the tier is the last one's, and one guess makes it a guess."""
    several = list(usages)
    if len(several) < 2:
        return several[0] if several else None
    sums = dict(zip(COUNTERS, map(sum, zip(*map(counters_of, several), strict=True)), strict=True))
    return replace(several[-1], **sums, estimated=any(usage.estimated for usage in several))


COUNTERS: Final = tuple(each.name for each in fields(Usage) if each.name not in ("service_tier", "estimated"))
"""The names of the counters, in their order."""
counters_of: Final[Callable[[Usage], tuple[int, ...]]] = attrgetter(*COUNTERS)
"""Give the counters of a usage, in the order of `COUNTERS`."""

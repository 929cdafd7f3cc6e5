"""What happened on the way through a chain: attempts that were made, steps that were passed over."""

from dataclasses import dataclass

from msgspec import Struct

from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Skip, SpendKind

# looking a member up takes longer than the rest of `kind`
_ANSWER, _FAILED, _HEDGE = SpendKind.ANSWER, SpendKind.FAILED, SpendKind.HEDGE


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What a provider said about its failure: the words of its dialect, never ours.

    `status` is 0 when no response came. `message` may quote the request, so it goes to the caller and nowhere else.
    """

    status: int
    type: str = ""
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None


class Attempt(Struct, frozen=True, gc=False):
    """One HTTP request to a provider and how it ended.

    `failure` None means answered. `committed` means that the caller already holds a part of the answer, so that
    no other model may go on with it. `status` is 0 where no reply came; `garbage` counts events that could not be
    read. `unpriced` says that the provider answered with the id of a model that the price is not of. `again` says that
    it turned down what can be left out, so that the same step is asked once more, without that. `upstream_id` is its
    own id of the request, empty where it gave none. `began_s` is when it began, in seconds since the request was there.
    `hedged` says that it was begun beside one that was slow, and `lost` that the other one of such two was faster: it
    was cancelled then, which is no failure of its model.
    """

    position: int
    model: str
    provider: str
    failure: Failure | None
    committed: bool = False
    error: ProviderError | None = None
    status: int = 0
    duration_s: float = 0.0
    usage: Usage | None = None
    cost_nano_usd: int = 0
    garbage: int = 0
    unpriced: bool = False
    again: bool = False
    upstream_id: str = ""
    began_s: float = 0.0
    hedged: bool = False
    lost: bool = False

    @property
    def kind(self) -> SpendKind:
        """What its money was for: the caller holds an answer of it, or nothing; nor does who lost against another."""
        if self.failure is None or self.committed:
            return _ANSWER
        return _HEDGE if self.lost else _FAILED

    @property
    def counts(self) -> bool:
        """Whether it belongs in the ledger: it answered, or it used something."""
        if self.failure is None or self.committed or self.cost_nano_usd:
            return True
        return self.usage is not None and self.usage.anything


class Skipped(Struct, frozen=True, gc=False):
    """A step that was passed over without an attempt; of an incapable one `lacks` says what, where it is known."""

    position: int
    model: str
    skip: Skip
    lacks: tuple[str, ...] = ()


Event = Attempt | Skipped


def shown(event: Event) -> dict[str, object]:
    """Give an event as callers and rows are shown it: our words and numbers, of the provider's text its id alone."""
    if isinstance(event, Skipped):
        skipped: dict[str, object] = {"model": event.model, "skip": event.skip.value}
        return {**skipped, "lacks": list(event.lacks)} if event.lacks else skipped
    failure = event.failure.value if event.failure else None
    seconds = round(event.duration_s, 4)
    tried: dict[str, object] = {
        "model": event.model,
        "status": event.status,
        "failure": failure,
        "seconds": seconds,
    }
    if event.again:
        tried["again"] = True
    if event.hedged:
        tried["hedged"] = True
    if event.upstream_id:
        tried["upstream_id"] = event.upstream_id
    return tried

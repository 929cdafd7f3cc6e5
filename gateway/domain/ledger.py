"""The ledger: what money went for, as sums over quarter hours. It decides about money; the rows of the log are detail.

An entry gives its postings, and so does its row: rows rebuild the ledger to the nano-dollar.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt
from gateway.domain.budget import Dimension
from gateway.domain.usage import Usage
from gateway.domain.words import SpendKind

QUARTER_S: Final = 900
_DAY_S: Final = 86_400
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


LedgerDimension = Literal["quarter", "kind", "team", "caller", "rule", "category", "model", "provider", "tag"]
"""What sums of the ledger are told apart by."""
BOOKED_AS: Final[Mapping[Dimension, LedgerDimension]] = {
    Dimension.TEAM: "team",
    Dimension.CALLER: "caller",
    Dimension.TAG: "tag",
    Dimension.RULE: "rule",
    Dimension.CATEGORY: "category",
    Dimension.MODEL: "model",
    Dimension.PROVIDER: "provider",
}
"""The ledger's names for what budgets are told apart by."""


class Account(NamedTuple):
    """Where money is booked: one key of the ledger.

    `quarter` is the start of the UTC quarter hour in which the request came, in Unix seconds. `model` and `provider`
    are those of the attempt, `tags` are sorted.
    """

    quarter: int
    kind: SpendKind
    team: str
    caller: str
    rule: str
    category: str
    model: str
    provider: str
    tags: tuple[str, ...]


class Amounts(NamedTuple):
    """What is booked: counts, tokens and money. `estimated_nano_usd` is the part that usage was guessed for."""

    attempts: int
    fresh_input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    nano_usd: int
    estimated_nano_usd: int


class Posting(NamedTuple):
    """Attempts as the ledger has them."""

    account: Account
    amounts: Amounts


class Spent(NamedTuple):
    """One attempt as its row has it: what it used in full, so that it can be priced again.

    `unpriced` says that another model answered than the one whose price was charged.
    """

    account: Account
    usage: Usage
    nano_usd: int
    unpriced: bool = False


def unix_seconds(at: datetime) -> int:
    """Give the whole seconds of a moment since 1970, rounded down, exactly."""
    since = at - EPOCH
    return since.days * _DAY_S + since.seconds


def quarter_of(at: datetime) -> int:
    """Give the start of the quarter hour of a moment, in Unix seconds."""
    seconds = unix_seconds(at)
    return seconds - seconds % QUARTER_S


def amounts_of(usage: Usage | None, nano_usd: int, attempts: int = 1) -> Amounts:
    """Give what attempts add whose usages are all guessed or all not; without one, themselves and their money alone."""
    if usage is None:
        return Amounts(attempts, 0, 0, 0, 0, nano_usd, 0)
    return Amounts(
        attempts,
        usage.fresh_input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        usage.output_tokens,
        nano_usd,
        nano_usd if usage.estimated else 0,
    )


def postings_of(alike: Alike) -> list[Posting]:
    """Give a posting for each attempt that answered or used something; together they cost what the entries cost."""
    entry = alike.first
    quarter = quarter_of(entry.at)
    return [
        Posting(
            Account(
                quarter,
                event.kind,
                entry.team,
                entry.caller,
                entry.rule,
                entry.category,
                event.model,
                event.provider,
                entry.tags,
            ),
            amounts_of(each.usage, each.nano_usd, alike.times),
        )
        for each in alike.happened
        if isinstance(event := each.event, Attempt) and event.counts
    ]


def summed(postings: Iterable[Posting]) -> dict[Account, Amounts]:
    """Add up postings by account."""
    groups: defaultdict[Account, list[Amounts]] = defaultdict(list)
    for account, amounts in postings:
        groups[account].append(amounts)
    return {account: Amounts._make(map(sum, zip(*group, strict=True))) for account, group in groups.items()}

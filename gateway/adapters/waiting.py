"""Money that waits to be booked: sums by account, however many requests they are of."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from gateway.domain.ledger import Account, Amounts, Posting, summed

MOST_ACCOUNTS = 20_000
"""Past this, what is new is booked without its tags, which are the one part that callers can make up."""


class Waiting:
    """Sums, and up to which row of each day they go. Not to be used by two threads at a time."""

    def __init__(self) -> None:
        self.sums: dict[Account, Amounts] = {}
        self.numbers: dict[date, int] = {}

    def add(self, postings: Iterable[Posting]) -> None:
        """Add postings up."""
        self.merge(summed(postings))

    def merge(self, sums: dict[Account, Amounts]) -> None:
        """Add sums up."""
        for account, amounts in sums.items():
            key = account
            if account not in self.sums and len(self.sums) >= MOST_ACCOUNTS:
                key = account._replace(tags=())
            before = self.sums.get(key)
            self.sums[key] = amounts if before is None else Amounts._make(map(sum, zip(before, amounts, strict=True)))

    @property
    def days(self) -> set[date]:
        """The days that the sums are of."""
        return {datetime.fromtimestamp(account.quarter, UTC).date() for account in self.sums}

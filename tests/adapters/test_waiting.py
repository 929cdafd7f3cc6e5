"""Money that waits: as many sums as there are accounts, however many requests there were."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters import waiting
from gateway.adapters.waiting import Waiting
from gateway.domain.alike import added_up
from gateway.domain.entry import Entry
from gateway.domain.ledger import postings_of, summed
from tests.adapters.entries import NOON, entry
from tests.strategies import entries


@given(st.lists(st.lists(entries, max_size=4), max_size=4))
def test_what_was_added_in_parts_is_what_all_of_it_is(batches: list[list[Entry]]) -> None:
    """U-65: sums of sums are sums."""
    held = Waiting()
    for batch in batches:
        held.add(posting for one in batch for posting in postings_of(added_up([one])))
    entries = [one for batch in batches for one in batch]
    assert held.sums == summed(posting for one in entries for posting in postings_of(added_up([one])))
    assert held.days == {one.at.date() for batch in batches for one in batch if postings_of(added_up([one]))}


def test_tags_that_callers_make_up_take_no_memory_without_end() -> None:
    """U-99: past a bound, money is held without its tags; not a nano-dollar of it is lost."""
    count = waiting.MOST_ACCOUNTS + 500
    held = Waiting()
    for number in range(count):
        held.add(postings_of(added_up([entry(1, tags=(f"request-{number}",))])))
    held.add(postings_of(added_up([entry(1, tags=("request-0",))])))
    assert len(held.sums) == waiting.MOST_ACCOUNTS + 1
    assert sum(amounts.nano_usd for amounts in held.sums.values()) == (count + 1) * entry(1).cost_nano_usd
    (first,) = postings_of(added_up([entry(1, NOON, tags=("request-0",))]))
    assert held.sums[first.account].attempts == 2
    assert held.sums[first.account._replace(tags=())].attempts == 500

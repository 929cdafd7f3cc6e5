"""Alike entries: whoever counts them together comes to what one by one comes to."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.alike import Alike, added_up, kinds
from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.entry import Entry
from gateway.domain.usage import Usage, counters_of
from gateway.domain.words import Failure, Outcome, Skip
from tests.adapters.entries import ENTRY, entry
from tests.strategies import entries

USED = Usage(10, 20, 30, 40, 50)
ANSWER = Attempt(0, "gpt", "openai", None, usage=USED, cost_nano_usd=7)
PLAIN = entry(outcome=Outcome.ANSWERED, events=(ANSWER,), usage=USED, model="gpt", provider="openai")
answers = st.builds(
    lambda used, cost, after_s, rule: replace(
        PLAIN,
        at=PLAIN.at + timedelta(seconds=after_s),
        rule=rule,
        usage=used,
        events=(replace(ANSWER, usage=used, cost_nano_usd=cost),),
    ),
    st.builds(Usage, st.integers(0, 9), output_tokens=st.integers(0, 9), estimated=st.booleans()),
    st.integers(0, 5),
    st.integers(0, 90),
    st.sampled_from(["a", "b"]),
)


def spent(alike: Alike) -> Counter[object]:
    """Give all that budgets, metrics and shifts count, under what they count it."""
    found: Counter[object] = Counter()
    first = alike.first
    for each in alike.happened:
        event = each.event
        whose = (first.at.replace(second=0, microsecond=0), first.rule, first.category, first.team, first.tags)
        found[whose, event.model, isinstance(event, Skipped) or event.failure] += alike.times
        found[whose, event.model, "nano-dollars"] += each.nano_usd
        found[whose, event.model, "garbage"] += each.garbage
        for place, count in enumerate(counters_of(each.usage or Usage())):
            found[whose, event.model, each.usage is not None and each.usage.estimated, place] += count
    return found


@given(st.lists(answers | entries, max_size=8))
def test_what_is_summed_by_kind_is_what_each_one_spent(some: list[Entry]) -> None:
    """U-65: no entry is left out, and none is counted with what it is not like."""
    together = [added_up(kind) for kind in kinds(some)]
    assert sorted(map(id, some)) == sorted(id(one) for alike in together for one in alike.entries)
    by_kind = sum((spent(alike) for alike in together), Counter())
    assert by_kind == sum((spent(added_up([one])) for one in some), Counter())
    costs = Counter(cost for alike in together for each in alike.happened for cost in each.costs)
    attempts = [event for one in some for event in one.events if isinstance(event, Attempt)]
    assert costs == Counter(event.cost_nano_usd for event in attempts if event.cost_nano_usd)


APART: dict[str, Entry] = {
    "another minute": replace(PLAIN, at=datetime.fromisoformat("2026-11-23T12:01:00+00:00")),
    "another team": replace(PLAIN, team="other"),
    "a tag": replace(PLAIN, tags=(*PLAIN.tags, "z")),
    "a guessed usage": replace(PLAIN, usage=replace(USED, estimated=True)),
    "another outcome": replace(PLAIN, outcome=Outcome.INTERRUPTED),
    "a failure": replace(PLAIN, events=(replace(ANSWER, failure=Failure.TIMEOUT),)),
    "a model that the price is not of": replace(PLAIN, events=(replace(ANSWER, unpriced=True),)),
    "a step that was passed over": replace(PLAIN, events=(Skipped(0, "mini", Skip.COOLING), ANSWER)),
    "no usage": replace(PLAIN, usage=None),
}


@pytest.mark.parametrize("why", APART)
def test_entries_that_count_for_something_else_stay_apart(why: str) -> None:
    assert [len(kind) for kind in kinds([PLAIN, APART[why], PLAIN])] == [2, 1]


def test_entries_that_differ_in_figures_alone_are_one_kind_in_their_order() -> None:
    other = replace(PLAIN, id="other", duration_s=9.0, prompt_hash="other", at=ENTRY.at)
    assert kinds([PLAIN, other, PLAIN]) == [[PLAIN, other, PLAIN]]
    assert added_up([PLAIN, other]).happened[0].costs == [7, 7]

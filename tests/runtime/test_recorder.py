"""What is noted of a request: every field of its row, and each counter once."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from gateway.dialects.chat.dialect import OpenAIChat
from gateway.domain.alike import Alike
from gateway.domain.attempt import Attempt, ProviderError, Skipped
from gateway.domain.caller import Caller
from gateway.domain.decision import Locked, Unroutable
from gateway.domain.entry import Entry
from gateway.domain.refusal import RefusalKind
from gateway.domain.request import Request
from gateway.domain.snapshot import Snapshot
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Outcome, Skip, Surface
from gateway.engine.recall import decide_again, facts_of
from gateway.runtime.exchange import Active, Arrived, Exchange, Unrouted, begin
from gateway.runtime.recorder import FEW, LONGEST_NAME, MOST, Books, Recorder, Refused
from gateway.runtime.spend import SpendBook
from tests.fakes.values import snapshot_of

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
STARTED_S = 1_000.0
KEY = b"k" * 32
CANARY = "canary-5b1f"
RULES = """\
rules:
  - {name: bills, priority: 9, when: {category: billing}, route: [small, large], tags: [money]}
  - {name: parted, priority: 5, when: {contains: [halves]}, route: [{split: {small: 90, large: 10}}, other]}
  - {name: next, mode: shadow, when: {words: {gt: 2}}, route: [small]}
  - {name: rest, route: [large]}
"""


@dataclass
class Clock:
    """Stands where it is put."""

    at_s: float = STARTED_S + 2.5

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.at_s)

    def monotonic(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


@dataclass
class Book:
    """Both the log and the meters, with all that they were told."""

    takes: bool = True
    rows: list[Entry] = field(default_factory=list)
    counted: list[Entry] = field(default_factory=list)
    lost: int = 0

    def put(self, alike: Alike) -> bool:
        self.rows.extend(alike.entries)
        return self.takes

    def prepare(self, snapshot: Snapshot) -> None:
        raise NotImplementedError

    def began(self) -> None:
        raise NotImplementedError

    def ended(self, alike: Alike) -> None:
        self.counted.extend(alike.entries)

    def dropped(self, times: int = 1) -> None:
        self.lost += times

    def reloaded(self, snapshot: Snapshot, at: datetime) -> None:
        raise NotImplementedError

    def rejected(self) -> None:
        raise NotImplementedError


def recorder(book: Book, key: bytes = KEY, *, simulated: bool = False) -> Recorder:
    books = Books(book, book, SpendBook(Clock()))
    return Recorder(books, Clock(), key, lambda note: note(), lambda: 1, simulated=simulated)


def active() -> Active:
    return Active(snapshot_of(RULES), {}, AT)


def request(said: str, model: str = "auto", *, stream: bool = False) -> Request:
    messages = [{"role": "system", "content": CANARY}, {"role": "user", "content": said}]
    body = json.dumps({"model": model, "messages": messages, "stream": stream, "max_tokens": 50}).encode()
    read = OpenAIChat().read_request(body, {"x-secret": CANARY})
    assert isinstance(read, Request)
    return read


def exchange(said: str = f"Is this invoice {CANARY} right?", **changes: Any) -> Exchange:  # noqa: ANN401 - any field
    model = changes.pop("model_asked_for", "auto")
    asked = request(said, model, stream=changes.pop("stream", False))
    begun = begin(Arrived("0192f0c4-7000", AT, STARTED_S, active()), STARTED_S, asked, OpenAIChat())
    assert isinstance(begun, Exchange), begun
    for name, value in changes.items():
        setattr(begun, name, value)
    return begun


def noted(one: Exchange, key: bytes = KEY, *, simulated: bool = False) -> Entry:
    book = Book()
    recorder(book, key, simulated=simulated).ended(one)
    assert book.rows == book.counted
    (entry,) = book.rows
    return entry


USED = Usage(fresh_input_tokens=20, output_tokens=7)
HISTORY = [
    Attempt(0, "small", "local", Failure.OVERLOADED, error=ProviderError(529, message=CANARY), status=529),
    Skipped(1, "other", Skip.COOLING),
    Attempt(1, "large", "local", None, committed=True, status=200, usage=USED, cost_nano_usd=340_000),
]


def answered() -> Exchange:
    return exchange(
        stream=True,
        history=HISTORY,
        outcome=Outcome.ANSWERED_AFTER_FALLBACK,
        model=active().snapshot.models["large"],
        response_model="up-large-2026-01-01",
        usage=USED,
        first_content_s=0.75,
        waited_s=2.375,
    )


def test_every_field_of_the_row_is_what_happened() -> None:
    """U-27, U-105: the row names the decision, what was tried, who answered, what it cost and how long it took."""
    one = answered()
    snapshot = one.active.snapshot
    expected = {
        "id": "0192f0c4-7000",
        "at": AT,
        "generation": snapshot.generation,
        "fingerprint": snapshot.fingerprint,
        "caller": "",
        "team": "",
        "tags": ("money",),
        "surface": "chat",
        "requested_model": "auto",
        "prompt_hash": noted(answered()).prompt_hash,
        "rule": "bills",
        "mode": "live",
        "shadows": one.decision.shadows,
        "category": "billing",
        "facts": facts_of(snapshot, one.features, one.decision),
        "chain": ("small", "large"),
        "model": "large",
        "upstream_model": "up-large",
        "response_model": "up-large-2026-01-01",
        "provider": "local",
        "propensity": 1.0,
        "events": tuple(HISTORY),
        "usage": USED,
        "price_version": "rules",
        "cost_nano_usd": 340_000,
        "first_content_s": 0.75,
        "duration_s": 2.5,
        "overhead_s": 0.125,
        "stream": True,
        "simulated": False,
        "outcome": Outcome.ANSWERED_AFTER_FALLBACK,
    }
    entry = noted(one)
    assert {each.name: getattr(entry, each.name) for each in fields(Entry)} == expected


def test_the_row_of_a_request_that_nobody_answered_names_no_model() -> None:
    entry = noted(exchange(history=HISTORY[:2], outcome=Outcome.FAILED))
    assert (entry.model, entry.upstream_model, entry.response_model, entry.provider) == ("", "", "", "")
    assert (entry.usage, entry.cost_nano_usd, entry.price_version, entry.first_content_s) == (None, 0, "", None)
    assert (entry.rule, entry.category, entry.outcome) == ("bills", "billing", Outcome.FAILED)


def test_an_exchange_that_broke_without_an_outcome_has_failed() -> None:
    """U-105: a request that ends in a bug still ends in a row."""
    assert noted(exchange()).outcome is Outcome.FAILED


def test_an_answer_of_a_model_that_is_not_priced_is_flagged_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """U-67: it is charged at the price of the model that was asked for; the attempt that answered says so."""
    book = Book()
    writes = recorder(book)
    for said in ("up-large-2026-01-01", "up-large", "another", "a third"):
        one = answered()
        one.response_model = said
        writes.ended(one)
    flags = [[getattr(event, "unpriced", None) for event in entry.events] for entry in book.rows]
    assert flags == [[False, None, False], [False, None, False], [False, None, True], [False, None, True]]
    assert {entry.cost_nano_usd for entry in book.rows} == {340_000}
    assert caplog.text.count("model 'large' is answered by one that its price is not of") == 1
    assert "another" not in caplog.text, "a provider's words stay out of our own log"


def test_shadow_rules_that_would_have_held_are_noted() -> None:
    entry = noted(exchange("nothing in particular to see here"))
    assert (entry.rule, entry.shadows) == ("rest", ("next",))


def test_the_cost_is_that_of_all_attempts() -> None:
    history = [
        Attempt(0, "small", "local", Failure.EMPTY, status=200, cost_nano_usd=1_000),
        Attempt(1, "large", "local", None, status=200, cost_nano_usd=20_000),
    ]
    assert noted(exchange(history=history)).cost_nano_usd == 21_000


@pytest.mark.parametrize(("waited_s", "overhead_s"), [(0.0, 2.5), (2.0, 0.5), (9.0, 0.0)])
def test_the_overhead_is_what_the_providers_did_not_take(waited_s: float, overhead_s: float) -> None:
    """U-97: and never less than nothing."""
    assert noted(exchange(waited_s=waited_s)).overhead_s == overhead_s


@given(st.integers(0, 10**6))
def test_the_propensity_is_the_share_of_the_arm_that_was_taken(number: int) -> None:
    """What a learner divides by: the chance that this conversation had of this model."""
    entry = noted(exchange(f"two halves {number}"))
    assert entry.rule == "parted"
    assert entry.propensity == {"small": 0.9, "large": 0.1}[entry.chain[0]]


def test_both_arms_of_a_split_are_seen() -> None:
    chains = {noted(exchange(f"two halves {number}")).chain for number in range(80)}
    assert chains == {("small", "other"), ("large", "other")}


@pytest.mark.parametrize("said", ["an invoice", "anything"])
def test_a_route_without_a_split_is_certain(said: str) -> None:
    assert noted(exchange(said)).propensity == 1.0


def test_a_requested_model_is_certain() -> None:
    entry = noted(exchange(model_asked_for="other"))
    assert (entry.rule, entry.requested_model, entry.propensity) == ("requested-model", "other", 1.0)


def test_the_prompt_hash_is_the_same_for_the_same_prompt_under_the_same_key_only() -> None:
    """U-115: repeats can be counted, and nobody without the key can test a guess."""
    first, again, other = noted(exchange("a b c")), noted(exchange("a b c")), noted(exchange("a b d"))
    assert first.prompt_hash == again.prompt_hash != other.prompt_hash
    assert first.prompt_hash != noted(exchange("a b c"), key=b"another" * 4).prompt_hash
    assert len(bytes.fromhex(first.prompt_hash)) == 16


def test_a_prompt_that_is_no_proper_text_is_hashed_all_the_same() -> None:
    one = exchange("x")
    one.features["text@user"] = "\ud800"
    assert len(noted(one).prompt_hash) == 32


def test_no_text_of_a_request_is_in_its_row() -> None:
    """U-115: neither of the prompt, nor of the system text, nor of a header."""
    entry = noted(exchange(f"Is this invoice {CANARY} right?", outcome=Outcome.ANSWERED))
    assert CANARY not in repr(entry)


def test_names_from_outside_are_cut() -> None:
    """U-102: a row has a budget, whatever a caller or a provider calls a model."""
    one = exchange("x", model_asked_for="other", response_model="r" * 5_000)
    entry = noted(one)
    assert entry.response_model == "r" * LONGEST_NAME
    refused = refusal("m" * LONGEST_NAME)
    assert refused.requested_model == "m" * LONGEST_NAME


def test_the_decision_can_be_made_again_from_the_row() -> None:
    """U-27: what `explain ID` and `replay` stand on."""
    one = exchange("two halves")
    entry = noted(one)
    facts = json.loads(json.dumps(entry.facts))
    _, decision = decide_again(one.active.snapshot, facts, entry.at)
    assert getattr(decision, "rule", None) == entry.rule
    assert getattr(decision, "chain", None) == one.decision.chain


@pytest.mark.parametrize("simulated", [True, False])
def test_a_rehearsal_is_marked_in_every_row(simulated: bool) -> None:  # noqa: FBT001
    assert noted(exchange(), simulated=simulated).simulated is simulated
    assert refusal(None, simulated=simulated).simulated is simulated


def unrouted(model: str) -> Unrouted:
    arrived = Arrived("id", AT, STARTED_S, active())
    begun = begin(arrived, STARTED_S, request(f"Is {CANARY} right?", model, stream=True), OpenAIChat())
    assert isinstance(begun, Unrouted)
    return begun


def refusal(asked: str | None, outcome: Outcome = Outcome.REFUSED, *, simulated: bool = False) -> Entry:
    """Note a request that asked for a model which there is not, or whose body could not be read."""
    book = Book()
    asks = None if asked is None else unrouted(asked)
    told = Refused(Arrived("0192f0c4-7001", AT, STARTED_S, active()), Surface.MESSAGES, outcome, asks)
    recorder(book, simulated=simulated).ended(told)
    assert book.rows == book.counted
    (entry,) = book.rows
    return entry


@pytest.mark.parametrize("asked", [None, "gpt-99"], ids=["unreadable", "unroutable"])
@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.CANCELLED])
def test_a_request_that_ended_before_a_decision_has_a_row_too(asked: str | None, outcome: Outcome) -> None:
    """U-105: every request that came is in the log and in the counters."""
    entry = refusal(asked, outcome)
    assert (entry.id, entry.at, entry.surface, entry.outcome) == ("0192f0c4-7001", AT, "messages", outcome)
    assert (entry.generation, entry.fingerprint) == (active().snapshot.generation, active().snapshot.fingerprint)
    assert (entry.requested_model, entry.stream) == (("gpt-99", True) if asked else ("", False))
    assert (entry.rule, entry.model, entry.provider, entry.chain, entry.events) == ("", "", "", (), ())
    assert (entry.usage, entry.cost_nano_usd) == (None, 0)
    assert bool(entry.facts) == bool(entry.prompt_hash) == bool(asked)
    assert CANARY not in repr(entry)
    assert (entry.duration_s, entry.overhead_s, entry.propensity) == (2.5, 2.5, 1.0)


def test_a_row_that_the_log_does_not_take_is_counted_and_the_request_still_is() -> None:
    """U-99: one count for each row, and the counters of the request are right all the same."""
    book = Book(takes=False)
    notes = recorder(book)
    notes.ended(exchange())
    assert (book.lost, len(book.counted)) == (1, 1)
    notes.ended(Refused(Arrived("id", AT, STARTED_S, active()), Surface.CHAT, Outcome.REFUSED))
    assert (book.lost, len(book.counted)) == (2, 2)


@pytest.mark.parametrize(("under_way", "together"), [(1, FEW), (FEW, FEW), (FEW + 1, MOST), (1_000, MOST)])
def test_requests_are_noted_together_fewer_where_few_are_under_way_and_none_is_forgotten(
    under_way: int, together: int
) -> None:
    """A moment later, or at once where so many have ended; each with the time of its own end."""
    book, later = Book(), list[Callable[[], None]]()
    books, clock = Books(book, book, SpendBook(Clock())), Clock()
    left = chain([under_way], repeat(1))
    notes = Recorder(books, clock, KEY, later.append, lambda: next(left), simulated=False)
    for _ in range(together - 1):
        notes.ended(exchange())
    assert (book.rows, len(later)) == ([], 1)
    notes.ended(exchange())
    assert len(book.rows) == together
    notes.ended(exchange())
    later[-1]()
    later[0]()
    assert len(book.rows) == together + 1


def test_a_request_that_cannot_be_noted_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """U-99: and what it asked is in no log."""
    book, later = Book(), list[Callable[[], None]]()
    notes = Recorder(Books(book, book, SpendBook(Clock())), Clock(), KEY, later.append, lambda: MOST, simulated=False)
    notes.ended(exchange(history=None))
    notes.ended(exchange())
    later[0]()
    assert len(book.rows) == 1
    assert CANARY not in caplog.text
    assert "noting a request met a bug, TypeError" in caplog.text


def test_requests_that_are_alike_are_counted_together_and_a_bug_in_one_takes_no_other_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """U-99: where figures cannot be added up, each request is counted by itself."""
    book, later = Book(), list[Callable[[], None]]()
    heard: list[int] = []
    spend = SpendBook(Clock())
    books = Books(book, book, spend, (lambda alike: heard.append(alike.times),))
    notes = Recorder(books, Clock(), KEY, later.append, lambda: MOST, simulated=False)
    broken = replace(USED, output_tokens=None)
    for usage in (USED, USED, broken, USED):
        notes.ended(at_once(usage))
        if usage is broken:
            notes.note_waiting()
    later[0]()
    assert (heard, len(book.rows)) == ([1, 1, 1, 1], 4)
    assert "noting a request met a bug, TypeError" in caplog.text
    notes.ended(at_once(USED))
    notes.ended(at_once(USED))
    notes.note_waiting()
    assert heard[4:] == [2]


def at_once(usage: Usage) -> Exchange:
    one = exchange(history=[replace(HISTORY[2], usage=usage)], outcome=Outcome.ANSWERED)
    one.answered_by(one.active.snapshot.models["large"])
    return one


def test_a_name_that_nothing_answers_to_can_be_explained_from_its_row() -> None:
    """U-27: a refusal by the rules is a decision like any other."""
    entry = refusal("gpt-99")
    _, decision = decide_again(active().snapshot, json.loads(json.dumps(entry.facts)), entry.at)
    assert isinstance(decision, Unroutable)
    assert unrouted("gpt-99").refusal.kind is RefusalKind.MODEL_NOT_FOUND


BOT = Caller("bot", "growth", frozenset({"eu"}), models=frozenset({"other"}))
LOCKED = f'callers: {{bot: {{key_sha256: "{"0" * 64}", team: growth, tags: [eu], models: [other]}}}}'


def by_bot(said: str, model: str = "auto") -> Exchange | Unrouted:
    at_bot = Active(snapshot_of(RULES, LOCKED), {}, AT)
    asked = replace(request(said, model), caller=at_bot.snapshot.callers.named("bot"), dropped=("api_key",))
    return begin(Arrived("0192f0c4-7002", AT, STARTED_S, at_bot), STARTED_S, asked, OpenAIChat())


def test_a_refused_request_has_its_caller_in_the_row_where_that_is_known() -> None:
    """U-105: whoever has no key is nobody; whoever has one is named, whatever the request was refused for."""
    arrived = Arrived("0192f0c4-7002", AT, STARTED_S, active())
    locked = by_bot("Is this invoice right?")
    assert isinstance(locked, Unrouted)
    assert locked.refusal.kind is RefusalKind.FORBIDDEN
    book = Book()
    told = recorder(book)
    told.ended(Refused(arrived, Surface.CHAT, Outcome.REFUSED))
    told.ended(Refused(arrived, Surface.CHAT, Outcome.REFUSED, caller=BOT))
    told.ended(Refused(arrived, Surface.CHAT, Outcome.REFUSED, locked, BOT))
    assert [(row.caller, row.team, row.tags, row.rule) for row in book.rows] == [
        ("", "", (), ""),
        ("bot", "growth", ("eu",), ""),
        ("bot", "growth", ("eu",), "bills"),
    ]
    facts = json.loads(json.dumps(book.rows[2].facts))
    assert facts["dropped"] == ["api_key"]
    again = decide_again(snapshot_of(RULES, LOCKED), facts, AT)[1]
    assert isinstance(again, Locked)
    assert (again.decision.rule, again.caller.name) == ("bills", "bot")


def test_the_propensity_of_a_locked_split_is_that_of_the_models_that_are_left() -> None:
    """What is learned from rows counts a choice as likely as it was for this caller."""
    one = by_bot("two halves")
    assert isinstance(one, Exchange)
    entry = noted(one)
    assert (entry.chain, entry.propensity, entry.caller) == (("other",), 1.0, "bot")
    assert entry.facts["dropped"] == ["api_key"]

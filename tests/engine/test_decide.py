"""What deciding promises: the first live rule that holds takes the request, and nothing else moves it."""

from collections.abc import Callable
from datetime import datetime
from operator import or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.decision import REQUESTED_MODEL, Decision, Flip, Unroutable, unlocked
from gateway.domain.request import Request
from gateway.domain.snapshot import Snapshot
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Mode, Surface
from gateway.engine.decide import decide, decide_request, smallest_flip, tried_of
from gateway.engine.explain import account_of
from gateway.engine.features import Features
from gateway.engine.match import describe, first_miss
from tests import strategies
from tests.fakes.values import (
    MONDAY_NOON,
    compiler,
    conversation_of,
    counted,
    features_of,
    request_of,
    snapshot_of,
    within,
)
from tests.strategies import Written, file_of

RULES = """\
rules:
  - name: forbidden
    when: {contains: secret}
    mode: off
    route: [other]
  - name: watched
    priority: 9
    when: {words: {gt: 1}}
    mode: shadow
    route: [other]
  - name: invoices
    priority: 5
    when: {category: billing}
    deadline: 20s
    fall_back_on: [timeout]
    route: [small, {model: large, tries: 2}]
  - name: asked-for-large
    priority: 4
    when: {model: [large, up-large]}
    route: [large, small]
  - name: any-model
    priority: 3
    when: {model: {glob: "*"}, header.x-any: "yes"}
    route: strong
  - name: long
    when: {words: {gt: 5}}
    route: [{split: {small: 50, large: 50}}, other, {split: {large: 50, other: 50}}]
chains: {strong: [large]}
"""


def outcome(decided: Decision | Unroutable) -> tuple[object, ...]:
    """What a request gets, less the reasons."""
    match decided:
        case Decision():
            return decided.rule, decided.chain, decided.chain_name, decided.category, decided.confidence, decided.split
        case Unroutable():
            return (decided.requested,)


def decided(snapshot: Snapshot, request: Request, at: datetime = MONDAY_NOON) -> Decision | Unroutable:
    return unlocked(decide_request(snapshot, request, at)[1])


def asked(said: str, model: str = "auto", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request_of(said), model=model, headers=named)


WHO: dict[str, tuple[Request, str | None, list[str]]] = {
    "the rule that holds": (asked("invoice"), "invoices", ["small", "large"]),
    "the one of highest priority": (asked("my invoice is much longer than five words"), "invoices", ["small", "large"]),
    "a rule that names the model": (asked("invoice", "large"), "asked-for-large", ["large", "small"]),
    "a rule that names the upstream model": (asked("hello", "up-large"), "asked-for-large", ["large", "small"]),
    "a rule for any model": (asked("hello", "nobody", x_any="yes"), "any-model", ["large"]),
    "a model by its registry name": (asked("invoice", "small"), REQUESTED_MODEL, ["small"]),
    "a model by its upstream name": (asked("invoice", "up-small"), REQUESTED_MODEL, ["small"]),
    "one of two entries of one upstream model, by name": (asked("hello", "twin"), REQUESTED_MODEL, ["twin"]),
    "nobody: two entries are the upstream model": (asked("hello", "up-twin"), None, []),
    "nobody: there is no such model": (asked("invoice", "gpt-99"), None, []),
    "nobody: no rule takes it": (asked("hello"), None, []),
    "a rule that is off never": (asked("secret"), None, []),
}


@pytest.mark.parametrize(("request_", "rule", "chain"), WHO.values(), ids=WHO.keys())
def test_who_answers(request_: Request, rule: str | None, chain: list[str]) -> None:
    found = decided(snapshot_of(RULES), request_)
    match found:
        case Decision():
            assert (found.rule, [step.model for step in found.chain.steps]) == (rule, chain)
            assert found.model == chain[0]
            assert (found.matched is None) is (rule == REQUESTED_MODEL)
        case Unroutable():
            assert rule is None
            assert found.requested == request_.model


def test_a_decision_has_the_limits_of_its_rule_and_its_reasons() -> None:
    found = decided(snapshot_of(RULES), asked("an invoice"))
    assert isinstance(found, Decision)
    assert found.chain.deadline_s == 20.0
    assert [word.value for word in found.chain.fall_back_on] == ["timeout"]
    assert [step.tries for step in found.chain.steps] == [1, 2]
    assert [step.window_tokens for step in found.chain.steps] == [8000, 100_000]
    assert found.shadows == ("watched",)
    assert (found.category, found.chain_name, found.split) == ("billing", "", {})


def test_a_requested_model_has_the_default_limits_and_the_reasons_why_no_rule_took_it() -> None:
    features, found = decide_request(snapshot_of(RULES), asked("an invoice", "small"), MONDAY_NOON)
    assert isinstance(found, Decision)
    assert found.chain.deadline_s == 600.0
    assert found.chain.fall_back_on == DEFAULT_FALL_BACK_ON
    assert found.chain.steps[0].window_tokens == 8000
    implied = "model: auto (implied: the rule mentions model nowhere)"
    assert [(tried.rule.name, describe(tried.missed)) for tried in tried_of(found, features)] == [
        ("watched", implied),
        ("invoices", implied),
        ("asked-for-large", "model: [large, up-large]"),
        ("any-model", "header.x-any: yes"),
        ("long", implied),
    ]


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_the_first_live_rule_that_holds_takes_the_request(rules: list[Written], request: Request, at: datetime) -> None:
    """The oracle asks every rule; rules before the one that took it are tried or shadows, each with its reason."""
    snapshot = snapshot_of(file_of(rules))
    features, decision = decide_request(snapshot, request, at)
    found = unlocked(decision)
    seeing = {rule["name"] for rule in rules if strategies.sees(rule, request)}
    seen_by = [rule for rule in snapshot.rules if rule.name in seeing]
    held = [rule for rule in seen_by if first_miss(rule.when, features_of(snapshot, request, at)) is None]
    live = next((rule for rule in held if rule.mode is Mode.LIVE), None)
    tried = tried_of(found, features)
    assert all(first_miss(each.rule.when, features) == each.missed for each in tried)
    if isinstance(found, Decision):
        assert found.matched is live
        before = seen_by[: seen_by.index(live)] if live else seen_by
        assert {each.rule.name for each in tried} | set(found.shadows) == {rule.name for rule in before}
        assert found.shadows == tuple(rule.name for rule in before if rule in held)
    else:
        assert live is None


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_removing_a_rule_that_did_not_match_never_changes_the_decision(
    rules: list[Written], request: Request, at: datetime
) -> None:
    snapshot = snapshot_of(file_of(rules))
    features, found = decide_request(snapshot, request, at)
    for tried in tried_of(found, features):
        fewer = snapshot_of(file_of([rule for rule in rules if rule["name"] != tried.rule.name]))
        assert outcome(decided(fewer, request, at)) == outcome(unlocked(found))


def test_larger_priorities_are_tried_first_and_ties_go_by_file_then_position() -> None:
    """U-29."""
    entries = [("a", 0), ("b", 1), ("c", 0), ("d", 1), ("e", -1), ("f", 0)]
    rules = [{"name": name, "priority": priority, "route": ["small"]} for name, priority in entries]
    snapshot = snapshot_of(file_of(rules[:3]), file_of(rules[3:]))
    assert [rule.name for rule in snapshot.rules] == ["b", "d", "a", "c", "f", "e"]


@given(strategies.rule_lists(), strategies.requests, st.data())
def test_the_order_in_which_files_are_read_never_changes_the_decision(
    rules: list[Written], request: Request, data: st.DataObject
) -> None:
    """U-29: rules count by priority, then file name, then position, however the directory lists its files."""
    snapshot = snapshot_of(*(file_of([rule]) for rule in rules))
    shuffled = tuple(data.draw(st.permutations(snapshot.files)))
    again = compiler().compile(shuffled)
    assert isinstance(again, Snapshot)
    assert [rule.name for rule in again.rules] == [rule.name for rule in snapshot.rules]
    assert outcome(decided(again, request)) == outcome(decided(snapshot, request))


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_shadow_rules_and_rules_that_are_off_never_change_the_decision(
    rules: list[Written], request: Request, at: datetime
) -> None:
    snapshot = snapshot_of(file_of(rules))
    live = snapshot_of(file_of([rule for rule in rules if rule["mode"] == "live"]))
    assert outcome(decided(snapshot, request, at)) == outcome(decided(live, request, at))


@given(strategies.rule_lists(), strategies.requests, strategies.moments)
def test_the_same_request_at_the_same_moment_always_gets_the_same_decision(
    rules: list[Written], request: Request, at: datetime
) -> None:
    """U-53."""
    snapshot = snapshot_of(file_of(rules))
    assert decided(snapshot, request, at) == decided(snapshot, request, at)


# -- splits

LONG = "a request of more than five words"


def test_a_split_gives_its_shares_over_conversations_and_two_do_not_move_together() -> None:
    snapshot = snapshot_of(RULES)

    def pair(number: int) -> str:
        found = decided(snapshot, asked(f"{LONG} {number}"))
        assert isinstance(found, Decision)
        assert found.split is not None
        assert [found.chain.steps[place].model for place in (0, 2)] == [found.split[0], found.split[2]]
        return f"{found.split[0]} {found.split[2]}"

    pairs = counted(pair, range(2000))
    assert all(within(pairs[name], 2000, 0.25) for name in ("small large", "small other", "large large", "large other"))


@given(st.integers(0, 10_000), st.lists(st.sampled_from(["yes", "no", LONG]), max_size=4))
def test_later_turns_stay_on_the_arm_of_the_first(number: int, later: list[str]) -> None:
    """U-53: a split hashes the conversation, so that every turn of it takes the same arm."""
    begun = conversation_of(f"{LONG} {number}")
    grown = conversation_of(f"{LONG} {number}", *(said for each in later for said in ("an answer", each)), "so", LONG)
    first, then = (decided(snapshot_of(RULES), request_of(each)) for each in (begun, grown))
    assert isinstance(first, Decision)
    assert isinstance(then, Decision)
    assert first.split == then.split


def test_the_conversation_header_pins_the_arm() -> None:
    """U-51: whatever is said under one name goes one way, and names are spread over the arms."""
    snapshot = snapshot_of(RULES)
    ways: dict[str, set[str]] = {}
    for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
        for number in range(5):
            found = decided(snapshot, asked(f"{LONG} {number}", x_rulegate_conversation=name))
            assert isinstance(found, Decision)
            ways.setdefault(name, set()).add(found.model)
    assert all(len(taken) == 1 for taken in ways.values())
    assert len(set.union(*ways.values())) == 2


# -- the smallest change


def flip_of(rules: str, request: Request) -> Flip | None:
    features, found = decide_request(snapshot_of(rules), request, MONDAY_NOON)
    return smallest_flip(found, features)


def rules_of(*whens: str) -> str:
    listed = "\n".join(f"  - {{name: r{place}, when: {when}, route: [small]}}" for place, when in enumerate(whens))
    return f"rules:\n{listed}\n  - {{name: rest, route: [other]}}\n"


FLIPS: dict[str, tuple[str, Flip | None]] = {
    "the rule with the fewest changes": (
        rules_of("{words: {gt: 9}, prefer: quality}", "{turns: {gt: 3}}"),
        Flip("r1", ("turns: gt 3",)),
    ),
    "of equals the one that is tried first": (
        rules_of("{words: {gt: 3}}", "{words: {gt: 9}}"),
        Flip("r0", ("words: gt 3",)),
    ),
    "all that has to change": (
        rules_of("{words: {gt: 9}, turns: 1, prefer: quality}"),
        Flip("r0", ("words: gt 9", "prefer: quality")),
    ),
    "the shortest way into alternatives": (
        rules_of("{any: [{words: {gt: 9}, prefer: quality}, {turns: 2}]}"),
        Flip("r0", ("turns: 2",)),
    ),
    "what must not hold": (rules_of("{not: {turns: 1}}"), Flip("r0", ("not (turns: 1)",))),
    "nothing where no rule comes before": (rules_of(), None),
    "never a shadow rule": (
        "rules: [{name: dark, mode: shadow, when: {turns: 9}, route: [small]}, {name: rest, route: [other]}]",
        None,
    ),
}


@pytest.mark.parametrize(("rules", "flip"), FLIPS.values(), ids=FLIPS.keys())
def test_the_smallest_change_that_hands_the_request_to_another_rule(rules: str, flip: Flip | None) -> None:
    assert flip_of(rules, asked("hello")) == flip


NUMBERS = ("words", "turns", "estimated_tokens")
CHANGE: dict[str, Callable[[int], int]] = {
    "gt": lambda limit: limit + 1,
    "gte": lambda limit: limit,
    "lt": lambda limit: limit - 1,
    "lte": lambda limit: limit,
    "eq": lambda limit: limit,
}
KEYS = {"words": "words@user"}
comparisons = st.dictionaries(st.sampled_from(sorted(CHANGE)), st.integers(0, 9), min_size=1, max_size=1)
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(NUMBERS, comparisons),
    "model": st.sampled_from(["auto", "small"]),
    "caller": st.sampled_from(["bot", "cat"]),
    "prefer": st.sampled_from(["cost", "quality"]),
}
one_leaf = st.sampled_from(sorted(LEAVES)).flatmap(lambda name: st.fixed_dictionaries({name: LEAVES[name]}))
leaf_whens = one_leaf | st.builds(or_, one_leaf, one_leaf)
facts = st.fixed_dictionaries(
    {
        **{KEYS.get(name, name): st.integers(0, 9) for name in NUMBERS},
        "model": st.sampled_from(["auto", "small", "nobody"]),
        "caller": st.sampled_from(["", "bot"]),
        "prefer": st.sampled_from(["cost", "quality"]),
        "category@user": st.just("unsure"),
        "confidence@user": st.just(0.0),
        "needs": st.just(frozenset()),
        "has": st.just(frozenset()),
        "max_tokens": st.none(),
    }
)


def changed(condition: str) -> tuple[str, Any]:
    """Do what a stated change asks for: `words: gt 5` is done by six words."""
    name, _, wanted = condition.partition(": ")
    if name in NUMBERS:
        operator, _, limit = wanted.partition(" ")
        return KEYS.get(name, name), CHANGE[operator](int(limit))
    return name, wanted.partition(" (")[0]


@given(st.lists(leaf_whens, min_size=1, max_size=5), facts)
def test_the_stated_change_really_hands_the_request_to_the_stated_rule(
    whens: list[dict[str, Any]], recorded: dict[str, Any]
) -> None:
    snapshot = snapshot_of(
        file_of([{"name": f"r{n}", "when": when, "route": ["small"]} for n, when in enumerate(whens)])
    )
    recorded = {**recorded, "surface": Surface.CHAT}
    features = Features.recorded(recorded)
    flip = smallest_flip(decide(snapshot, features), features)
    if flip is not None:
        changes = dict(changed(condition) for condition in flip.conditions)
        then = decide(snapshot, Features.recorded({**recorded, **changes}))
        assert isinstance(then, Decision)
        assert then.rule == flip.rule


def test_a_request_that_no_rule_takes_names_its_shadows() -> None:
    """What a shadow rule would have taken is known for a refused request too, and its account says so."""
    text = RULES.replace("when: {words: {gt: 1}}", "when: {model: nothing}")
    assert text != RULES
    snapshot = snapshot_of(text)
    request = asked("an invoice", "nothing")
    features, found = decide_request(snapshot, request, MONDAY_NOON)
    assert isinstance(found, Unroutable)
    assert found.shadows == ("watched",)
    assert account_of(snapshot, features, found)["shadows"] == ["watched"]

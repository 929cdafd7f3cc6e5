"""What affinity promises: a conversation stays on the model that answered it, and on nothing that it may not have."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.decision import Decided, Decision
from gateway.domain.request import Request
from gateway.domain.rule import Chain, Route, Split, Step
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Surface
from gateway.engine.affinity import heeding
from gateway.engine.chain import settle
from gateway.engine.decide import decide_request
from gateway.engine.explain import account_of
from gateway.engine.features import PIN, Features, Live, may_go_on
from gateway.engine.lock import share_of
from gateway.engine.recall import decide_again, facts_of
from tests import strategies
from tests.fakes.values import MONDAY_NOON, conversation_of, features_of, request_of, snapshot_of
from tests.strategies import Written, file_of

RULES = """\
rules:
  - {name: chained, priority: 9, when: {contains: chained}, route: [small, large, other]}
  - {name: parted, priority: 8, when: {contains: parted}, route: [other, {split: {small: 1, large: 1}}]}
  - {name: opted, priority: 7, affinity: none, when: {contains: opted}, route: [small, large]}
  - {name: alone, priority: 6, when: {contains: alone}, route: [small]}
"""
CALLER = f'callers: {{bot: {{key_sha256: "{"0" * 64}", models: [small, other]}}}}'
MODELS = ("small", "large", "other", "twin")


def turns(last: str) -> Conversation:
    return conversation_of("first", "an answer", last)


def pinned(model: str | None) -> Live:
    return Live(pinned=lambda _: model)


def chain_of(decided: Decided) -> list[str]:
    assert isinstance(decided, Decision)
    return [step.model for step in decided.chain.steps]


def decided(said: str | Conversation, model: str | None, **fields: Any) -> Decision:  # noqa: ANN401 - any field
    request = structs.replace(request_of(said), **fields)
    found = decide_request(snapshot_of(RULES), request, MONDAY_NOON, pinned(model))[1]
    assert isinstance(found, Decision)
    return found


CHAINS: dict[str, tuple[str, str | None, list[str]]] = {
    "the pinned step comes first, the others in their order": ("chained", "other", ["other", "small", "large"]),
    "a model that is first already": ("chained", "small", ["small", "large", "other"]),
    "nobody has answered yet": ("chained", None, ["small", "large", "other"]),
    "a model that is not in the chain": ("chained", "twin", ["small", "large", "other"]),
    "one arm of a split": ("parted", "small", ["small", "other"]),
    "the other arm of it": ("parted", "large", ["large", "other"]),
    "a rule that opts out": ("opted", "large", ["small", "large"]),
    "a chain without a choice": ("alone", "large", ["small"]),
}


@pytest.mark.parametrize(("said", "model", "chain"), CHAINS.values(), ids=CHAINS.keys())
def test_a_turn_goes_first_to_the_model_that_answered(said: str, model: str | None, chain: list[str]) -> None:
    """U-51: where the rule that takes it now has a place for that model; `affinity: none` opts out."""
    found = decided(turns(said), model)
    assert chain_of(found) == chain
    heard_of = model if said in {"chained", "parted"} else None
    assert (found.pin, found.stays) == (heard_of, heard_of is not None and heard_of in chain)


def test_the_defaults_may_opt_out_and_a_rule_in_again() -> None:
    """U-51: for every rule that says nothing."""
    rules = "rules: [{name: r, ROUTE}]\ndefaults: {affinity: none}"
    for more, chain in (("", ["small", "large"]), (", affinity: conversation", ["large", "small"])):
        snapshot = snapshot_of(rules.replace("ROUTE", f"route: [small, large]{more}"))
        assert chain_of(decide_request(snapshot, request_of(turns("x")), MONDAY_NOON, pinned("large"))[1]) == chain


LOOP = Conversation(
    "", (Turn(Role.USER, "chained"), Turn(Role.ASSISTANT, "", "look()"), Turn(Role.USER, "", "42 degrees"))
)
GOES_ON: dict[str, tuple[str | Conversation, dict[str, Any], bool]] = {
    "a first turn": ("chained", {}, False),
    "a second turn": (turns("chained"), {}, True),
    "the result of a tool": (LOOP, {}, True),
    "one turn of a named conversation": ("chained", {"headers": {"x-rulegate-conversation": "c"}}, True),
    "an empty name": ("chained", {"headers": {"x-rulegate-conversation": ""}}, False),
    "texts to embed": (turns("chained"), {"surface": Surface.EMBEDDINGS}, False),
}


@pytest.mark.parametrize(("said", "fields", "does"), GOES_ON.values(), ids=GOES_ON.keys())
def test_what_goes_on_with_a_conversation(said: str | Conversation, fields: dict[str, Any], *, does: bool) -> None:
    """U-51: more than one turn, tool loops included, or the header."""
    snapshot, request = snapshot_of(RULES), structs.replace(request_of(said), **fields)
    features = Features.of(request, snapshot.table, snapshot.defaults.prefer, MONDAY_NOON, pinned("small"))
    assert features[PIN] == ("small" if does else None)
    assert ("conversation_hash" in features) is does, "nobody hashes what nobody asks for"


def test_a_prompt_is_remembered_only_where_a_turn_may_follow() -> None:
    """One-shot prompts and vectors take no room; every first turn of a chat does."""
    snapshot = snapshot_of(RULES)

    def may(surface: Surface, **headers: str) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return may_go_on(features_of(snapshot, structs.replace(request_of("hi"), surface=surface, headers=named)))

    assert [may(each) for each in (Surface.CHAT, Surface.MESSAGES, Surface.RESPONSES)] == [True] * 3
    assert [may(each) for each in (Surface.EXECUTE, Surface.EMBEDDINGS)] == [False] * 2
    assert may(Surface.EXECUTE, x_rulegate_conversation="c")


def test_nobody_stays_on_a_model_that_the_caller_may_not_use() -> None:
    """U-51: the lock of a caller wins, over arms of splits too."""
    snapshot = snapshot_of(RULES, CALLER)
    for said, chain in (("chained", ["small", "other"]), ("parted", ["other", "small"])):
        request = structs.replace(request_of(turns(said)), caller=snapshot.callers.named("bot"))
        for model in ("large", "small"):
            found = decide_request(snapshot, request, MONDAY_NOON, pinned(model))[1]
            assert isinstance(found, Decision)
            assert chain_of(found) == (chain if model == "large" else ["small", "other"])
            assert found.stays is (model == "small")


def test_a_model_that_lacks_what_the_request_needs_is_first_and_passed_over() -> None:
    """U-51: what it lacks is told of the place that it has now."""
    rules = "models: {blind: {provider: local, model: b, price: free, takes: [tools]}}\n"
    snapshot = snapshot_of(rules + "rules: [{name: r, route: [small, blind]}]")
    conversation = structs.replace(turns("look"), has=frozenset({"images"}))
    found = decide_request(snapshot, request_of(conversation), MONDAY_NOON, pinned("blind"))[1]
    assert isinstance(found, Decision)
    assert chain_of(found) == ["blind", "small"]
    assert (dict(found.unfit), found.model) == ({0: ("images",)}, "small")


chains = st.lists(st.sampled_from(MODELS), min_size=1, max_size=5).map(
    lambda names: Chain(tuple(Step(name, tries=place + 1) for place, name in enumerate(names)))
)


@given(chains, st.sampled_from(MODELS))
def test_heeding_loses_no_step_and_swaps_no_two_others(chain: Chain, model: str) -> None:
    """The others are asked in the order in which they stand, each with its own limits."""
    base = decided("chained", None)
    after = heeding(structs.replace(base, chain=chain), model).chain
    assert replace(after, steps=()) == replace(chain, steps=())
    moved = next((step for step in chain.steps if step.model == model), None)
    assert after.steps == (
        chain.steps if moved is None else (moved, *(step for step in chain.steps if step is not moved))
    )


arms = st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True).map(
    lambda names: Split(tuple((Step(name), 1.0) for name in names))
)
places = st.lists(st.sampled_from(MODELS).map(Step) | arms, min_size=1, max_size=4).map(tuple)


@given(places, st.integers(0, 2**64 - 1), st.sampled_from(MODELS))
def test_a_split_gives_way_only_where_the_model_would_be_in_no_step(
    there: tuple[Step | Split, ...], hashed: int, model: str
) -> None:
    """U-51 U-53: and no more than one split does, so that the others draw as ever."""
    route = Route("", there, 60.0, DEFAULT_FALL_BACK_ON)
    drawn, taken = settle(route, hashed)
    kept, kept_taken = settle(route, hashed, model)
    differ = [place for place, step in enumerate(drawn.steps) if kept.steps[place] != step]
    offered = any(isinstance(each, Split) and any(arm.model == model for arm, _ in each.arms) for each in there)
    wanted = offered and all(step.model != model for step in drawn.steps)
    assert [kept.steps[place].model for place in differ] == [model] * wanted
    assert kept_taken == taken | dict.fromkeys(differ, model)


@given(strategies.rule_lists(), strategies.requests, st.sampled_from(MODELS))
def test_a_row_decides_for_the_same_model_again(rules: list[Written], request: Request, model: str) -> None:
    """U-27 U-51: a row keeps who had answered, and no hash of the conversation."""
    snapshot = snapshot_of(file_of(rules))
    features, found = decide_request(snapshot, request, MONDAY_NOON, pinned(model))
    row = json.loads(json.dumps(facts_of(snapshot, features, found)))
    features_again, again = decide_again(snapshot, row, MONDAY_NOON)
    account, account_again = (account_of(snapshot, *each) for each in ((features, found), (features_again, again)))
    told = ("rule", "chain", "split", "affinity", "model")
    assert [account_again.get(key) for key in told] == [account.get(key) for key in told]
    assert "conversation_hash" not in row


def test_what_a_learner_divides_by_is_the_chance_that_there_was() -> None:
    """U-53: the split's where it gave the model, none where the conversation stays on another."""
    shares = {model: share_of(decided(turns("parted"), model), request_of("").caller) for model in ("small", "other")}
    assert shares == {"small": 1.0, "other": 1.0}
    rules = "rules: [{name: r, route: [{split: {small: 1, large: 3}}, other]}]"
    for model, share in (("small", 0.25), ("large", 0.75), ("other", 1.0), ("twin", None)):
        found = decide_request(snapshot_of(rules), request_of(turns("x")), MONDAY_NOON, pinned(model))[1]
        assert isinstance(found, Decision)
        drawn = {"small": 0.25, "large": 0.75}[next(iter((found.split or {}).values()))]
        assert share_of(found, request_of("").caller) == (drawn if share is None else share)

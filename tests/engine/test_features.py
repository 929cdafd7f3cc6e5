"""What features promise: each is what its name says, is computed at most once, and only when something reads it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.caller import Caller
from gateway.domain.category import UNSURE, Category, Complexity
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.request import AUTO, Request
from gateway.domain.words import Prefer, Surface
from gateway.engine.classify import compile_table
from gateway.engine.estimate import estimate_tokens
from gateway.engine.features import ATTACHMENT_TOKENS, TURN_TOKENS, Features
from tests import strategies
from tests.fakes.values import MONDAY_NOON, conversation_of, request_of

BILLING = Category("billing", Complexity.LOW, needs_reasoning=False, keywords={"invoice": 3.0})
PROOFS = Category("proofs", Complexity.HIGH, needs_reasoning=True, keywords={"lemma": 3.0})
CODE = Category("code_generation", Complexity.MEDIUM, needs_reasoning=False, keywords={"compile": 3.0})
TABLE = compile_table((BILLING, PROOFS, CODE))
SPEECH = Conversation(
    system="Prove the lemma.",
    turns=(
        Turn(Role.USER, "Hello there"),
        Turn(Role.ASSISTANT, "What is it?", '{"name": "look"}'),
        Turn(Role.USER, "An Invoice, please"),
        Turn(Role.USER, "", "tool result"),
    ),
    has=frozenset({"tools"}),
    attachments=2,
    tools_text='{"type": "function"}',
)
REQUEST = structs.replace(
    request_of(SPEECH),
    max_tokens=70,
    stream=True,
    surface=Surface.MESSAGES,
    caller=Caller("bot", "growth", frozenset({"vip"})),
    headers={"x-app": "shop", "x-rulegate-tags": "beta, vip,, night "},
    metadata={"ticket": "7"},
)
TOKENS = (
    estimate_tokens(
        "Prove the lemma.\n" + SPEECH.tools_text + '\nHello there\nWhat is it?\n{"name": "look"}\nAn Invoice, please\n'
        "tool result"
    )
    + 4 * TURN_TOKENS
    + 2 * ATTACHMENT_TOKENS
)
EXPECTED: dict[str, object] = {
    "at": MONDAY_NOON,
    "prefer": Prefer.QUALITY,
    "model": AUTO,
    "stream": True,
    "max_tokens": 70,
    "surface": Surface.MESSAGES,
    "caller": "bot",
    "team": "growth",
    "tags": frozenset({"vip", "beta", "night"}),
    "header.x-app": "shop",
    "header.x-other": None,
    "metadata.ticket": "7",
    "metadata.other": None,
    "turns": 2,
    "has": frozenset({"tools"}),
    "estimated_tokens": TOKENS,
    "text@user": "An Invoice, please",
    "text@system": "Prove the lemma.",
    "text@conversation": "Prove the lemma.\n\nHello there\n\nWhat is it?\n\nAn Invoice, please",
    "words@user": 3,
    "words@conversation": 11,
    "characters@user": 18,
    "characters@system": 16,
    "category@user": "billing",
    "category@system": "proofs",
    "category@conversation": UNSURE,
    "confidence@user": 4.5 / 5.5,
    "confidence@conversation": 0.0,
    "complexity@system": Complexity.HIGH,
    "needs_reasoning@user": False,
    "needs_reasoning@system": True,
}


def features_of(request: Request) -> Features:
    return Features.of(request, TABLE, Prefer.QUALITY, MONDAY_NOON)


@pytest.mark.parametrize(("key", "value"), EXPECTED.items(), ids=EXPECTED.keys())
def test_a_feature_is_what_its_name_says(key: str, value: object) -> None:
    assert features_of(REQUEST)[key] == value


def test_the_tokens_of_embeddings_are_those_of_all_inputs_without_framing() -> None:
    """No chat template stands around an input; what came as token ids is counted, not estimated."""
    texts = ["why is the sky blue", "a red bicycle"]
    said = Conversation("", tuple(Turn(Role.USER, text) for text in texts), token_ids=7)
    asked = structs.replace(REQUEST, surface=Surface.EMBEDDINGS, read=lambda: said)
    features = features_of(asked)
    assert features["estimated_tokens"] == estimate_tokens("\n".join(texts)) + 7
    assert (features["text@user"], features["turns"]) == ("a red bicycle", 2)
    assert features_of(structs.replace(asked, surface=Surface.CHAT))["estimated_tokens"] > features["estimated_tokens"]


def test_what_the_caller_prefers_goes_before_the_default() -> None:
    assert features_of(structs.replace(REQUEST, prefer=Prefer.SPEED))["prefer"] is Prefer.SPEED


def test_the_score_belongs_to_the_text_that_is_looked_at() -> None:
    features = features_of(REQUEST)
    assert 0 <= features["score@user"] < features["score@system"] <= 1
    assert features.classification("system").category == "proofs"
    assert features.classification().category == "billing"


@pytest.mark.parametrize("key", ["", "word", "words", "words@", "words@nowhere", "text@nowhere", "budgets.x"])
def test_a_key_that_there_is_not_is_a_key_error(key: str) -> None:
    with pytest.raises(KeyError):
        features_of(REQUEST)[key]


USER_TEXTS: dict[str, tuple[Conversation, str]] = {
    "the last turn with text, before tool results": (SPEECH, "An Invoice, please"),
    "never what the assistant said": (conversation_of("ask", "answer"), "ask"),
    "nothing when nobody spoke": (conversation_of(), ""),
}


@pytest.mark.parametrize(("conversation", "text"), USER_TEXTS.values(), ids=USER_TEXTS.keys())
def test_text_conditions_see_the_last_user_turn(conversation: Conversation, text: str) -> None:
    assert features_of(request_of(conversation))["text@user"] == text


CODED: dict[str, tuple[Conversation, bool]] = {
    "a fence in any turn": (conversation_of("see", "```\nx = 1\n```", "thanks"), True),
    "several lines of what is taken for code": (conversation_of("make this compile\nint x"), True),
    "one line that asks for code": (conversation_of("make this compile"), False),
    "several lines of something else": (conversation_of("an invoice\nfor me"), False),
}


@pytest.mark.parametrize(("conversation", "coded"), CODED.values(), ids=CODED.keys())
def test_a_request_has_code_when_it_shows_some(conversation: Conversation, *, coded: bool) -> None:
    assert ("code" in features_of(request_of(conversation))["has"]) is coded


def test_phrases_are_looked_for_in_all_of_a_long_text_and_categories_at_its_ends() -> None:
    padding = "word " * 2000
    features = features_of(request_of(f"An invoice. {padding} lemma {padding}"))
    assert features["category@user"] == "billing"
    assert {"lemma", "invoice"} <= features["folded@user"].words
    assert "lemma" not in features["reading@user"].words


def test_a_short_text_is_read_once_for_phrases_and_categories() -> None:
    features = features_of(REQUEST)
    assert features["folded@user"] is features["reading@user"]
    assert features["folded@user"].words == {"an", "invoice", "please"}


# -- laziness


class Counting:
    """Counts how often a body is read."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.times = 0

    def __call__(self) -> Conversation:
        self.times += 1
        return self.conversation


def test_a_body_is_read_at_most_once_and_only_for_a_feature_of_the_conversation() -> None:
    read = Counting(SPEECH)
    features = features_of(structs.replace(REQUEST, read=read))
    for key in ("at", "prefer", "model", "stream", "max_tokens", "surface", "caller", "team", "tags", "header.x-app"):
        features[key]
    assert read.times == 0
    for key in (*EXPECTED, *EXPECTED, "conversation_hash", "score@user"):
        features[key]
    assert read.times == 1


class CountingPattern:
    """A pattern that counts how often it is looked for."""

    def __init__(self) -> None:
        self.times = 0

    def search(self, _text: str, /) -> object | None:
        self.times += 1
        return None


def test_a_text_is_classified_once_and_only_when_asked() -> None:
    pattern = CountingPattern()
    noting = replace(BILLING, patterns=(("p", pattern, 1.0),))
    features = Features.of(REQUEST, compile_table((noting,)), Prefer.COST, MONDAY_NOON)
    for key in ("words@user", "estimated_tokens", "turns", "folded@user"):
        features[key]
    assert pattern.times == 0
    for key in ("category@user", "confidence@user", "complexity@user", "score@user", "needs_reasoning@user", "has"):
        features[key]
    assert pattern.times == 1


# -- recorded features

READ: dict[str, Callable[[Features], object]] = {
    "a feature": lambda features: features["words@user"],
    "a classification": lambda features: features.classification("system"),
    "a feature behind it": lambda features: features["category@system"],
    "a header": lambda features: features["header.x-app"],
    "the request": lambda features: features.request,
    "the table": lambda features: features.table,
}


@pytest.mark.parametrize("read", READ.values(), ids=READ.keys())
def test_what_was_not_recorded_is_a_key_error_and_never_a_guess(read: Callable[[Features], Any]) -> None:
    with pytest.raises(KeyError):
        read(Features.recorded({"turns": 2}))


def test_what_is_noted_beside_a_recorded_feature_is_none_itself() -> None:
    """Features that one reading gives together are recorded one by one."""
    with pytest.raises(KeyError):
        Features.recorded({"text@user": "hello", "classification@user": None})["turns"]


def test_what_was_recorded_is_given_back_and_the_record_stays_as_it_was() -> None:
    record: dict[str, object] = {"turns": 2, "at": datetime(2026, 1, 1, tzinfo=UTC)}
    features = Features.recorded(record)
    assert features["turns"] == 2
    features["at"]
    assert list(record) == ["turns", "at"]


# -- the hash of a conversation


def hash_of(request: Request) -> int:
    value: int = features_of(request)["conversation_hash"]
    return value


@given(strategies.conversations, st.lists(strategies.turns, max_size=3))
def test_later_turns_never_change_the_hash(conversation: Conversation, later: list[Turn]) -> None:
    """U-53: a conversation keeps its hash from its first user turn on."""
    longer = structs.replace(conversation, turns=(*conversation.turns, *later))
    begun = any(turn.role is Role.USER for turn in conversation.turns)
    same = hash_of(request_of(longer)) == hash_of(request_of(conversation))
    assert same or not begun
    assert 0 <= hash_of(request_of(longer)) < 2**64


BASE = request_of(conversation_of("hello", system="be kind"))
OTHERS: dict[str, Request] = {
    "another first turn": request_of(conversation_of("hallo", system="be kind")),
    "another system prompt": request_of(conversation_of("hello", system="be quick")),
    "text that moved from one to the other": request_of(conversation_of("kindhello", system="be ")),
    "another caller": structs.replace(BASE, caller=Caller("bot")),
    "a name for the conversation": structs.replace(BASE, headers={"x-rulegate-conversation": "hello"}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_another_beginning_is_another_conversation(other: Request) -> None:
    assert hash_of(other) != hash_of(BASE)


def test_the_conversation_header_pins_whatever_is_said() -> None:
    """U-51, U-53: the header names the conversation; another caller's of the same name is another."""
    named = {"x-rulegate-conversation": "c-17"}
    first, second = (structs.replace(request_of(said), headers=named) for said in ("hello", "something else"))
    assert hash_of(first) == hash_of(second)
    assert hash_of(first) != hash_of(structs.replace(second, headers={"x-rulegate-conversation": "c-18"}))
    assert hash_of(first) != hash_of(structs.replace(first, caller=Caller("bot")))


def test_a_conversation_that_is_named_is_not_read_for_its_hash() -> None:
    read = Counting(SPEECH)
    hash_of(structs.replace(REQUEST, read=read, headers={"x-rulegate-conversation": "c-17"}))
    assert read.times == 0


def test_an_empty_header_names_no_conversation() -> None:
    """Callers who all send it empty are not one conversation."""
    assert hash_of(structs.replace(BASE, headers={"x-rulegate-conversation": ""})) == hash_of(BASE)


def test_a_lone_surrogate_has_a_hash() -> None:
    assert hash_of(request_of("\ud800")) != hash_of(request_of("?"))


def test_conversations_that_begin_with_an_image_only_are_told_apart() -> None:
    """U-53: the first message names a conversation that begins without text, whatever is said later."""

    def begun_with(image: str, *later: str) -> int:
        messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]
        messages += [{"role": "user", "content": each} for each in later]
        return hash_of(structs.replace(request_of(conversation_of("", *later)), fields={"messages": messages}))

    assert begun_with("a") != begun_with("b")
    assert begun_with("a") == begun_with("a", "and now?")

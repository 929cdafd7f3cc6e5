"""What a model is known not to serve, and what is not known well enough to say so."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.chat import NEEDS, Conversation, Role, Turn
from gateway.domain.decision import Decision
from gateway.domain.refusal import Refusal, RefusalKind
from gateway.domain.rule import NO_PARAMS, Chain, Step
from gateway.engine.capable import NONE_UNFIT, WINDOW, can_serve, lack_in_words, refusal_of, strict_refusal, unfit_of
from gateway.engine.decide import decide_request
from gateway.engine.features import Features
from tests.fakes.values import MONDAY_NOON, features_of, request_of, snapshot_of

RULES = """
models:
  blind: {provider: local, model: blind-1, price: free, takes: [tools], context_window: 8000, max_output: 2000}
  seeing: {provider: local, model: seeing-1, price: free, takes: [images, documents, tools, json_schema]}
rules:
  - {name: all, route: [blind, seeing, other]}
  - {name: alone, priority: 1, when: {tags: alone}, route: [blind]}
"""


def features(
    *, tokens: int = 100, asked: int | None = None, needs: frozenset[str] = frozenset(), has: frozenset[str] = NEEDS
) -> Features:
    values = {"needs": needs, "has": has & needs, "estimated_tokens": tokens, "max_tokens": asked}
    return Features.recorded(values)


words = st.frozensets(st.sampled_from(sorted(NEEDS)))
steps = st.builds(
    Step,
    model=st.sampled_from(["a", "b"]),
    window_tokens=st.none() | st.integers(1, 10_000),
    max_output_tokens=st.none() | st.integers(1, 5_000),
    lacks=words,
)
chains = st.lists(steps, min_size=1, max_size=4).map(lambda each: Chain(tuple(each), 60.0))
seen = st.builds(features, tokens=st.integers(0, 30_000), asked=st.none() | st.integers(1, 9_000), needs=words)


@given(chains, seen)
def test_a_step_is_unfit_for_what_it_lacks_and_for_nothing_else(chain: Chain, features: Features) -> None:
    """U-15: every need that a model does not take is named, and no other word but the window."""
    unfit = unfit_of(chain, features)
    for place, step in enumerate(chain.steps):
        named = set(unfit.get(place, ()))
        assert named - {WINDOW} == step.lacks & features["needs"]


@given(chains, seen)
def test_what_fits_by_its_estimate_is_never_too_large(chain: Chain, features: Features) -> None:
    """U-15: also where the estimate is up to twice what the provider counts; a larger window never fits worse."""
    unfit = unfit_of(chain, features)
    for place, step in enumerate(chain.steps):
        if WINDOW not in unfit.get(place, ()):
            wider = replace(step, window_tokens=None if step.window_tokens is None else step.window_tokens + 500)
            assert WINDOW not in unfit_of(Chain((wider,), 60.0), features).get(0, ())
            continue
        assert step.window_tokens is not None
        real = features["estimated_tokens"] // 2
        assert real + (features["max_tokens"] or 0) > step.window_tokens


@given(chains)
def test_a_plain_request_is_unfit_for_nobody(chain: Chain) -> None:
    plain = features(tokens=1)
    assert unfit_of(Chain(tuple(replace(s, window_tokens=None) for s in chain.steps), 60.0), plain) is NONE_UNFIT


@pytest.mark.parametrize(
    ("tokens", "asked", "needs", "small"),
    [
        (8_000, None, frozenset(), False),
        (16_001, None, frozenset(), False),
        (16_002, None, frozenset(), True),
        (12_002, 2_000, frozenset(), True),
        (12_000, 2_000, frozenset(), False),
        (100, 8_001, frozenset(), False),
        (90_000, None, frozenset({"images"}), False),
        (90_000, None, frozenset({"tools"}), True),
    ],
    ids=["fits", "twice", "more", "with-output", "with-output-fits", "output-is-lowered", "images-are-vague", "tools"],
)
def test_where_a_window_is_known_to_be_too_small(
    tokens: int, asked: int | None, needs: frozenset[str], *, small: bool
) -> None:
    """U-15."""
    step = Step("blind", window_tokens=8_000, max_output_tokens=2_000)
    assert bool(unfit_of(Chain((step,), 60.0), features(tokens=tokens, asked=asked, needs=needs))) is small


def test_the_output_limit_of_a_step_counts_in_place_of_the_callers() -> None:
    step = Step("m", window_tokens=8_000)
    asks = features(tokens=100, asked=8_000)
    assert unfit_of(Chain((step,), 60.0), asks) == {0: (WINDOW,)}
    assert not unfit_of(Chain((replace(step, params=replace(NO_PARAMS, cap={"max_tokens": 50})),), 60.0), asks)


def decision_for(conversation: Conversation, rules: str = RULES, tags: str = "") -> tuple[Features, Decision]:
    request = structs.replace(request_of(conversation), headers={"x-rulegate-tags": tags} if tags else {})
    features, decided = decide_request(snapshot_of(rules), request, MONDAY_NOON)
    assert isinstance(decided, Decision)
    return features, decided


def asking(*has: str, plain: bool = False) -> Conversation:
    turns = (Turn(Role.USER, "What is this?"),)
    return Conversation("", turns, frozenset(has), attachments=len(has), plain_documents=plain)


def test_a_decision_names_who_answers_when_nothing_fails() -> None:
    """U-15: the first model of the chain that may serve the request."""
    _, plain = decision_for(asking())
    assert (plain.model, plain.unfit) == ("blind", NONE_UNFIT)
    _, decided = decision_for(asking("images", "json_schema", "code"))
    assert (decided.model, decided.unfit) == ("seeing", {0: ("images", "json_schema")})
    _, decided = decision_for(asking("audio"))
    assert (decided.model, decided.unfit) == ("other", {0: ("audio",), 1: ("audio",)})


def test_a_document_of_plain_text_needs_no_model_that_takes_documents() -> None:
    _, decided = decision_for(asking("documents", plain=True))
    assert decided.unfit == NONE_UNFIT
    _, decided = decision_for(asking("documents"))
    assert decided.unfit == {0: ("documents",)}


def test_a_refusal_names_what_no_model_takes() -> None:
    _, decided = decision_for(asking("images"), tags="alone")
    assert not can_serve(decided.chain, decided.unfit)
    assert refusal_of(decided.chain, decided.unfit) == Refusal(
        RefusalKind.INVALID_REQUEST, "no model can serve this request: 'blind' does not take images"
    )


def test_a_refusal_tells_what_others_say_too_and_nothing_twice() -> None:
    chain = Chain((Step("m"), Step("m"), Step("n")), 60.0)
    said = Refusal(RefusalKind.INVALID_REQUEST, "'logit_bias' cannot be carried over", "logit_bias")
    refusal = refusal_of(chain, {0: ("tools",), 1: ("tools",)}, (said, said))
    assert refusal.message == (
        "no model can serve this request: 'm' does not take tools; 'logit_bias' cannot be carried over"
    )
    assert refusal.param == "logit_bias"


def test_a_strict_refusal_names_every_field_and_the_model() -> None:
    """U-46."""
    refusal = strict_refusal("haiku", ("logit_bias", "seed"))
    assert refusal.message == "'logit_bias' and 'seed' would be left out for 'haiku', which strict_params forbids"
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, "logit_bias")


def test_what_is_lacking_is_said_in_words() -> None:
    step = Step("m", window_tokens=8000)
    assert lack_in_words(step, ("images", "json_schema", WINDOW)) == (
        "does not take images and a JSON schema for the answer and holds 8000 tokens, input and output together"
    )
    assert lack_in_words(step, (WINDOW,)) == "holds 8000 tokens, input and output together"


def test_digits_are_not_taken_for_more_than_they_are() -> None:
    """U-15: rows of numbers are estimated at more tokens than any provider counts, and still fit."""
    rows = "\n".join(f"{number},{number * 7},{number * 31}" for number in range(100_000, 101_000))
    features = features_of(snapshot_of(RULES), request_of(rows))
    fewest = len(rows) // 3  # three digits, or a separator, are one token
    assert features["estimated_tokens"] > fewest
    step = Step("m", window_tokens=fewest)
    assert not unfit_of(Chain((step,), 60.0), features)

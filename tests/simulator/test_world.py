import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.world import (
    Answer,
    Finish,
    Latency,
    Question,
    answer,
    cached,
    compose,
    count_characters,
    digest_of,
    estimate_tokens,
    last_user_text,
    latency_for,
    pieces,
    usage_ratio,
)

QUESTIONS = st.builds(
    Question,
    model=st.sampled_from(["gpt-4o-mini", "claude-opus-4-5", "llama {0}"]),
    prompt=st.text(max_size=500),
    input_characters=st.integers(0, 1_000_000),
    output_limit=st.none() | st.integers(1, 200),
    stop=st.lists(st.sampled_from(["", "the", "cost", "zebra", " "]), max_size=3).map(tuple),
    stream=st.booleans(),
    stream_usage=st.booleans(),
    digest=st.binary(min_size=32, max_size=32),
)


@given(QUESTIONS)
def test_reported_usage_is_between_seven_tenths_and_one_and_a_half_of_the_estimate(question: Question) -> None:
    given_answer = answer(question)
    assert given_answer.usage is not None
    for reported, estimate in (
        (given_answer.usage.input_tokens, max(1, estimate_tokens(question.input_characters))),
        (given_answer.usage.output_tokens, estimate_tokens(len(given_answer.text))),
    ):
        assert math.floor(0.7 * estimate) <= reported <= math.ceil(1.5 * estimate)
        assert (reported > 0) == (estimate > 0)


def test_reported_usage_differs_from_the_estimate_both_ways() -> None:
    ratios = [usage_ratio(digest_of({"number": number})) for number in range(200)]
    assert min(ratios) < 0.75
    assert max(ratios) > 1.45
    assert len(set(ratios)) == 200


@given(QUESTIONS)
def test_the_same_question_gets_the_same_answer(question: Question) -> None:
    assert answer(question) == answer(replace(question, stream=not question.stream))


@given(QUESTIONS)
def test_an_answer_is_the_start_of_what_would_be_said_and_keeps_to_limit_and_stop(question: Question) -> None:
    full, given_answer = compose(question), answer(question)
    assert full.startswith(given_answer.text)
    assert not any(stop and stop in given_answer.text for stop in question.stop)
    limit = question.output_limit
    if limit is not None and given_answer.usage is not None:
        assert estimate_tokens(len(given_answer.text)) <= limit
        assert given_answer.usage.output_tokens <= limit
        assert (given_answer.finish is not Finish.LENGTH) or given_answer.usage.output_tokens == limit
    assert (given_answer.finish is Finish.COMPLETE) == (given_answer.text == full)
    assert (given_answer.stop_sequence is not None) == (given_answer.finish is Finish.STOP_SEQUENCE)


def test_usage_above_the_estimate_still_keeps_to_the_limit(question: Question) -> None:
    lavish = replace(question, digest=b"\xff" * 32)
    fits = estimate_tokens(len(compose(lavish)))
    unlimited, limited = answer(lavish).usage, answer(replace(lavish, output_limit=fits))
    assert unlimited is not None
    assert unlimited.output_tokens > fits
    assert limited.finish is Finish.COMPLETE
    assert limited.usage is not None
    assert limited.usage.output_tokens == fits


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


def test_an_answer_says_who_gave_it_and_what_was_asked(question: Question) -> None:
    text = answer(question).text
    assert text.startswith("(simulated gpt-4o-mini) ")
    assert "Why is the sky blue?" in text


def test_a_long_prompt_is_quoted_in_part_and_an_empty_one_is_named(question: Question) -> None:
    long = compose(replace(question, prompt="word " * 10_000))
    assert "word ..." in long
    assert len(long) < 600
    assert "nothing in particular" in compose(replace(question, prompt=""))


def test_different_requests_get_different_words() -> None:
    base = Question("m", "same", 4, None, (), stream=False, stream_usage=True, digest=b"")
    texts = {compose(replace(base, digest=digest_of({"number": number}))) for number in range(50)}
    assert len(texts) > 10


def test_how_it_is_delivered_does_not_change_what_is_drawn() -> None:
    asked = {"model": "m", "messages": [1]}
    assert digest_of(asked) == digest_of({"messages": [1], "stream": True, "model": "m", "stream_options": {}})
    assert digest_of(asked) != digest_of({**asked, "temperature": 1})


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}], "one"),
        ([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}], "two"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, "odd", {}]}], "a"),
        ([{"role": "user", "content": 7}, "odd"], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_question_is_the_text_of_the_last_user_turn(messages: object, expected: str) -> None:
    assert last_user_text(messages) == expected


def test_text_counts_by_character_and_an_image_by_piece() -> None:
    picture = {"type": "image", "source": {"data": "A" * 1_000_000}}
    assert (
        count_characters([{"role": "user", "content": ["abcd", picture, 7, None]}]) == len("user") + len("abcd") + 4_000
    )


def test_cached_usage_is_part_of_the_same_input(question: Question) -> None:
    usage = answer(question).usage
    assert usage is not None
    shown = cached(usage)
    assert shown.input_tokens == usage.input_tokens
    assert 0 < shown.cache_read_tokens + shown.cache_write_tokens < shown.input_tokens


@pytest.mark.parametrize(
    ("quick", "slow"),
    [
        ("claude-haiku-4-5", "claude-sonnet-4-5"),
        ("gpt-4o-mini", "gpt-4o"),
        ("gpt-5-nano", "gpt-5"),
        ("gemini-2.5-flash", "gemini-2.5-pro"),
        ("llama-3.3-70b", "o3"),
        ("gpt-4o", "claude-opus-4-5"),
    ],
)
def test_names_hint_at_how_long_a_model_takes(quick: str, slow: str) -> None:
    first, second = latency_for(quick, {}), latency_for(slow, {})
    assert first.first_content_s < second.first_content_s
    assert first.per_token_s < second.per_token_s


def test_a_given_latency_goes_before_the_hint_and_no_speed_is_no_delay() -> None:
    own = Latency(first_content_s=3, per_token_s=4, connect_s=5)
    assert latency_for("gpt-5", {"gpt-5": own}) is own
    assert own.scaled(0) == Latency(first_content_s=0, per_token_s=0, connect_s=0)
    assert own.scaled(2) == Latency(first_content_s=6, per_token_s=8, connect_s=10)


def test_an_answer_may_be_cut_to_nothing(question: Question) -> None:
    nothing = answer(replace(question, stop=("(sim",)))
    assert isinstance(nothing, Answer)
    assert (nothing.text, nothing.stop_sequence) == ("", "(sim")
    assert nothing.usage is not None
    assert nothing.usage.output_tokens == 0

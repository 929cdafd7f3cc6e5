from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.reported import READERS, Api, api_of, mistakes
from gateway.domain.usage import Usage

CHAT = {"prompt_tokens": 10, "completion_tokens": 2}
GEMINI = {"promptTokenCount": 10, "candidatesTokenCount": 2}
SHARED = {"input_tokens": 10, "output_tokens": 2}


@pytest.mark.parametrize("api", Api)
def test_every_api_has_a_reader_that_takes_tier_and_searches(api: Api) -> None:
    """One shape of call for all: what an answer holds beside its usage is never lost on the way."""
    usage = CHAT if api is Api.CHAT else GEMINI if api is Api.GENERATE_CONTENT else SHARED
    read = READERS[api](usage, "priority", 3)
    assert read == Usage(fresh_input_tokens=10, output_tokens=2, web_searches=3, service_tier="priority")


@pytest.mark.parametrize(
    ("usage", "anthropic", "expected"),
    [
        pytest.param(CHAT, False, Api.CHAT, id="chat"),
        pytest.param({"prompt_tokens": 3}, True, Api.CHAT, id="an embedding"),
        pytest.param(GEMINI, False, Api.GENERATE_CONTENT, id="gemini"),
        pytest.param(SHARED, False, Api.RESPONSES, id="shared words at others are of responses"),
        pytest.param(SHARED, True, Api.MESSAGES, id="shared words at Anthropic are of messages"),
        pytest.param(SHARED | {"cache_read_input_tokens": 1}, False, Api.MESSAGES, id="a word of messages decides"),
        pytest.param(SHARED | {"input_tokens_details": None}, True, Api.RESPONSES, id="a word of responses decides"),
        pytest.param({"total_tokens": 3}, True, None, id="no sign"),
    ],
)
def test_the_fields_tell_the_api(usage: Mapping[str, Any], anthropic: bool, expected: Api | None) -> None:  # noqa: FBT001
    assert api_of(usage, anthropic=anthropic) is expected


@pytest.mark.parametrize(
    ("api", "usage", "expected"),
    [
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens_details": None}, [], id="details null"),
        pytest.param(Api.CHAT, {"prompt_tokens": 5, "completion_tokens": None}, [], id="one counter null"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": 10.0}, [], id="a whole number written as 10.0"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": 2**48 + 1}, ["prompt_tokens"], id="more than anything takes"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": "10"}, ["prompt_tokens"], id="a count as text"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": True}, ["prompt_tokens"], id="a truth value"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": 1.5}, ["prompt_tokens"], id="half a token"),
        pytest.param(Api.CHAT, CHAT | {"prompt_tokens": float("nan")}, ["prompt_tokens"], id="no number"),
        pytest.param(Api.CHAT, CHAT | {"completion_tokens": -1}, ["completion_tokens"], id="negative"),
        pytest.param(
            Api.CHAT,
            CHAT | {"prompt_tokens_details": {"cached_tokens": "7"}},
            ["prompt_tokens_details.cached_tokens"],
            id="within details",
        ),
        pytest.param(
            Api.CHAT, CHAT | {"prompt_tokens_details": 7}, ["prompt_tokens_details"], id="details that are none"
        ),
        pytest.param(
            Api.MESSAGES,
            SHARED | {"iterations": [{"type": "compaction", "input_tokens": []}]},
            ["iterations.input_tokens"],
            id="within an iteration",
        ),
        pytest.param(
            Api.GENERATE_CONTENT,
            GEMINI | {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": "3"}]},
            ["promptTokensDetails.tokenCount"],
            id="within a list of modalities",
        ),
        pytest.param(Api.CHAT, SHARED, ["it has no prompt_tokens and no completion_tokens"], id="another api's"),
        pytest.param(Api.RESPONSES, {}, ["it has no input_tokens and no output_tokens"], id="nothing"),
        pytest.param(
            Api.MESSAGES, {"input_tokens": None, "output_tokens": None}, ["it has no input_tokens"], id="all null"
        ),
        pytest.param(
            Api.RESPONSES,
            SHARED | {"cache_read_input_tokens": 5},
            ["cache_read_input_tokens is not a word of openai.responses"],
            id="cache words of Anthropic would be lost as a response's",
        ),
        pytest.param(
            Api.MESSAGES,
            SHARED | {"input_tokens_details": {"cached_tokens": 5}},
            ["input_tokens_details is not a word of anthropic.messages"],
            id="cache words of OpenAI would be lost as a message's",
        ),
    ],
)
def test_what_would_be_counted_as_nothing_is_named(api: Api, usage: Mapping[str, Any], expected: list[str]) -> None:
    found = list(mistakes(api, usage))
    assert [one.startswith(wanted) for one, wanted in zip(found, expected, strict=True)] == [True] * len(expected)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CHAT, *SHARED, "prompt_tokens_details", "cached_tokens", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(list(Api)), st.dictionaries(st.sampled_from([*CHAT, *GEMINI, *SHARED, "cache_creation"]), trees))
def test_a_usage_without_mistakes_counts_what_it_says(api: Api, usage: Mapping[str, Any]) -> None:
    """Whatever is handed over is read or named: output that was written down is never read as none."""
    if list(mistakes(api, usage)):
        return
    written = usage.get(
        {Api.CHAT: "completion_tokens", Api.GENERATE_CONTENT: "candidatesTokenCount"}.get(api, "output_tokens")
    )
    assert READERS[api](usage, None, 0).output_tokens == int(written or 0)

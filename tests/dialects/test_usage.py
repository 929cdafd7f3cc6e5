from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.usage import anthropic_messages, gemini_generate_content, openai_chat, openai_responses
from gateway.domain.usage import Usage


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(
            {
                "prompt_tokens": 15_754,
                "completion_tokens": 62,
                "total_tokens": 15_816,
                "prompt_tokens_details": {"cached_tokens": 7424, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 0},
            },
            Usage(fresh_input_tokens=8330, cache_read_tokens=7424, output_tokens=62, reasoning_tokens=40),
            id="cached tokens are part of the prompt, reasoning part of the completion",
        ),
        pytest.param(
            {"prompt_tokens": 4321, "completion_tokens": 12, "prompt_tokens_details": None},
            Usage(fresh_input_tokens=4321, output_tokens=12),
            id="details null",
        ),
        pytest.param({"prompt_tokens": 8, "total_tokens": 8}, Usage(fresh_input_tokens=8), id="embeddings"),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(fresh_input_tokens=10, output_tokens=105, reasoning_tokens=100),
            id="reasoning beside the completion, as the total shows",
        ),
        pytest.param(
            {
                "prompt_tokens": 50,
                "completion_tokens": 1,
                "prompt_cache_hit_tokens": 30,
                "prompt_cache_miss_tokens": 20,
            },
            Usage(fresh_input_tokens=20, cache_read_tokens=30, output_tokens=1),
            id="cache hits beside the prompt",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 60,
                "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 40},
                "completion_tokens_details": {"audio_tokens": 50},
            },
            Usage(
                fresh_input_tokens=60,
                cache_read_tokens=40,
                output_tokens=60,
                audio_input_tokens=60,
                audio_output_tokens=50,
            ),
            id="audio is never more than what it is part of",
        ),
        pytest.param({}, Usage(), id="nothing"),
    ],
)
def test_openai_chat_usage_becomes_disjoint_counters(written: Mapping[str, Any], expected: Usage) -> None:
    assert openai_chat(written) == expected


def test_openai_responses_usage_tells_reads_and_writes_apart() -> None:
    written = {
        "input_tokens": 17_977,
        "input_tokens_details": {"cache_write_tokens": 8988, "cached_tokens": 4494},
        "output_tokens": 182,
        "output_tokens_details": {"reasoning_tokens": 9},
    }
    assert openai_responses(written, "flex", 2) == Usage(
        fresh_input_tokens=4495,
        cache_read_tokens=4494,
        cache_write_5m_tokens=8988,
        output_tokens=182,
        reasoning_tokens=9,
        web_searches=2,
        service_tier="flex",
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(
            {
                "input_tokens": 2775,
                "cache_read_input_tokens": 2209,
                "cache_creation_input_tokens": 5096,
                "cache_creation": {"ephemeral_5m_input_tokens": 3956, "ephemeral_1h_input_tokens": 1140},
                "output_tokens": 184,
                "service_tier": "standard",
            },
            Usage(2775, 2209, 3956, 1140, 184),
            id="input excludes the cache",
        ),
        pytest.param(
            {"input_tokens": 3, "cache_read_input_tokens": 21, "cache_creation_input_tokens": 1053, "output_tokens": 5},
            Usage(3, 21, 1053, 0, 5),
            id="writes without a lifetime are for five minutes",
        ),
        pytest.param(
            {"cache_creation_input_tokens": 100, "cache_creation": {"ephemeral_1h_input_tokens": 30}},
            Usage(cache_write_5m_tokens=70, cache_write_1h_tokens=30),
            id="a breakdown that leaves out a part",
        ),
        pytest.param(
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_creation": None,
                "server_tool_use": {"web_search_requests": 6},
            },
            Usage(fresh_input_tokens=1, output_tokens=2, web_searches=6),
            id="web searches",
        ),
        pytest.param(
            {"input_tokens": 1, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 80}, "speed": "fast"},
            Usage(fresh_input_tokens=1, output_tokens=90, reasoning_tokens=80, service_tier="fast"),
            id="thinking, in fast mode",
        ),
        pytest.param(
            {
                "input_tokens": 23,
                "output_tokens": 1,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180, "output_tokens": 35, "cache_read_input_tokens": 7},
                    {"type": "message", "input_tokens": 23, "output_tokens": 1},
                ],
            },
            Usage(fresh_input_tokens=203, cache_read_tokens=7, output_tokens=36),
            id="compactions stand beside the sums",
        ),
        pytest.param({"service_tier": "batch"}, Usage(service_tier="batch"), id="batch"),
    ],
)
def test_anthropic_usage_becomes_disjoint_counters(written: Mapping[str, Any], expected: Usage) -> None:
    assert anthropic_messages(written) == expected


def test_gemini_thoughts_and_tool_results_stand_beside_the_rest() -> None:
    written = {
        "promptTokenCount": 12_766,
        "toolUsePromptTokenCount": 34,
        "cachedContentTokenCount": 6383,
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 6000}, {"modality": "AUDIO", "tokenCount": 383}],
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1000}, {"modality": "TEXT", "tokenCount": 11_766}],
        "candidatesTokenCount": 188,
        "thoughtsTokenCount": 183,
        "trafficType": "ON_DEMAND_PRIORITY",
    }
    assert gemini_generate_content(written) == Usage(
        fresh_input_tokens=6417,
        cache_read_tokens=6383,
        output_tokens=371,
        reasoning_tokens=183,
        audio_input_tokens=617,
        cache_read_audio_tokens=383,
        service_tier="priority",
    )


@pytest.mark.parametrize(
    "odd", [None, True, -3, -3.5, 0.4, float("nan"), float("-inf"), float("inf"), "7", [7], {"n": 7}]
)
def test_what_is_no_count_counts_as_nothing(odd: object) -> None:
    assert openai_chat({"prompt_tokens": odd, "completion_tokens": 7.0}) == Usage(output_tokens=7)
    assert anthropic_messages({"input_tokens": odd, "cache_creation": odd, "iterations": odd}) == Usage()


def test_a_part_is_cut_to_its_whole() -> None:
    details = {"reasoning_tokens": 9}
    assert openai_chat({"completion_tokens": 4, "completion_tokens_details": details}) == Usage(
        output_tokens=4, reasoning_tokens=4
    )
    audio = [{"modality": "AUDIO", "tokenCount": 9}]
    assert gemini_generate_content(
        {"promptTokenCount": 5, "cachedContentTokenCount": 4, "cacheTokensDetails": audio}
    ) == Usage(fresh_input_tokens=1, cache_read_tokens=4, cache_read_audio_tokens=4)


@pytest.mark.parametrize("name", [None, "", "default", "standard", "auto", "ON_DEMAND", 3])
def test_every_name_of_the_usual_tier_is_standard(name: object) -> None:
    assert openai_chat({}, name).service_tier == "standard"
    assert openai_responses({}, name).service_tier == "standard"
    assert gemini_generate_content({}, name).service_tier == "standard"
    assert anthropic_messages({"service_tier": name}).service_tier == "standard"


@pytest.mark.parametrize(
    ("read", "usage", "beside", "expected"),
    [
        pytest.param(anthropic_messages, {"service_tier": "batch"}, "priority", "batch", id="its own word first"),
        pytest.param(anthropic_messages, {"speed": "fast", "service_tier": "batch"}, None, "fast", id="speed first"),
        pytest.param(anthropic_messages, {}, "batch", "batch", id="beside a usage that names none"),
        pytest.param(anthropic_messages, {"service_tier": None}, "batch", "batch", id="beside null"),
        pytest.param(gemini_generate_content, {"trafficType": "ON_DEMAND_FLEX"}, "standard", "flex", id="traffic"),
        pytest.param(
            gemini_generate_content, {"serviceTier": "standard"}, "priority", "priority", id="beside the usual"
        ),
    ],
)
def test_the_tier_is_the_first_one_named_that_is_not_the_usual_one(
    read: Callable[[Mapping[str, Any], object], Usage], usage: Mapping[str, Any], beside: str | None, expected: str
) -> None:
    assert read(usage, beside).service_tier == expected


def test_web_searches_beside_a_message_count_where_its_usage_counts_none() -> None:
    """Never both: a search is paid once."""
    assert anthropic_messages({}, None, 2).web_searches == 2
    assert anthropic_messages({"server_tool_use": {"web_search_requests": 3}}, None, 2).web_searches == 3


COUNTERS = [name for name in Usage.__struct_fields__ if name.endswith(("tokens", "searches"))]
numbers: st.SearchStrategy[Any] = st.integers(0, 99) | st.sampled_from(
    [None, True, -9, -0.5, 7.0, float("inf"), float("nan"), "7", [1], {}]
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a provider may send where an object is due: any of its fields, or nonsense."""
    return st.fixed_dictionaries(fields) | st.fixed_dictionaries({}, optional=fields) | numbers


def listed(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(objects(**fields), max_size=3) | numbers


def fields(names: str) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names.split(), numbers)


details = objects(**fields("cached_tokens cache_write_tokens audio_tokens reasoning_tokens thinking_tokens"))
modalities = listed(modality=st.sampled_from(["AUDIO", "TEXT", None]), tokenCount=numbers)
chat_objects = st.fixed_dictionaries(
    fields("prompt_tokens completion_tokens total_tokens cached_tokens prompt_cache_hit_tokens")
    | {"prompt_tokens_details": details, "completion_tokens_details": details},
)
responses_objects = st.fixed_dictionaries(
    fields("input_tokens output_tokens") | {"input_tokens_details": details, "output_tokens_details": details}
)
anthropic_fields = fields("input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens speed")
anthropic_objects = st.fixed_dictionaries(
    anthropic_fields
    | {
        "cache_creation": objects(**fields("ephemeral_5m_input_tokens ephemeral_1h_input_tokens")),
        "server_tool_use": objects(web_search_requests=numbers),
        "output_tokens_details": details,
        "iterations": listed(type=st.sampled_from(["compaction", "message"]), **anthropic_fields),
    },
)
gemini_objects = st.fixed_dictionaries(
    fields("promptTokenCount cachedContentTokenCount candidatesTokenCount thoughtsTokenCount")
    | {
        "promptTokensDetails": modalities,
        "cacheTokensDetails": modalities,
        "candidatesTokensDetails": modalities,
        "toolUsePromptTokenCount": numbers,
    },
)


@given(
    st.one_of(
        st.tuples(st.just(openai_chat), chat_objects),
        st.tuples(st.just(openai_responses), responses_objects),
        st.tuples(st.just(anthropic_messages), anthropic_objects),
        st.tuples(st.just(gemini_generate_content), gemini_objects),
    )
)
def test_any_usage_object_gives_counters_that_make_sense(
    case: tuple[Callable[[Mapping[str, Any]], Usage], Mapping[str, Any]],
) -> None:
    reader, written = case
    usage = reader(written)
    assert all(type(getattr(usage, name)) is int and getattr(usage, name) >= 0 for name in COUNTERS)
    assert usage.reasoning_tokens <= usage.output_tokens
    assert usage.audio_output_tokens <= usage.output_tokens
    assert usage.audio_input_tokens <= usage.fresh_input_tokens
    assert usage.cache_read_audio_tokens <= usage.cache_read_tokens


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_input_token_is_lost_or_counted_twice(prompt: int, cached: int, written: int) -> None:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    assert openai_chat({"prompt_tokens": prompt, "prompt_tokens_details": details}).input_tokens == prompt
    assert openai_responses({"input_tokens": prompt, "input_tokens_details": details}).input_tokens == prompt
    gemini = {"promptTokenCount": prompt, "cachedContentTokenCount": cached}
    assert gemini_generate_content(gemini).input_tokens == prompt
    anthropic = {"input_tokens": prompt, "cache_read_input_tokens": cached, "cache_creation_input_tokens": written}
    assert anthropic_messages(anthropic).input_tokens == prompt + cached + written


def as_floats(value: dict[str, Any] | int) -> dict[str, Any] | float:
    if isinstance(value, dict):
        return {name: as_floats(each) for name, each in value.items()}
    return float(value)


def whole(names: str) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names.split(), st.integers(0, 999)))


parts = whole("cached_tokens cache_write_tokens audio_tokens reasoning_tokens unknown_tokens")


@given(
    st.one_of(
        st.tuples(
            st.just(openai_chat),
            whole("prompt_tokens completion_tokens total_tokens cached_tokens prompt_cache_hit_tokens"),
            st.fixed_dictionaries({}, optional={"prompt_tokens_details": parts, "completion_tokens_details": parts}),
        ),
        st.tuples(
            st.just(openai_responses),
            whole("input_tokens output_tokens"),
            st.fixed_dictionaries({}, optional={"input_tokens_details": parts, "output_tokens_details": parts}),
        ),
        st.tuples(
            st.just(anthropic_messages),
            whole("input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens"),
            st.fixed_dictionaries(
                {}, optional={"cache_creation": whole("ephemeral_5m_input_tokens ephemeral_1h_input_tokens")}
            ),
        ),
    )
)
def test_a_count_is_the_same_however_the_number_is_written(
    case: tuple[Callable[[Mapping[str, Any]], Usage], Mapping[str, Any], Mapping[str, Any]],
) -> None:
    reader, counters, details = case
    written = {**counters, **details}
    assert reader(written) == reader({name: as_floats(each) for name, each in written.items()})

"""Usage objects of the providers, turned into Usage; one function a wire format, for streams and whole answers alike.

The functions are total: a counter that is missing, null, negative or no number counts as zero, and parts never exceed
their whole. Whoever calls them decides what an absent usage object means.
"""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import fields

from gateway.domain.usage import STANDARD, Usage

_STANDARD_NAMES = frozenset({"", "default", "standard", "auto", "on_demand"})
MOST = 2**48
"""A count that no request reaches; what reports more is broken, and its row must still fit the log."""
_NOTHING: Mapping[str, object] = {}
OPENAI_COUNTERS = ("prompt_tokens", "completion_tokens")
ANTHROPIC_COUNTERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
OPENAI_OUTPUT, ANTHROPIC_OUTPUT = ("completion_tokens",), ("output_tokens",)
"""Without this counter an object says nothing of the output: https://github.com/livekit/agents/issues/6596."""

_Count = Annotated[int, Meta(ge=0, le=MOST)]


class _Prompt(Struct, frozen=True, gc=False):
    """What is a part of the input, in both dialects of OpenAI."""

    cached_tokens: _Count = 0
    cache_write_tokens: _Count = 0
    audio_tokens: _Count = 0


class _Completion(Struct, frozen=True, gc=False):
    """What is a part of the output there."""

    reasoning_tokens: _Count = 0
    audio_tokens: _Count = 0


class _Chat(Struct, frozen=True, gc=False):
    """The usage of a chat completion; the cache reads of Moonshot and of DeepSeek stand beside the others."""

    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    total_tokens: _Count = 0
    cached_tokens: _Count = 0
    prompt_cache_hit_tokens: _Count = 0
    prompt_tokens_details: _Prompt = _Prompt()
    completion_tokens_details: _Completion = _Completion()


class _Response(Struct, frozen=True, gc=False):
    """The usage of a response."""

    input_tokens: _Count = 0
    output_tokens: _Count = 0
    input_tokens_details: _Prompt = _Prompt()
    output_tokens_details: _Completion = _Completion()


class _Lifetimes(Struct, frozen=True, gc=False):
    """What was written to a cache, by how long it is kept."""

    ephemeral_5m_input_tokens: _Count = 0
    ephemeral_1h_input_tokens: _Count = 0


class _Iteration(Struct, frozen=True, gc=False):
    """The tokens of a message, or of one of its compactions."""

    input_tokens: _Count = 0
    cache_read_input_tokens: _Count = 0
    cache_creation_input_tokens: _Count = 0
    output_tokens: _Count = 0
    cache_creation: _Lifetimes = _Lifetimes()


Read = TypeVar("Read", bound=Struct)


def counts(usage: Mapping[str, object], counters: tuple[str, ...]) -> bool:
    """Say whether one of the counters holds a count; an object without any reports nothing, not zero.

    Some servers send such objects: https://github.com/theopenco/llmgateway/pull/2861.
    """
    return any(map(_is_count, map(usage.get, counters)))


def openai_chat(usage: Mapping[str, object], service_tier: object = None, web_searches: int = 0) -> Usage:
    """Read the usage of an OpenAI chat completion, text completion or embedding, and of those that imitate it.

    `prompt_tokens` includes cache reads and writes, `completion_tokens` the reasoning, as OpenAI defines them. Some
    sellers leave reasoning out of `completion_tokens` (xAI); their `total_tokens` shows it. `service_tier` is the
    field of the response, beside its usage.
    """
    read = _read(usage, _Chat)
    prompt, completion = read.prompt_tokens_details, read.completion_tokens_details
    completion_tokens, reasoning_tokens = read.completion_tokens, completion.reasoning_tokens
    if reasoning_tokens and read.total_tokens == read.prompt_tokens + completion_tokens + reasoning_tokens:
        completion_tokens += reasoning_tokens
    cached_tokens = prompt.cached_tokens or read.cached_tokens or read.prompt_cache_hit_tokens
    return _inclusive(
        (read.prompt_tokens, cached_tokens, prompt.cache_write_tokens),
        (completion_tokens, reasoning_tokens),
        (prompt.audio_tokens, 0, completion.audio_tokens),
        web_searches,
        _tier(service_tier),
    )


def openai_responses(usage: Mapping[str, object], service_tier: object = None, web_searches: int = 0) -> Usage:
    """Read the usage of an OpenAI response; `web_searches` are its web search calls, which its usage does not count."""
    read = _read(usage, _Response)
    prompt, completion = read.input_tokens_details, read.output_tokens_details
    return _inclusive(
        (read.input_tokens, prompt.cached_tokens, prompt.cache_write_tokens),
        (read.output_tokens, completion.reasoning_tokens),
        (prompt.audio_tokens, 0, completion.audio_tokens),
        web_searches,
        _tier(service_tier),
    )


def anthropic_messages(usage: Mapping[str, object], service_tier: object = None, web_searches: int = 0) -> Usage:
    """Read the usage of an Anthropic message, whose `input_tokens` exclude what was read from or written to a cache.

    A cache write without its breakdown by lifetime, or the part of it that the breakdown leaves out, was for five
    minutes. The tokens of compactions stand in `iterations` alone and are added. In fast mode the tier is `fast`.
    Tier and web searches stand in the usage; those beside it are for one that has the usual tier and no searches.
    """
    counters = _anthropic_counters(usage)
    for compaction in _compactions(usage):
        counters = tuple(map(sum, zip(counters, _anthropic_counters(compaction), strict=True)))
    fresh_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens = counters
    return Usage(
        fresh_input_tokens=fresh_input_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_5m_tokens=cache_write_5m_tokens,
        cache_write_1h_tokens=cache_write_1h_tokens,
        output_tokens=output_tokens,
        reasoning_tokens=min(_count(_part(usage, "output_tokens_details"), "thinking_tokens"), output_tokens),
        web_searches=_count(_part(usage, "server_tool_use"), "web_search_requests") or web_searches,
        service_tier=_tier(usage.get("speed"), usage.get("service_tier"), service_tier),
    )


def gemini_generate_content(usage: Mapping[str, object], service_tier: object = None, web_searches: int = 0) -> Usage:
    """Read the `usageMetadata` of a Gemini answer: thoughts stand beside the candidates, and both are output.

    `promptTokenCount` includes the cached content; the results of tools that the model used stand beside it.
    """
    thoughts_tokens = _count(usage, "thoughtsTokenCount")
    prompt_tokens = _count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount")
    cached_audio_tokens = _modality(usage, "cacheTokensDetails", "AUDIO")
    audio_tokens = _modality(usage, "promptTokensDetails", "AUDIO") + _modality(
        usage, "toolUsePromptTokensDetails", "AUDIO"
    )
    return _inclusive(
        (prompt_tokens, _count(usage, "cachedContentTokenCount"), 0),
        (_count(usage, "candidatesTokenCount") + thoughts_tokens, thoughts_tokens),
        (
            max(audio_tokens - cached_audio_tokens, 0),
            cached_audio_tokens,
            _modality(usage, "candidatesTokensDetails", "AUDIO"),
        ),
        web_searches,
        _tier(usage.get("serviceTier"), usage.get("trafficType"), service_tier),
    )


def _inclusive(
    prompt: tuple[int, int, int],
    completion: tuple[int, int],
    audio: tuple[int, int, int],
    web_searches: int,
    service_tier: str,
) -> Usage:
    """Split counters that include each other: (all, cached, written), (all, reasoning), audio (fresh, cached, out)."""
    prompt_tokens, cached_tokens, written_tokens = prompt
    output_tokens, reasoning_tokens = completion
    cache_read_tokens = min(cached_tokens, prompt_tokens)
    cache_write_tokens = min(written_tokens, prompt_tokens - cache_read_tokens)
    fresh_input_tokens = prompt_tokens - cache_read_tokens - cache_write_tokens
    return Usage(
        fresh_input_tokens=fresh_input_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_5m_tokens=cache_write_tokens,
        output_tokens=output_tokens,
        reasoning_tokens=min(reasoning_tokens, output_tokens),
        audio_input_tokens=audio[0] and min(audio[0], fresh_input_tokens),
        cache_read_audio_tokens=audio[1] and min(audio[1], cache_read_tokens),
        audio_output_tokens=audio[2] and min(audio[2], output_tokens),
        web_searches=web_searches,
        service_tier=service_tier,
    )


def _anthropic_counters(usage: Mapping[str, object]) -> tuple[int, ...]:
    """Give the fresh input, cache reads, writes for five minutes, writes for an hour and output of one iteration."""
    read = _read(usage, _Iteration)
    for_5m, for_1h = read.cache_creation.ephemeral_5m_input_tokens, read.cache_creation.ephemeral_1h_input_tokens
    of_no_lifetime = max(read.cache_creation_input_tokens - for_5m - for_1h, 0)
    return read.input_tokens, read.cache_read_input_tokens, for_5m + of_no_lifetime, for_1h, read.output_tokens


def _compactions(usage: Mapping[str, object]) -> list[Mapping[str, object]]:
    iterations = usage.get("iterations")
    if not isinstance(iterations, list):
        return []
    return [each for each in iterations if isinstance(each, Mapping) and each.get("type") == "compaction"]


def _is_count(value: object) -> bool:
    if type(value) is int:
        return value >= 0
    return isinstance(value, float) and 0 <= value < float("inf")


def _count(values: Mapping[str, object], name: str) -> int:
    return _whole(values.get(name, 0))


def _read(usage: object, kind: type[Read]) -> Read:
    """Read the counters of a usage object, or of a part of it; one that is not as its provider says is read singly."""
    try:
        return convert(usage, kind)
    except ValidationError:
        return _read_singly(usage, kind)


def _read_singly(usage: object, kind: type[Read]) -> Read:
    values = usage if isinstance(usage, Mapping) else _NOTHING
    read: dict[str, object] = {}
    for each in fields(kind):
        value, nothing = values.get(each.name), each.default
        read[each.name] = _read_singly(value, type(nothing)) if isinstance(nothing, Struct) else _whole(value)
    return kind(**read)


def _whole(value: object) -> int:
    if type(value) is int:
        return value if 0 <= value <= MOST else MOST if value > 0 else 0
    return min(int(value), MOST) if isinstance(value, float) and 0 < value < float("inf") else 0


def _part(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = values.get(name)
    if type(part) is dict:  # what JSON decodes to, without the slow check of an abstract type
        return part
    return part if isinstance(part, Mapping) else _NOTHING


def _modality(usage: Mapping[str, object], name: str, modality: str) -> int:
    """Sum the entries of one modality in a list of `{"modality", "tokenCount"}`."""
    details = usage.get(name)
    if not isinstance(details, list):
        return 0
    return sum(
        _count(each, "tokenCount") for each in details if isinstance(each, Mapping) and each.get("modality") == modality
    )


def _tier(*names: object) -> str:
    """Name a service tier as prices do: the first of the names that is not one for the usual tier, `standard`."""
    for name in names:
        if name is None or name == "default":  # what nearly every answer says
            continue
        lowered = name.lower().removeprefix("on_demand_") if isinstance(name, str) else ""
        if lowered not in _STANDARD_NAMES:
            return lowered
    return STANDARD

"""Usage objects of the providers, turned into Usage; one function a wire format, for streams and whole answers alike.

The functions are total: a counter that is missing, null, negative or no number counts as zero, and parts never exceed
their whole. Whoever calls them decides what an absent usage object means.
"""

from collections.abc import Mapping

from gateway.domain.usage import STANDARD, Usage

_STANDARD_NAMES = frozenset({"", "default", "standard", "auto", "on_demand"})
MOST = 2**48
"""A count that no request reaches; what reports more is broken, and its row must still fit the log."""
_NOTHING: Mapping[str, object] = {}
_CHAT = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "prompt_cache_hit_tokens")
_CHAT_PROMPT = ("cached_tokens", "cache_write_tokens", "audio_tokens")
_MESSAGES = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_CHAT_COMPLETION = ("reasoning_tokens", "audio_tokens")
OPENAI_COUNTERS = ("prompt_tokens", "completion_tokens")
ANTHROPIC_COUNTERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
OPENAI_OUTPUT, ANTHROPIC_OUTPUT = ("completion_tokens",), ("output_tokens",)
"""Without this counter an object says nothing of the output: https://github.com/livekit/agents/issues/6596."""


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
    prompt_tokens, completion_tokens, total_tokens, of_moonshot, of_deepseek = _counts(usage, _CHAT)
    cached_tokens, cache_write_tokens, audio_input_tokens = _counts(usage.get("prompt_tokens_details"), _CHAT_PROMPT)
    reasoning_tokens, audio_output_tokens = _counts(usage.get("completion_tokens_details"), _CHAT_COMPLETION)
    if reasoning_tokens and total_tokens == prompt_tokens + completion_tokens + reasoning_tokens:
        completion_tokens += reasoning_tokens
    return _inclusive(
        (prompt_tokens, cached_tokens or of_moonshot or of_deepseek, cache_write_tokens),
        (completion_tokens, reasoning_tokens),
        (audio_input_tokens, 0, audio_output_tokens),
        web_searches,
        _tier(service_tier),
    )


def openai_responses(usage: Mapping[str, object], service_tier: object = None, web_searches: int = 0) -> Usage:
    """Read the usage of an OpenAI response; `web_searches` are its web search calls, which its usage does not count."""
    input_details = _part(usage, "input_tokens_details")
    output_details = _part(usage, "output_tokens_details")
    return _inclusive(
        (
            _count(usage, "input_tokens"),
            _count(input_details, "cached_tokens"),
            _count(input_details, "cache_write_tokens"),
        ),
        (_count(usage, "output_tokens"), _count(output_details, "reasoning_tokens")),
        (_count(input_details, "audio_tokens"), 0, _count(output_details, "audio_tokens")),
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
    for_5m, for_1h = _counts(usage.get("cache_creation"), _LIFETIMES)
    fresh, cache_read, cache_write, output = _counts(usage, _MESSAGES)
    of_no_lifetime = max(cache_write - for_5m - for_1h, 0)
    return fresh, cache_read, for_5m + of_no_lifetime, for_1h, output


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


def _counts(part: object, names: tuple[str, ...]) -> list[int]:
    """Give several counters of a usage object or a part of it, zeros where it is none."""
    if not isinstance(part, dict):
        part = part if isinstance(part, Mapping) else _NOTHING
    get = part.get
    return [value if type(value := get(name, 0)) is int and 0 <= value <= MOST else _whole(value) for name in names]


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

"""Hypothesis strategies for the nouns of the gateway: conditions, rule files, requests, chains, histories, usages."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.config.conditions import LOOK_SENSITIVE
from gateway.domain.attempt import Attempt, Event, Skipped
from gateway.domain.caller import Caller
from gateway.domain.chat import Conversation, Role, Turn
from gateway.domain.entry import Entry
from gateway.domain.request import AUTO, Request
from gateway.domain.rule import AllOf, AnyOf, Chain, Condition, Leaf, Not, Step
from gateway.domain.usage import COUNTERS, Usage, total_of
from gateway.domain.words import Failure, Outcome, Prefer, Skip, Surface
from tests.fakes.values import attempt, request_of

settings.register_profile("unhurried", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("unhurried")

# -- conditions on numbers called a to e, for the pure matcher

FEATURES = ("a", "b", "c", "d", "e")


def above(limit: int) -> Callable[[int], bool]:
    """Give a test for numbers above a limit."""
    return lambda value: value > limit


def leaf(feature: str, limit: int) -> Leaf:
    """Give the condition `feature: gt limit`."""
    return Leaf(feature, feature, f"gt {limit}", above(limit))


leaves: st.SearchStrategy[Condition] = st.builds(leaf, st.sampled_from(FEATURES), st.integers(0, 3))
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, max_size=4).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=12,
)
values: st.SearchStrategy[dict[str, int]] = st.fixed_dictionaries({name: st.integers(0, 4) for name in FEATURES})

# -- requests

VOCABULARY = (
    "invoice",
    "Receipt",
    "lemma",
    "theorem",
    "urgent",
    "refund",
    "why",
    "C++",
    "Straße",
    "翻訳",
    "not",
    "```",
)
texts = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)
turns = st.builds(Turn, st.sampled_from(Role), texts, st.sampled_from(["", "", "tool said 7"]))
conversations = st.builds(
    Conversation,
    system=texts,
    turns=st.lists(turns, max_size=4).map(tuple),
    has=st.frozensets(st.sampled_from(["images", "tools", "tool_results", "system"])),
    attachments=st.integers(0, 2),
    tools_text=st.sampled_from(["", '{"name": "lookup"}']),
)
callers = st.builds(
    Caller,
    st.sampled_from(["", "bot"]),
    st.sampled_from(["", "growth"]),
    st.frozensets(st.sampled_from(["night", "vip"])),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "x-app": st.sampled_from(["shop", "Support desk", ""]),
        "x-rulegate-conversation": st.sampled_from(["one", "two"]),
        "x-rulegate-tags": st.sampled_from(["beta", "beta, vip", " , "]),
    },
)


def _request(conversation: Conversation, fields: Mapping[str, Any]) -> Request:
    return replace(request_of(conversation), **fields)


requests: st.SearchStrategy[Request] = st.builds(
    _request,
    conversations,
    st.fixed_dictionaries(
        {
            "surface": st.sampled_from([Surface.CHAT, Surface.MESSAGES, Surface.EXECUTE, Surface.EMBEDDINGS]),
            "model": st.sampled_from([AUTO, AUTO, AUTO, "small", "up-large", "up-twin", "nobody"]),
            "stream": st.booleans(),
            "max_tokens": st.none() | st.integers(1, 4000),
            "caller": callers,
            "prefer": st.none() | st.sampled_from(Prefer),
            "headers": headers,
            "metadata": st.fixed_dictionaries({}, optional={"ticket": st.sampled_from(["7", "seven"])}),
        }
    ),
)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)

# -- rule files, as the maps that are written

Written = dict[str, Any]


def comparisons(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    """Give conditions on a number as they may be written."""
    operators = st.sampled_from(["gt", "gte", "lt", "lte", "eq"])
    return (
        st.dictionaries(operators, numbers, min_size=1, max_size=2)
        | st.lists(numbers, min_size=1, max_size=3)
        | numbers
    )


def words(*choices: str) -> st.SearchStrategy[Any]:
    """Give conditions on a word as they may be written."""
    word = st.sampled_from(choices)
    listed = st.lists(word, min_size=1, max_size=3, unique=True)
    return word | listed | st.fixed_dictionaries({"eq": word}) | st.fixed_dictionaries({"in": listed})


def patterns(*choices: str) -> st.SearchStrategy[Any]:
    """Give conditions on any text as they may be written: words, globs and patterns."""
    written = st.sampled_from(["*", "s*", "?", "[a-z]", "."])
    return (
        words(*choices) | st.fixed_dictionaries({"glob": written}) | st.fixed_dictionaries({"regex": st.just("[a-s]")})
    )


PHRASES = ("urgent", "invoice RECEIPT", "c++", "strasse", "翻", "why not")
WRITTEN: dict[str, st.SearchStrategy[Any]] = {
    "category": words("billing", "proofs", "unsure"),
    "confidence": comparisons(st.sampled_from([0, 0.4, 0.5])),
    "complexity": words("low", "medium", "high"),
    "needs_reasoning": st.booleans(),
    "words": comparisons(st.integers(0, 12)),
    "characters": comparisons(st.integers(0, 80)),
    "estimated_tokens": comparisons(st.integers(0, 60)),
    "turns": comparisons(st.integers(0, 3)),
    "max_tokens": comparisons(st.integers(1, 4000)),
    "contains": st.sampled_from(PHRASES) | st.lists(st.sampled_from(PHRASES), min_size=1, max_size=2),
    "matches": st.sampled_from(["(?i)receipt", r"\bwhy\b", "^$", "[+]{2}"]),
    "has": st.sampled_from(["images", "tools", "code", "system"]),
    "model": patterns("auto", "small", "up-large", "nobody"),
    "stream": st.booleans(),
    "surface": words("chat", "messages", "execute"),
    "prefer": words("cost", "quality"),
    "header.X-App": patterns("shop", "Support desk"),
    "metadata.ticket": patterns("7", "seven"),
    "caller": words("bot", "nobody"),
    "team": patterns("growth"),
    "tags": words("vip", "beta"),
    "time": st.fixed_dictionaries(
        {"between": st.sampled_from(["22:00-06:00", "09:00-17:00"])},
        optional={"days": st.just(["mon", "sat"]), "timezone": st.sampled_from(["Europe/Berlin", "UTC"])},
    ),
}
PRIVATE = ("contains", "matches", "header.X-App", "metadata.ticket")
"""Conditions of which a row keeps only whether they held; drawn more often than others."""
_one_written = st.sampled_from([*sorted(WRITTEN), *PRIVATE, *PRIVATE]).flatmap(
    lambda name: st.fixed_dictionaries({name: WRITTEN[name]})
)
_maps: st.SearchStrategy[Written] = st.lists(_one_written, min_size=1, max_size=3).map(lambda maps: reduce(or_, maps))


def _looking(written: Written, look: str) -> Written:
    return {**written, "look_at": look} if look and LOOK_SENSITIVE & written.keys() else written


whens: st.SearchStrategy[Written] = st.recursive(
    st.builds(_looking, _maps, st.sampled_from(["", "", "conversation", "system"])),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=5,
)
_model_names = st.sampled_from(["small", "large", "other"])
routes = st.lists(
    _model_names | st.fixed_dictionaries({"split": st.dictionaries(_model_names, st.integers(1, 9), min_size=1)}),
    min_size=1,
    max_size=3,
)


@st.composite
def rule_lists(
    draw: st.DrawFn, modes: tuple[str, ...] = ("live", "live", "shadow", "off"), most: int = 5
) -> list[Written]:
    """Give the entries of a `rules` section, in the order they are written; a few are for embeddings."""
    written = draw(
        st.lists(
            st.fixed_dictionaries(
                {"priority": st.integers(0, 2), "route": routes, "mode": st.sampled_from(modes)},
                optional={"when": whens},
            ),
            min_size=1,
            max_size=most,
        )
    )
    apart = draw(st.lists(st.sampled_from([False, False, True]), min_size=len(written), max_size=len(written)))
    rules = [_for_embeddings(rule) if alone else rule for rule, alone in zip(written, apart, strict=True)]
    return [{"name": f"rule-{place}", **rule} for place, rule in enumerate(rules)]


ASKS_FOR_EMBEDDINGS: Written = {"surface": "embeddings"}


def _for_embeddings(rule: Written) -> Written:
    """Give a rule for embeddings with the conditions of another; a chain of one model, of one size."""
    when = [rule["when"]] if "when" in rule else []
    return {**rule, "when": {"all": [ASKS_FOR_EMBEDDINGS, *when]}, "route": ["small"]}


def sees(rule: Written, request: Request) -> bool:
    """Say whether a rule that `rule_lists` gave sees a request at all."""
    alone = rule.get("when", {}).get("all", [None])[0] is ASKS_FOR_EMBEDDINGS
    return alone or request.surface is not Surface.EMBEDDINGS


def file_of(rules: list[Written]) -> str:
    """Give the text of a rule file; JSON is YAML."""
    return json.dumps({"rules": rules}) if rules else ""


# -- chains and what happens on them

failures = st.sampled_from(Failure)
windows = st.none() | st.integers(1, 4).map(lambda thousands: thousands * 1000)
steps = st.builds(Step, st.sampled_from(["small", "large"]), tries=st.integers(1, 3), window_tokens=windows)
chains = st.builds(
    Chain,
    st.lists(steps, min_size=1, max_size=5).map(tuple),
    st.just(60.0),
    st.frozensets(failures) | st.just(frozenset(Failure)),
)


@st.composite
def histories(draw: st.DrawFn, chain: Chain) -> tuple[Event, ...]:
    """Give any sequence of attempts and skips at places of a chain, whether or not it could come about."""
    place = st.integers(0, len(chain.steps) - 1)
    tried = st.builds(
        lambda position, failure, committed: attempt(position, failure, committed=committed),
        place,
        st.none() | failures,
        st.booleans(),
    )
    skipped = st.builds(Skipped, place, st.just("small"), st.sampled_from(Skip))
    return tuple(draw(st.lists(tried | skipped, max_size=8)))


# -- usages

_tokens = st.integers(0, 2_000_000)
usages = st.builds(
    Usage,
    fresh_input_tokens=_tokens,
    cache_read_tokens=_tokens,
    cache_write_5m_tokens=_tokens,
    cache_write_1h_tokens=_tokens,
    output_tokens=_tokens,
    web_searches=st.integers(0, 5),
    service_tier=st.sampled_from(["standard", "batch", "priority"]),
)

# -- entries of the log, whose usage and cost are those of their attempts

_small_counts = st.sampled_from([0, 0, 1, 7, 2**40])
_used = st.builds(
    Usage,
    *([_small_counts] * len(COUNTERS)),
    service_tier=st.sampled_from(["standard", "flex"]),
    estimated=st.booleans(),
)
_names = st.sampled_from(["", "a", "b", "ß\x00'"])
_tags = st.sampled_from(["a", "b", "ß' \""])  # a header holds no control characters
_attempts = st.builds(
    Attempt,
    position=st.just(0),
    model=st.sampled_from(["a", "b"]),
    provider=st.sampled_from(["p", "q"]),
    failure=st.none() | failures,
    committed=st.booleans(),
    status=st.sampled_from([0, 200, 529]),
    usage=st.none() | _used,
    cost_nano_usd=st.sampled_from([0, 0, 1, 12_345_678]),
    unpriced=st.booleans(),
)
_skips = st.builds(Skipped, st.just(0), st.sampled_from(["a", "b"]), st.sampled_from(Skip))


@st.composite
def _entry(draw: st.DrawFn) -> Entry:
    events = tuple(draw(st.lists(_attempts | _skips, max_size=4)))
    attempts = [event for event in events if isinstance(event, Attempt)]
    return Entry(
        id=str(draw(st.uuids(version=4))),
        at=draw(moments),
        generation=1,
        fingerprint="f",
        surface="chat",
        outcome=draw(st.sampled_from(Outcome)),
        duration_s=1.0,
        overhead_s=0.0,
        stream=draw(st.booleans()),
        simulated=False,
        caller=draw(_names),
        team=draw(_names),
        tags=tuple(sorted(draw(st.frozensets(_tags, max_size=2)))),
        rule=draw(_names),
        category=draw(_names),
        model=draw(st.sampled_from(["", "a", "b"])),
        provider=draw(st.sampled_from(["", "p", "q"])),
        events=events,
        usage=total_of(attempt.usage for attempt in attempts if attempt.usage is not None),
        cost_nano_usd=sum(attempt.cost_nano_usd for attempt in attempts),
    )


entries: st.SearchStrategy[Entry] = _entry()

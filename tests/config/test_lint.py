"""Warnings: what they claim is true, and what a writer should know is said."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import catalogue, packaged
from gateway.config.compile import Compiler
from gateway.domain.category import Complexity
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import Mode
from gateway.engine.features import Features
from gateway.engine.match import first_miss

COMPILER = Compiler(catalogue.load())
REGISTRY = """\
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models:
  small: {provider: local, model: small-1, price: free, context_window: 8000}
  large: {provider: local, model: large-1, price: free, context_window: 128000}
  other: {provider: local, model: other-1, price: free}
"""
WORLD: dict[str, tuple[Any, ...]] = {
    "model": ("auto", "a", "b", "z"),
    "words@user": (0, 1, 2, 3, 4),
    "complexity@user": tuple(Complexity),
}
CONDITIONS = st.recursive(
    st.sampled_from(
        [
            *("{words: {gt: 2}}", "{words: {lte: 2}}", "{words: [1, 3]}", "{words: {gte: 1, lt: 3}}", "{}"),
            *("{complexity: low}", "{complexity: [low, medium]}", "{complexity: {gte: medium}}"),
            *("{model: a}", "{model: [a, auto]}", '{model: {glob: "*"}}', "{model: auto, words: 2}"),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda each: f"{{all: [{', '.join(each)}]}}"),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: f"{{any: [{', '.join(each)}]}}"),
        inner.map(lambda each: f"{{not: {each}}}"),
    ),
    max_leaves=3,
)
RULES = st.lists(
    st.tuples(CONDITIONS, st.sampled_from([0, 0, 5]), st.sampled_from(["live", "live", "live", "shadow", "off"])),
    min_size=1,
    max_size=5,
)


def compiled(*texts: str) -> Snapshot:
    result = COMPILER.compile(tuple(RuleFile(f"{place}.yaml", text.encode()) for place, text in enumerate(texts)))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result


def told(*texts: str) -> list[str]:
    return [str(warning) for warning in compiled(REGISTRY, *texts).warnings]


def rules_of(*rules: str) -> str:
    return "rules:\n" + "".join(f"  - {{{each}}}\n" for each in rules)


@settings(deadline=None, max_examples=40)
@given(RULES)
def test_a_rule_that_is_said_never_to_match_matches_nothing(drawn: list[tuple[str, int, str]]) -> None:
    """U-94: in every request there can be, an earlier rule takes it first or its conditions fail."""
    rules = [
        f'name: r{place}, priority: {priority}, mode: "{mode}", when: {when}, route: [small, large]'
        for place, (when, priority, mode) in enumerate(drawn)
    ]
    snapshot = compiled(REGISTRY, rules_of(*rules))
    claimed = {each.message.split("'")[1] for each in snapshot.warnings if "can never match" in each.message}
    worlds = [dict(zip(WORLD, values, strict=True)) for values in product(*WORLD.values())]
    live = [rule for rule in snapshot.rules if rule.mode is Mode.LIVE]
    takers = (
        next((rule.name for rule in live if first_miss(rule.when, Features.recorded(world)) is None), None)
        for world in worlds
    )
    assert claimed.isdisjoint(takers)
    catch_all = any(
        all(world["model"] != "auto" or first_miss(rule.when, Features.recorded(world)) is None for world in worlds)
        for rule in live
    )
    silent = not any("catch-all" in each.message for each in snapshot.warnings)
    assert not silent or catch_all or not live


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("", ""),
        ("", "when: {category: translation}"),
        ("when: {words: {lt: 50}}", "when: {words: {lt: 10}, stream: true}"),
        ("when: {complexity: [low, medium]}", "when: {complexity: low}"),
        ("when: {any: [{stream: true}, {turns: {gte: 2}}]}", "when: {turns: 3}"),
        ('when: {model: {glob: "gpt-*"}}', "when: {model: [gpt-4, gpt-5]}"),
        ("when: {contains: hello}", "when: {stream: true, contains: hello}"),
    ],
)
def test_a_covered_rule_is_named_with_the_one_that_covers_it(earlier: str, later: str) -> None:
    """U-94."""
    text = rules_of(
        *(
            f"name: {name}, route: [small, large]{', ' if when else ''}{when}"
            for name, when in (("first", earlier), ("second", later), ("last", "priority: -1"))
        )
    )
    assert (
        "1.yaml:3:12: rule 'second' can never match: 'first' (1.yaml:2) is tried first and takes all it would "
        "(raise its priority above 0, or remove it)"
    ) in told(text)


def test_a_rule_whose_conditions_exclude_each_other_is_named() -> None:
    dead = "name: dead, priority: 1, when: {words: {gt: 5}, not: {words: {gte: 2}}}, route: [small, large]"
    (warning,) = told(rules_of(dead, "name: rest, route: [small, large]"))
    assert warning == "1.yaml:2:12: rule 'dead' can never match: its conditions exclude each other (loosen one of them)"


@pytest.mark.parametrize("mode", ["shadow", '"off"'])
def test_a_rule_that_takes_nothing_covers_nothing(mode: str) -> None:
    first = f"name: first, priority: 1, mode: {mode}, route: [small, large]"
    assert told(rules_of(first, "name: rest, route: [small, large]")) == []


def test_rules_of_one_priority_that_overlap_in_one_file_are_fine() -> None:
    one, other = "name: one, when: {words: 1}", "name: other, when: {stream: true}"
    rest = "name: rest, priority: -1, route: [small, large]"
    assert told(rules_of(f"{one}, route: [small, large]", f"{other}, route: [small, large]", rest)) == []


def test_rules_of_one_priority_that_overlap_across_files_are_told() -> None:
    one, other = rules_of("name: one, when: {words: 1}, route: [small, large]"), "name: other, when: {stream: true}"
    rest = "name: rest, priority: -1, route: [small, large]"
    assert told(one, rules_of(f"{other}, route: [small, large]", rest)) == [
        (
            "2.yaml:2:12: rule 'other' has the priority of 'one' in 1.yaml: the file names decide "
            "(larger priorities are tried first; give one of them another)"
        )
    ]


def test_a_tie_is_seen_past_the_rules_between() -> None:
    first = rules_of("name: a, when: {words: 1, stream: true}, route: [small, large]")
    between = rules_of("name: b, when: {words: 2}, route: [small, large]")
    last = rules_of(
        "name: c, when: {words: 1}, route: [small, large]", "name: rest, priority: -1, route: [small, large]"
    )
    (warning,) = told(first, between, last)
    assert warning.startswith("3.yaml:2:12: rule 'c' has the priority of 'a' in 1.yaml")


def test_rules_of_one_priority_that_exclude_each_other_are_fine() -> None:
    one = rules_of("name: one, when: {complexity: low}, route: [small, large]")
    other = rules_of(
        "name: other, when: {complexity: {gte: medium}}, route: [small, large]",
        "name: rest, priority: -1, route: [small, large]",
    )
    assert told(one, other) == []


@pytest.mark.parametrize(
    ("when", "catches"),
    [
        ("", True),
        ("when: {}, ", True),
        ("when: {model: auto}, ", True),
        ('when: {model: {glob: "*"}}, ', True),
        ("when: {model: gpt-5}, ", False),
        ("when: {words: {gte: 0}}, ", False),
    ],
)
def test_a_set_without_a_catch_all_is_told(when: str, catches: bool) -> None:  # noqa: FBT001 - a column of the table
    warnings = told(rules_of(f"name: only, {when}route: [small, large]"))
    assert warnings == (
        []
        if catches
        else [
            (
                "1.yaml:2:12: no rule is a catch-all: a request for 'auto' that no rule takes is refused with 404 "
                "(add a rule without 'when' and with the lowest priority)"
            )
        ]
    )


def test_a_set_without_rules_is_fine() -> None:
    assert told("") == []


def test_a_model_twice_in_a_route_is_told() -> None:
    (warning,) = told(rules_of("name: r, route: [small, large, {model: small, tries: 2}]"))
    assert warning == (
        "1.yaml:2:12: the route of rule 'r' has model 'small' twice (for another try say {model: small, tries: 2})"
    )


@pytest.mark.parametrize("route", ["[small]", "lonely", "[{split: {small: 1, large: 1}}]"])
def test_a_route_of_one_step_is_told(route: str) -> None:
    chains = "chains: {lonely: [small]}\n" if route == "lonely" else ""
    (warning,) = told(chains + rules_of(f"name: r, route: {route}"))
    assert "the route of rule 'r' has one step: nothing answers when it fails" in warning


@pytest.mark.parametrize(
    ("rules", "unused"),
    [
        (("name: r, route: [small, large]",), True),
        (("name: r, route: spare",), False),
        (("name: r, route: [small, large]", 'name: s, mode: "off", route: spare'), False),
        (("name: r, route: [small, large]", "name: s, mode: shadow, route: spare"), False),
    ],
)
def test_a_chain_that_no_rule_names_is_told(rules: tuple[str, ...], unused: bool) -> None:  # noqa: FBT001 - a column
    warnings = told("chains:\n  spare: [small, large]\n" + rules_of(*rules))
    assert warnings == (
        ["1.yaml:2:3: no rule uses chain 'spare' (name it under route:, or remove it)"] if unused else []
    )


@pytest.mark.parametrize(
    ("when", "route", "expected"),
    [
        (
            "estimated_tokens: {gt: 150000}",
            "[large, small]",
            (
                "takes inputs of 150001 tokens and more, and no model of its route holds them "
                "(the window is too small: 'large' (128000), 'small' (8000))"
            ),
        ),
        (
            "estimated_tokens: {gte: 8000}",
            "[large, small]",
            (
                "takes inputs of 8000 tokens and more, and not every model of its route holds them "
                "(the window is too small: 'small' (8000))"
            ),
        ),
        (
            "estimated_tokens: {gte: 9000}, stream: true",
            "[other, {split: {small: 1, large: 1}}]",
            (
                "takes inputs of 9000 tokens and more, and not every model of its route holds them "
                "(the window is too small: 'small' (8000))"
            ),
        ),
        ("estimated_tokens: {gte: 7999}", "[large, small]", None),
        ("estimated_tokens: {lt: 500000}", "[large, small]", None),
        ("any: [{estimated_tokens: {gt: 500000}}, {stream: true}]", "[large, small]", None),
        ("not: {estimated_tokens: {gt: 500000}}", "[large, small]", None),
        ("estimated_tokens: {gt: 500000}", "[other, other]", None),
    ],
)
def test_a_window_that_the_input_alone_fills_is_told(when: str, route: str, expected: str | None) -> None:
    rule = f"name: r, priority: 1, when: {{{when}}}, route: {route}"
    warnings = [each for each in told(rules_of(rule, "name: rest, route: [small, large]")) if "twice" not in each]
    assert warnings == ([f"1.yaml:2:12: rule 'r' {expected}"] if expected else [])


@pytest.mark.parametrize(
    ("when", "route", "expected"),
    [
        ("has: images", "[blind, other]", "images, and not every model of its route takes those"),
        ("has: images", "[blind, {split: {blind: 1, deaf: 1}}]", "images, and no model of its route takes those"),
        ("has: [images, audio]", "[deaf, other]", "audio or images, and not every model of its route takes those"),
        ("has: [images, tools]", "[deaf, other]", None),
        ("has: [images, code]", "[deaf, other]", None),
        ("not: {has: images}", "[blind, other]", None),
        ("has: images", "[other, small]", None),
    ],
)
def test_a_model_that_takes_nothing_of_what_a_rule_asks_for_is_told(
    when: str, route: str, expected: str | None
) -> None:
    """U-15, U-94: it is passed over for every request that the rule takes."""
    models = (
        "models:\n"
        "  blind: {provider: local, model: b, price: free, takes: []}\n"
        "  deaf: {provider: local, model: d, price: free, takes: [tools]}\n"
    )
    rule = f"name: r, priority: 1, when: {{{when}}}, route: {route}"
    said = told(models + rules_of(rule, "name: rest, route: [small, large]"))
    warnings = [each.partition("rule 'r' ")[2].partition(" (")[0] for each in said if "twice" not in each]
    assert warnings == ([f"takes requests with {expected}"] if expected else [])


def test_the_shipped_rules_have_no_warnings() -> None:
    names = [name for name in packaged.names("rules.d") if name.endswith(".yaml")]
    result = COMPILER.compile(tuple(RuleFile(name, packaged.read(f"rules.d/{name}")) for name in names))
    assert isinstance(result, Snapshot)
    assert result.rules
    assert result.warnings == ()


VECTORS = "when: {surface: embeddings}, route: [small]"


@pytest.mark.parametrize(
    ("rules", "warnings"),
    [
        (["name: all, priority: 9, route: [small, large]", f"name: vectors, {VECTORS}"], []),
        (
            [f"name: vectors, {VECTORS}"],
            [],
        ),
        (
            [
                "name: all, route: [small, large]",
                f"name: vectors, priority: 3, {VECTORS}",
                "name: long, when: {surface: embeddings, words: {gt: 9}}, route: [large]",
            ],
            ["rule 'long' can never match: 'vectors' (1.yaml:3) is tried first and takes all it would"],
        ),
    ],
    ids=["a catch-all above it", "alone", "under another for embeddings"],
)
def test_rules_for_embeddings_and_others_do_not_meet(rules: list[str], warnings: list[str]) -> None:
    """U-94: neither covers the other, and one step is no slip where few have the same model twice."""
    assert [each.message for each in compiled(REGISTRY, rules_of(*rules)).warnings] == warnings

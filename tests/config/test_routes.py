"""Routes, steps and params: what a rule, a step and the defaults say, the inner over the outer."""

from typing import Any

import pytest

from gateway.config import catalogue, packaged
from gateway.config.compile import Compiler
from gateway.domain.rule import Hedge, Leaf, Params, Rule, Split, Step, Timeouts, Usual, leaves
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import DEFAULT_FALL_BACK_ON, Affinity, Failure, Mode

COMPILER = Compiler(catalogue.load())
REGISTRY = """\
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models:
  small: {provider: local, model: small-1, price: free, context_window: 8000}
  large: {provider: local, model: large-1, price: free}
"""


def rule(written: str, top: str = "") -> Rule:
    result = COMPILER.compile((RuleFile("r.yaml", f"{REGISTRY}{top}\nrules: [{{name: r, {written}}}]".encode()),))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    assert isinstance(result, Snapshot)
    return result.rules[0]


def step(written: str, rule_says: str = "", top: str = "") -> Step:
    place = rule(f"route: [{written}]{rule_says}", top).route.places[0]
    assert isinstance(place, Step)
    return place


RULE_KEYS: dict[str, tuple[str, str, Any]] = {
    "priority": ("5", "priority", 5),
    "mode": ("shadow", "mode", Mode.SHADOW),
    "fall_back_on": ("[timeout, auth]", "route.fall_back_on", frozenset({Failure.TIMEOUT, Failure.AUTH})),
    "deadline": ("9s", "route.deadline_s", 9.0),
    "hedge": ("{after: 1.5s}", "route.settled.hedge", Hedge(1.5)),
    "strict_params": ("true", "route.settled.strict", True),
    "keepalive": ("5s", "route.settled.courtesy.keepalive_s", 5.0),
    "commit_after": ("45s", "route.settled.courtesy.commit_after_s", 45.0),
    "on_disconnect": ("drain", "route.settled.courtesy.drains", True),
    "affinity": ("none", "affinity", Affinity.NONE),
    "tags": ("[a, b]", "tags", frozenset({"a", "b"})),
    "timeout": ("{idle: 5s}", "route.places", (Step("small", Timeouts(idle_s=5.0), window_tokens=8000),)),
    "params": (
        "{set: {temperature: 0}}",
        "route.places",
        (Step("small", params=Params({"temperature": 0}, {}, {}, ()), window_tokens=8000),),
    ),
}


@pytest.mark.parametrize("key", RULE_KEYS)
def test_a_key_of_a_rule_is_compiled(key: str) -> None:
    written, place, expected = RULE_KEYS[key]
    value: object = rule(f"route: [small], {key}: {written}")
    for name in place.split("."):
        value = getattr(value, name)
    assert value == expected


def test_a_hedge_after_what_is_usual_is_said_by_its_word() -> None:
    made = rule("route: [{split: {small: 1, large: 1}}, large], hedge: {after: p95}")
    assert made.route.hedge == made.route.over(()).hedge == Hedge(Usual.P95)
    assert rule("route: [small]").route.hedge is None


def test_every_key_that_is_built_has_a_row() -> None:
    """U-93: none that the schema takes is silently ignored."""
    definitions = packaged.rules_schema()["$defs"]

    def built(name: str) -> set[str]:
        return {key for key, each in definitions[name]["properties"].items() if not each.get("x-not-built")}

    assert built("rule") == {*RULE_KEYS, "name", "when", "route"}
    assert built("modelStep") == {"model", "timeout", "tries", "params", "max_concurrent", "queue"}
    assert built("splitStep") == {"split"}
    assert built("params") == {"set", "default", "cap", "drop"}
    assert built("timeout") == {"connect", "headers", "first_content", "idle", "total"}


def test_a_rule_that_says_little_has_the_defaults() -> None:
    made = rule("route: [small]", "defaults: {deadline: 7s, fall_back_on: [auth], timeout: {total: 8s}}")
    assert (made.priority, made.mode, made.tags, made.file, made.mark.line) == (0, Mode.LIVE, frozenset(), "r.yaml", 6)
    assert (made.route.name, made.route.deadline_s, made.route.fall_back_on) == ("", 7.0, frozenset({Failure.AUTH}))
    assert made.route.places == (Step("small", Timeouts(total_s=8.0), window_tokens=8000),)
    assert rule("route: [small]").route.fall_back_on == DEFAULT_FALL_BACK_ON


def test_a_named_chain_is_the_route_and_takes_what_its_rule_says() -> None:
    chain = "chains: {c: [{model: large, tries: 3}, small]}"
    made = rule("route: c, timeout: {connect: 1s}, params: {drop: [stop]}", chain)
    assert made.route.name == "c"
    first, second = made.route.places
    assert isinstance(first, Step)
    assert isinstance(second, Step)
    assert (first.model, first.tries, first.window_tokens) == ("large", 3, None)
    assert {each.timeouts.connect_s for each in (first, second)} == {1.0}
    assert {each.params.drop for each in (first, second)} == {("stop",)}


def test_a_timeout_is_that_of_the_step_over_the_rule_over_the_defaults() -> None:
    made = step(
        "{model: small, timeout: {idle: 1s}}",
        ", timeout: {idle: 2s, connect: 3s}",
        "defaults: {timeout: {idle: 4s, connect: 5s, total: 6s}}",
    )
    assert made.timeouts == Timeouts(connect_s=3.0, idle_s=1.0, total_s=6.0)


def test_params_of_a_step_come_after_those_of_its_rule() -> None:
    made = step(
        "{model: small, params: {set: {a: 1}, default: {d: 1}, cap: {c: 1}, drop: [y]}}",
        ", params: {set: {a: 2, b: 2}, default: {d: 2, e: 2}, cap: {c: 2, f: 2}, drop: [x]}",
    )
    assert made.params == Params({"a": 1, "b": 2}, {"d": 1, "e": 2}, {"c": 1, "f": 2}, ("x", "y"))


def test_a_split_has_an_arm_for_each_model_with_what_its_rule_says() -> None:
    (place,) = rule("route: [{split: {small: 90, large: 10}}], timeout: {idle: 1s}").route.places
    assert isinstance(place, Split)
    assert [(arm.model, weight, arm.timeouts.idle_s, arm.tries) for arm, weight in place.arms] == [
        ("small", 90.0, 1.0, 1),
        ("large", 10.0, 1.0, 1),
    ]


@pytest.mark.parametrize(
    ("when", "implied"),
    [
        ("", True),
        (", when: {stream: true}", True),
        (", when: {any: [{stream: true}, {turns: 1}]}", True),
        (", when: {model: auto}", False),
        (", when: {any: [{stream: true}, {not: {model: x}}]}", False),
    ],
)
def test_a_rule_that_mentions_no_model_is_for_auto(when: str, implied: bool) -> None:  # noqa: FBT001 - a column
    found: list[Leaf] = [each for each in leaves(rule(f"route: [small]{when}").when) if each.implied]
    assert [(each.feature, each.wanted, each.test("auto"), each.test("x")) for each in found] == (
        [("model", "auto", True, False)] if implied else []
    )

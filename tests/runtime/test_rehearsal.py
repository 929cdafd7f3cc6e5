"""The `tests` sections decide as traffic does; the golden cases are rule files whose own tests say what must come."""

import json
from pathlib import Path

import pytest

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.words import Surface
from gateway.runtime.rehearsal import Verdict, failures_of, rehearse
from gateway.wiring.surfaces import SURFACES

CASES = Path(__file__).parent.parent / "cases" / "decisions"
COMPILER = Compiler(catalogue.load())
RULES = """
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models:
  small: {provider: local, model: small-1, price: free}
  large: {provider: local, model: large-1, price: free}
chains: {strong: [large, small]}
rules:
  - {name: watched, priority: 3, mode: shadow, when: {contains: hello}, route: strong}
  - {name: greeting, priority: 2, when: {contains: hello, time: {between: "11:00-13:00", days: [mon]}}, route: strong}
  - {name: named, priority: 1, when: {model: special, stream: true}, route: [small, large]}
"""


def snapshot_of(name: str, text: str) -> Snapshot:
    result = COMPILER.compile((RuleFile(name, text.encode()),))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result


def test_a_body_for_execute_has_only_what_it_states() -> None:
    """The surface `execute` knows no model, so none is added to a body for it."""
    request = "{surface: execute, body: {prompt: hello}}"
    verdict = verdict_of(f"{{name: t, request: {request}, at: '2026-01-05T12:00:00Z', expect: {{rule: greeting}}}}")
    assert verdict.failed == ()


def verdict_of(test: str) -> Verdict:
    snapshot = snapshot_of("rules.yaml", f"{RULES}tests: [{test}]")
    return rehearse(snapshot, SURFACES)[0]


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda case: case.stem)
def test_a_golden_case_gets_the_decisions_it_states(case: Path) -> None:
    """Every condition, operator and mode decides as the file says, request by request."""
    verdicts = rehearse(snapshot_of(case.name, case.read_text(encoding="utf-8")), SURFACES)
    assert verdicts
    assert [str(verdict.problem) for verdict in verdicts if verdict.failed] == []


def test_every_condition_that_is_built_has_a_golden_case() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in CASES.glob("*.yaml"))
    schema = json.loads((CASES.parents[2] / "schemas" / "rules.schema.json").read_text(encoding="utf-8"))
    conditions = schema["$defs"]["condition"]["properties"]
    built = {name for name, each in conditions.items() if not each.get("x-not-built")}
    assert {name for name in built if f"{name}:" not in text} == set()


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("{rule: greeting, model: large, chain: strong}", ()),
        ("{chain: [large, small], refused: false}", ()),
        ("{rule: named}", ("rule is greeting, expected named",)),
        ("{model: small, category: translation}", ("model is large, expected small", "category is unsure, expected t")),
        ("{chain: [small, large]}", ("chain is large, small, expected small, large",)),
        ("{refused: true}", ("refused is false, expected true",)),
    ],
)
def test_each_expectation_that_is_not_met_is_told(expect: str, told: tuple[str, ...]) -> None:
    verdict = verdict_of(f"{{name: t, request: {{prompt: hello}}, expect: {expect}}}")
    assert len(verdict.failed) == len(told)
    assert all(line.startswith(start) for line, start in zip(verdict.failed, told, strict=True))


def test_a_request_that_nothing_answers_to_is_refused() -> None:
    body = "{body: {model: nothing, messages: [{role: user, content: hi}]}}"
    assert verdict_of(f"{{name: t, request: {body}, expect: {{refused: true}}}}").failed == ()
    told = verdict_of(f"{{name: t, request: {body}, expect: {{rule: greeting, model: small}}}}").failed
    assert told == ("rule is no rule, expected greeting", "model is no model, expected small")


def test_a_body_that_is_no_request_fails_its_test_unless_refusal_is_expected() -> None:
    body = "{body: {messages: 5}}"
    (told,) = verdict_of(f"{{name: t, request: {body}, expect: {{rule: greeting}}}}").failed
    assert told.startswith("the request is refused: ")
    assert verdict_of(f"{{name: t, request: {body}, expect: {{refused: true}}}}").failed == ()


def test_without_a_moment_a_test_plays_on_a_monday_at_noon() -> None:
    assert verdict_of("{name: t, request: {prompt: hello}, expect: {rule: greeting}}").failed == ()
    told = verdict_of('{name: t, at: "2026-01-06T12:00:00Z", request: {prompt: hello}, expect: {rule: greeting}}')
    assert told.failed == ("rule is no rule, expected greeting",)


def test_a_shadow_rule_is_named_and_decides_nothing() -> None:
    verdict = verdict_of("{name: t, request: {prompt: hello}, expect: {rule: greeting}}")
    assert (verdict.rule, verdict.shadows) == ("greeting", ("watched",))


def test_an_advisory_test_is_told_and_gates_nothing() -> None:
    gating = verdict_of("{name: t, request: {prompt: hello}, expect: {rule: named}}")
    advisory = verdict_of("{name: t, advisory: true, request: {prompt: hello}, expect: {rule: named}}")
    assert advisory.failed == gating.failed
    (problem,) = failures_of((gating, advisory))
    assert str(problem) == (
        "rules.yaml:11:16: test 't' failed: rule is greeting, expected named (rulegate explain shows why)"
    )


def test_every_surface_that_takes_traffic_can_be_rehearsed() -> None:
    assert set(SURFACES) == set(Surface)
    for surface in SURFACES:
        end = "refused: true" if surface is Surface.EMBEDDINGS else "rule: greeting"  # no rule here is for them
        test = f"{{name: t, request: {{prompt: hello, surface: {surface}}}, expect: {{{end}}}}}"
        assert verdict_of(test).failed == ()

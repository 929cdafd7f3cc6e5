"""What callers are owed: a rule's word over that of `defaults`, key by key."""

from math import inf

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.rule import Courtesy
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot

COMPILER = Compiler(catalogue.load())
REGISTRY = """\
providers: {local: {kind: openai, api_key: none, base_url: "http://127.0.0.1:8000/v1"}}
models: {small: {provider: local, model: small-1, price: free}}
"""


def compiled(defaults: str, rule: str) -> Snapshot | Rejected:
    text = f"{REGISTRY}defaults: {{{defaults}}}\nrules: [{{name: r, route: [small]{rule}}}]"
    return COMPILER.compile((RuleFile("r.yaml", text.encode()),))


def courtesy(defaults: str = "", rule: str = "") -> Courtesy:
    snapshot = compiled(defaults, rule)
    assert isinstance(snapshot, Snapshot)
    settled = snapshot.rules[0].route.settled
    assert settled is not None
    return settled.courtesy


def test_without_a_word_there_are_signs_of_life_and_nothing_else() -> None:
    assert courtesy() == Courtesy(15.0, inf, drains=False)


def test_a_rule_says_over_defaults_what_it_says_and_leaves_the_rest() -> None:
    defaults = "keepalive: 5s, commit_after: 45s, on_disconnect: drain"
    assert courtesy(defaults, ", commit_after: 0s") == Courtesy(5.0, 0.0, drains=True)
    taken_back = ", keepalive: never, commit_after: never, on_disconnect: cancel"
    assert courtesy(defaults, taken_back) == Courtesy(inf, inf, drains=False)


def test_signs_of_life_without_a_pause_are_a_problem() -> None:
    """They would keep the gateway busy for every stream that waits."""
    for defaults, rule in (("keepalive: 0s", ""), ("", ", keepalive: 0.000ms")):
        rejected = compiled(defaults, rule)
        assert isinstance(rejected, Rejected)
        (problem,) = rejected.problems
        assert "without a pause" in problem.message
        assert "never" in problem.hint

"""`max_concurrent` and `queue`, compiled: each step knows the gates before it, whoever they belong to."""

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.limit import QUEUE, QUEUE_WAIT_S, Gate, GateKind
from gateway.domain.rule import Split, Step
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.runtime.gates import gates_of

FILE = """
providers:
  shop: {kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: none, max_concurrent: 9, queue: {timeout: 2s}}
  open: {kind: openai, base_url: "http://127.0.0.1:2/v1", api_key: none}
models:
  few: {provider: shop, model: a, price: free, max_concurrent: 2, queue: {size: 0}}
  many: {provider: shop, model: b, price: free}
  any: {provider: open, model: c, price: free}
chains:
  both: [any, {model: few, max_concurrent: 1, queue: {size: 7, timeout: 500ms}}]
rules:
  - {name: first, when: {stream: true}, route: both}
  - {name: second, when: {turns: 3}, route: both}
  - {name: third, route: [{model: any, max_concurrent: 4}, {split: {few: 1, many: 1}}]}
"""
SHOP = Gate(GateKind.PROVIDER, "shop", 9, QUEUE, 2.0)
FEW = Gate(GateKind.MODEL, "few", 2, 0, QUEUE_WAIT_S)
OF_A_CHAIN = Gate(GateKind.STEP, "chains/both/2", 1, 7, 0.5)
OF_A_RULE = Gate(GateKind.STEP, "rules/third/1", 4, QUEUE, QUEUE_WAIT_S)


def compiled() -> Snapshot:
    result = Compiler(catalogue.load()).compile((RuleFile("r.yaml", FILE.encode()),))
    assert isinstance(result, Snapshot), result
    return result


def test_a_step_has_its_own_gate_and_those_of_its_model_and_provider() -> None:
    """A chain that two rules take is one step with one gate; the arms of a split have those of their models."""
    first, second, third = compiled().rules
    for rule in (first, second):
        plain, gated = rule.route.places
        assert isinstance(plain, Step)
        assert isinstance(gated, Step)
        assert (plain.gates, gated.gates) == ((), (OF_A_CHAIN, FEW, SHOP))
    own, split = third.route.places
    assert isinstance(own, Step)
    assert isinstance(split, Split)
    assert own.gates == (OF_A_RULE,)
    assert [arm.gates for arm, _ in split.arms] == [(FEW, SHOP), (SHOP,)]


def test_all_gates_of_a_snapshot_are_those_that_are_written() -> None:
    assert set(gates_of(compiled())) == {SHOP, FEW, OF_A_CHAIN, OF_A_RULE}

"""Chains, steps and rules, compiled against the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.config.conditions import Named, condition_of, mentions
from gateway.config.courtesies import courtesy_of
from gateway.config.embeddings import check_chain, check_surface
from gateway.config.gates import gate_of
from gateway.config.node import Findings, Node
from gateway.config.quantities import duration_s
from gateway.domain.limit import GateKind
from gateway.domain.registry import Model
from gateway.domain.request import AUTO
from gateway.domain.rule import (
    NO_PARAMS,
    AllOf,
    Condition,
    Hedge,
    Leaf,
    Params,
    Route,
    Rule,
    Split,
    Step,
    Timeouts,
    Usual,
)
from gateway.domain.snapshot import Defaults
from gateway.domain.words import Affinity, Dialect, Failure, Mode
from gateway.engine.capable import at_model

_IMPLIED = Leaf("model", "model", AUTO, AUTO.__eq__, implied=True)
"""The condition of every rule that mentions `model` nowhere."""
_USUAL = frozenset(each.value for each in Usual)
_HINTS = {
    "model": "the chain says which model answers: name it there",
    "messages": "a rule cannot change what was said: take this out",
    "stream": "the caller says whether the answer streams: take this out",
}
"""What is no parameter: price, decision and surface stand on these fields."""


@dataclass(frozen=True, slots=True)
class Known:
    """What routes and tests may refer to.

    `chains` holds the nodes of the named ones, `callers` the names, `kinds` what each provider speaks.
    """

    models: Mapping[str, Model]
    declared_models: frozenset[str]
    chains: Mapping[str, Node]
    categories: Mapping[str, object]
    defaults: Defaults
    callers: frozenset[str]
    budgets: frozenset[str] = frozenset()
    kinds: Mapping[str, Dialect] = field(default_factory=dict)

    @property
    def named(self) -> Named:
        """What conditions may refer to."""
        return Named(self.categories, self.declared_models, self.budgets)


def timeouts_of(node: Node | None, base: Timeouts) -> Timeouts:
    """Give the limits of a `timeout` map over those it stands within."""
    if node is None:
        return base
    return replace(base, **{f"{name}_s": duration_s(limit.value) for name, limit in node.items()})


def failures_of(node: Node | None, base: frozenset[Failure]) -> frozenset[Failure]:
    """Give the failures of a `fall_back_on` list, or those that hold without one."""
    return base if node is None else frozenset(Failure(word) for word in node.value)


def _hedge_of(node: Node | None) -> Hedge | None:
    if node is None:
        return None
    after = node["after"].value
    return Hedge(Usual(after) if after in _USUAL else duration_s(after))


def affinity_of(node: Node | None, base: Affinity) -> Affinity:
    """Give the affinity that is written, or that holds without one."""
    return base if node is None else Affinity(node.value)


def rule_of(node: Node, known: Known, findings: Findings) -> Rule | None:
    """Compile a rule; None, with a Problem noted, where its route leads nowhere."""
    when = _with_implied_model(condition_of(node.get("when"), findings, known.named))
    defaults = known.defaults
    base = Step(
        "",
        timeouts_of(node.get("timeout"), defaults.timeouts),
        params=params_of(node.get("params"), NO_PARAMS, findings),
    )
    written = node["route"]
    chain = known.chains.get(written.value) if isinstance(written.value, str) else written
    name = written.value if isinstance(written.value, str) else ""
    if chain is None:
        model = name in known.declared_models
        meant = f"there is a model of that name, and a route is a chain or a list of steps: write [{name}]"
        findings.missing(written, "chain", name, known.chains, meant if model else "")
        return None
    owner = f"chains/{name}" if name else f"rules/{node['name'].value}"
    places = places_of(chain, base, owner, known, findings)
    if not places:
        return None
    deadline = node.get("deadline")
    route = Route(
        name=name,
        places=places,
        deadline_s=duration_s(deadline.value) if deadline else defaults.deadline_s,
        fall_back_on=failures_of(node.get("fall_back_on"), defaults.fall_back_on),
        strict=bool(node["strict_params"].value) if "strict_params" in node.value else defaults.strict_params,
        courtesy=courtesy_of(dict(node.items()), defaults.courtesy, findings),
        hedge=_hedge_of(node.get("hedge")),
    )
    rule = Rule(
        name=node["name"].value,
        priority=node["priority"].value if "priority" in node.value else 0,
        when=when,
        route=route,
        mode=Mode(node["mode"].value) if "mode" in node.value else Mode.LIVE,
        tags=frozenset(node["tags"].value) if "tags" in node.value else frozenset(),
        file=node.document.file,
        mark=node["name"].mark,
        affinity=affinity_of(node.get("affinity"), defaults.affinity),
    )
    check_surface(node.get("when"), rule, findings)
    check_chain(chain, rule, known.models, known.kinds, findings)
    return rule


def _with_implied_model(condition: Condition) -> Condition:
    if mentions(condition, "model"):
        return condition
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    return AllOf((_IMPLIED, *parts))


def places_of(node: Node, base: Step, owner: str, known: Known, findings: Findings) -> tuple[Step | Split, ...]:
    """Compile the places of a chain; `base` holds what the rule says for all of its steps.

    `owner` is `chains/NAME`, or `rules/NAME` of a chain that stands inside its rule.
    """
    places = [_place(each, base, f"{owner}/{place}", known, findings) for place, each in enumerate(node, 1)]
    return tuple(place for place in places if place is not None)


def _place(node: Node, base: Step, name: str, known: Known, findings: Findings) -> Step | Split | None:
    if isinstance(node.value, str):
        return _step(node, node.value, base, known, findings)
    if "split" in node.value:
        arms = [
            (arm, float(weight.value))
            for name, weight in node["split"].items()
            if (arm := _step(weight, name, base, known, findings)) is not None
        ]
        return Split(tuple(arms)) if arms else None
    step = _step(node["model"], node["model"].value, base, known, findings)
    if step is None:
        return None
    gate = gate_of(GateKind.STEP, name, node, findings)
    return replace(
        step,
        timeouts=timeouts_of(node.get("timeout"), base.timeouts),
        tries=node["tries"].value if "tries" in node.value else 1,
        params=params_of(node.get("params"), base.params, findings),
        gates=step.gates if gate is None else (gate, *step.gates),
    )


def _step(node: Node, name: str, base: Step, known: Known, findings: Findings) -> Step | None:
    if name not in known.declared_models:
        meant = "there is a chain of that name, and a chain holds models: write the models of that chain here"
        findings.missing(node, "model", name, known.declared_models, meant if name in known.chains else "")
        return None
    model = known.models.get(name)
    return replace(base, model=name) if model is None else at_model(base, model)


def params_of(node: Node | None, base: Params, findings: Findings) -> Params:
    """Give the edits of a `params` map after those it stands within; the inner one wins."""
    if node is None:
        return base
    for part in (node[name] for name in node.value):
        named = part.items() if isinstance(part.value, dict) else ((each.value, each) for each in part)
        for name, each in named:
            if name in _HINTS:
                words = f"'{name}' is no parameter that a rule may change"
                findings.add(each.problem(words, _HINTS[name], at_key=isinstance(part.value, dict)))
    parts = {name: node[name].value if name in node.value else {} for name in ("set", "default", "cap")}
    drop = tuple(node["drop"].value) if "drop" in node.value else ()
    return Params(
        set={**base.set, **parts["set"]},
        default={**base.default, **parts["default"]},
        cap={**base.cap, **parts["cap"]},
        drop=(*base.drop, *drop),
    )

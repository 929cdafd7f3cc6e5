"""What must hold of rules for embeddings, so that all vectors that one of them gives can be compared with each other.

Such a rule sees embeddings alone, and each step of its chain gives the vectors of one upstream model, of one size.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.node import Findings, Node
from gateway.domain.registry import Model
from gateway.domain.rule import Params, Rule, Split, Step
from gateway.domain.words import Dialect, Surface
from gateway.engine.fitness import unfit

SIZE = "dimensions"
"""The request field that says how long a vector is to be."""
ALONE = "write 'surface: embeddings' at the top of 'when', and give other surfaces a rule of their own"
COMPARED = "vectors of different models or sizes cannot be compared: keep one to a chain"


def check_surface(when: Node | None, rule: Rule, findings: Findings) -> None:
    """Note each place where a rule asks for embeddings among other things."""
    if when is None or rule.for_embeddings:
        return
    for node in _asked(when):
        findings.add(node.problem(f"rule '{rule.name}' is not for embeddings alone", ALONE))


def _asked(when: Node) -> Iterator[Node]:
    """Give the conditions on the surface that name embeddings; what a `not` says is what others do."""
    for key, node in when.items():
        if key == "surface" and Surface.EMBEDDINGS in _words(node.value):
            yield node
        elif key in ("all", "any"):
            for each in node:
                yield from _asked(each)


def _words(value: Any) -> list[Any]:  # noqa: ANN401 - a value of a rule file
    if isinstance(value, dict):
        return [word for each in value.values() for word in _words(each)]
    return value if isinstance(value, list) else [value]


def check_chain(
    chain: Node, rule: Rule, models: Mapping[str, Model], kinds: Mapping[str, Dialect], findings: Findings
) -> None:
    """Note each step that cannot serve its rule, and of a rule for embeddings those that make others than the first."""
    nodes, steps = list(_places(chain)), [step for place in rule.route.places for step in _steps(place)]
    if len(nodes) != len(steps):
        return
    surface, what = (Surface.EMBEDDINGS, "") if rule.for_embeddings else (Surface.CHAT, "not ")
    first: tuple[Model, Step] | None = None
    for node, step in zip(nodes, steps, strict=True):
        model = models.get(step.model)
        kind = kinds.get(model.provider) if model else None
        if model is None or kind is None:
            continue
        if words := unfit(model, kind, surface):
            words = f"{words}, and rule '{rule.name}' is {what}for embeddings"
            findings.add(node.problem(words, "take it out of the chain"))
        if surface is not Surface.EMBEDDINGS or words:
            continue
        first = first or (model, step)
        if (here := model.upstream) != (there := first[0].upstream):
            words = f"model '{model.name}' is {here}, and '{first[0].name}' before it is {there}"
            findings.add(node.problem(f"the steps of rule '{rule.name}' make different embeddings: {words}", COMPARED))
        elif _size(step.params) != _size(first[1].params):
            words = f"the steps of rule '{rule.name}' make embeddings of different sizes"
            findings.add(node.problem(f"{words}: give all of them the same {SIZE}", COMPARED))


def _places(chain: Node) -> Iterator[Node]:
    """Give the place in the file of each step, of a split each arm's."""
    for each in chain:
        if isinstance(each.value, str):
            yield each
        elif "split" in each.value:
            yield from (arm for _, arm in each["split"].items())
        else:
            yield each["model"]


def _steps(place: Step | Split) -> tuple[Step, ...]:
    return (place,) if isinstance(place, Step) else tuple(step for step, _ in place.arms)


def _size(params: Params) -> tuple[object, ...]:
    """Give what a step's edits make of the size that a caller asks for."""
    return (params.set.get(SIZE), params.default.get(SIZE), params.cap.get(SIZE), SIZE in params.drop)

"""The `tests` section: requests with the Decision that each must get."""

from datetime import datetime

import msgspec

from gateway.config.node import Findings, Node
from gateway.config.quantities import percent
from gateway.config.routes import Known
from gateway.domain.category import UNSURE
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.health import HealthState
from gateway.domain.request import AUTO
from gateway.domain.snapshot import RuleTest
from gateway.domain.words import Surface

YEARS = range(1970, 9000)
"""The years that a test may play in; at the ends of the calendar another time zone may have no date at all."""


def test_of(node: Node, known: Known, rules: frozenset[str], findings: Findings) -> RuleTest:
    """Compile an entry of `tests`; what it expects must be there to be had."""
    request = node["request"]
    surface = Surface(request["surface"].value) if "surface" in request.value else Surface.CHAT
    expect = node["expect"]
    names = {"rule": {*rules, REQUESTED_MODEL}, "model": known.declared_models, "category": {*known.categories, UNSURE}}
    for kind, there in names.items():
        wanted = expect.get(kind)
        if wanted is not None and wanted.value not in there:
            findings.missing(wanted, kind, wanted.value, there)
    _check_chain(expect.get("chain"), known, findings)
    caller = request.get("caller")
    if caller is not None and caller.value not in known.callers:
        findings.missing(caller, "caller", caller.value, known.callers)
    headers = request.get("headers")
    at = node.get("at")
    return RuleTest(
        name=node["name"].value,
        surface=surface,
        headers={name.lower(): value.value for name, value in headers.items()} if headers else {},
        body=_body(request, surface),
        caller=caller.value if caller else "",
        at=_moment(at, findings) if at else None,
        health=_health(node.get("health"), known, findings),
        budgets=_budgets(node.get("budgets"), known, findings),
        expect=expect.value,
        advisory=bool(node["advisory"].value) if "advisory" in node.value else False,
        file=node.document.file,
        mark=node["name"].mark,
    )


def _health(node: Node | None, known: Known, findings: Findings) -> dict[str, HealthState]:
    states = {}
    for model, state in node.items() if node is not None else ():
        if model not in known.declared_models:
            findings.missing(state, "model", model, known.declared_models)
        states[model] = HealthState(state.value)
    return states


def _budgets(node: Node | None, known: Known, findings: Findings) -> dict[str, float]:
    shares = {}
    for budget, share in node.items() if node is not None else ():
        if budget not in known.budgets:
            findings.missing(share, "budget", budget, known.budgets)
        shares[budget] = percent(share.value)
    return shares


def _check_chain(node: Node | None, known: Known, findings: Findings) -> None:
    if node is None:
        return
    if isinstance(node.value, str):
        if node.value not in known.chains:
            findings.missing(node, "chain", node.value, known.chains)
        return
    for model in node:
        if model.value not in known.declared_models:
            findings.missing(model, "model", model.value, known.declared_models)


def _body(request: Node, surface: Surface) -> bytes:
    model = {} if surface is Surface.EXECUTE else {"model": AUTO}
    if "body" in request.value:
        return msgspec.json.encode({**model, **request["body"].value})
    prompt = request["prompt"].value
    return msgspec.json.encode({**model, **_asked(prompt, surface)})


def _asked(prompt: str, surface: Surface) -> dict[str, object]:
    match surface:
        case Surface.EXECUTE:
            return {"prompt": prompt}
        case Surface.RESPONSES | Surface.EMBEDDINGS:
            return {"input": prompt}
        case _:
            return {"messages": [{"role": "user", "content": prompt}]}


def _moment(node: Node, findings: Findings) -> datetime | None:
    try:
        moment = datetime.fromisoformat(node.value)
    except ValueError as error:
        findings.add(node.problem(f"'{node.value}' is no moment: {error}", "write it as 2026-01-05T09:30:00Z"))
        return None
    if moment.year not in YEARS:
        words = f"'{node.value}' is no moment of a test: its year is not one from {YEARS[0]} to {YEARS[-1]}"
        findings.add(node.problem(words, "write it as 2026-01-05T09:30:00Z"))
        return None
    return moment

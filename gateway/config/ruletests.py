"""The `tests` section: requests with the Decision that each must get."""

from datetime import datetime

import msgspec

from gateway.config.node import Findings, Node
from gateway.config.routes import Known
from gateway.domain.category import UNSURE
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.request import AUTO
from gateway.domain.snapshot import RuleTest
from gateway.domain.words import Surface


def test_of(node: Node, known: Known, rules: frozenset[str], findings: Findings) -> RuleTest:
    """Compile an entry of `tests`; what it expects must be there to be had."""
    request = node["request"]
    surface = Surface(request["surface"].value) if "surface" in request.value else Surface.CHAT
    expect = node["expect"]
    names = {"rule": {*rules, REQUESTED_MODEL}, "model": known.declared_models, "category": {*known.categories, UNSURE}}
    for kind, there in names.items():
        wanted = expect.get(kind)
        if wanted is not None and wanted.value not in there:
            findings.missing(wanted, kind, wanted.value, list(there))
    headers = request.get("headers")
    at = node.get("at")
    return RuleTest(
        name=node["name"].value,
        surface=surface,
        headers={name.lower(): value.value for name, value in headers.items()} if headers else {},
        body=_body(request, surface),
        at=_moment(at, findings) if at else None,
        expect=expect.value,
        advisory=bool(node["advisory"].value) if "advisory" in node.value else False,
        file=node.document.file,
        mark=node["name"].mark,
    )


def _body(request: Node, surface: Surface) -> bytes:
    if "body" in request.value:
        return msgspec.json.encode({"model": AUTO, **request["body"].value})
    prompt = request["prompt"].value
    if surface is Surface.EXECUTE:
        return msgspec.json.encode({"prompt": prompt})
    return msgspec.json.encode({"model": AUTO, "messages": [{"role": "user", "content": prompt}]})


def _moment(node: Node, findings: Findings) -> datetime | None:
    try:
        return datetime.fromisoformat(node.value)
    except ValueError as error:
        findings.add(node.problem(f"'{node.value}' is no moment: {error}", "write it as 2026-01-05T09:30:00Z"))
        return None

"""The `callers` section: who may connect, with which keys, to which models and how often."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from gateway.config.node import Findings, Node
from gateway.config.quantities import end_of, per_minute
from gateway.domain.caller import UNLIMITED, Caller, Callers
from gateway.domain.limit import Limits
from gateway.domain.request import AUTO


def callers_of(section: Mapping[str, Node], models: Collection[str], findings: Findings) -> Callers:
    """Compile the section; `models` are the names of the registry."""
    keys: dict[bytes, Caller] = {}
    places: dict[bytes, Node] = {}
    for name, node in section.items():
        caller = _caller_of(name, node, models, findings)
        for written in _hashes(node["key_sha256"]):
            digest = bytes.fromhex(written.value)
            first, holder = places.setdefault(digest, written), keys.setdefault(digest, caller)
            if first is not written:
                words = f"a key of caller '{name}' is also one of '{holder.name}'"
                hint = f"it stands at {first.place}; make another: rulegate keys add {name}"
                findings.add(written.problem(words, hint))
    return Callers.of(keys.items())


def _hashes(node: Node) -> Iterator[Node]:
    yield from (node,) if isinstance(node.value, str) else node


def _caller_of(name: str, node: Node, models: Collection[str], findings: Findings) -> Caller:
    allowed = node.get("models")
    for model in allowed or ():
        if model.value not in models:
            meant = "leave it out: every caller may leave the choice to the rules" if model.value == AUTO else ""
            findings.missing(model, "model", model.value, models, meant)
    return Caller(
        name=name,
        team=node["team"].value if "team" in node.value else "",
        tags=frozenset(node["tags"].value) if "tags" in node.value else frozenset(),
        models=frozenset(allowed.value) if allowed else None,
        expires=_end_of(node["expires"], findings) if "expires" in node.value else None,
        operator=bool(node["operator"].value) if "operator" in node.value else False,
        limits=_limits_of(node.get("limits")),
        file=node.document.file,
        mark=node.key_mark,
    )


def _end_of(node: Node, findings: Findings) -> datetime | None:
    try:
        return end_of(node.value)
    except ValueError as error:
        findings.add(node.problem(str(error), "write it as 2026-12-31 or 2026-12-31T18:00:00Z"))
        return None


def _limits_of(node: Node | None) -> Limits:
    if node is None:
        return UNLIMITED
    rates = {name: per_minute(node[name].value) for name in ("requests", "tokens") if name in node.value}
    return Limits(**rates, concurrent=node["concurrent"].value if "concurrent" in node.value else None)

"""What of `defaults` says how much the gateway takes on at once, and how long it waits for its callers."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.config.node import Findings, Node
from gateway.config.quantities import duration_s, size_bytes
from gateway.domain.load import Capacity, Patience
from gateway.domain.snapshot import Defaults


def capacity_of(section: Mapping[str, Node], findings: Findings) -> Capacity:
    """Compile what there may be at once."""
    capacity = Capacity()
    if (requests := section.get("max_in_flight")) is not None:
        capacity = replace(capacity, in_flight=requests.value)
    if (connections := section.get("max_connections")) is not None:
        capacity = replace(capacity, connections=connections.value)
    if (bodies := section.get("max_bodies")) is not None:
        capacity = replace(capacity, bodies_bytes=size_bytes(bodies.value))
    body = section.get("max_body")
    largest_bytes = size_bytes(body.value) if body else Defaults().max_body_bytes
    if (written := bodies or body) is not None and capacity.bodies_bytes < largest_bytes:
        words = f"'max_bodies' ({capacity.bodies_bytes} bytes) has no room for one 'max_body' ({largest_bytes} bytes)"
        findings.add(written.problem(words, "make 'max_bodies' larger, or 'max_body' smaller"))
    if (lag := section.get("max_lag")) is not None:
        capacity = replace(capacity, lag_s=_time(lag, findings))
    return capacity


def patience_of(node: Node | None, findings: Findings) -> Patience:
    """Compile `caller_timeout`."""
    if node is None:
        return Patience()
    return replace(Patience(), **{f"{name}_s": _time(limit, findings) for name, limit in node.items()})


def _time(node: Node, findings: Findings) -> float:
    seconds = duration_s(node.value)
    if not seconds:
        findings.add(node.problem("no time at all is none that anything could be done in", "say at least 1ms"))
    return seconds

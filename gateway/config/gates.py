"""`max_concurrent` and `queue`: how many requests may be at a model, a provider or a step at once, and wait for it."""

from gateway.config.node import Findings, Node
from gateway.config.quantities import duration_s
from gateway.domain.limit import QUEUE, QUEUE_WAIT_S, Gate, GateKind


def gate_of(kind: GateKind, name: str, node: Node, findings: Findings) -> Gate | None:
    """Give the gate that an entry asks for, None where any number may be there; a queue for nothing is a Problem."""
    limit, queue = node.get("max_concurrent"), node.get("queue")
    if limit is None:
        if queue is not None:
            hint = "say how many may be there at once, as in 'max_concurrent: 50', or remove it"
            findings.add(queue.problem("a queue without 'max_concurrent' is never used", hint, at_key=True))
        return None
    size, wait = (queue.get(field) if queue else None for field in ("size", "timeout"))
    return Gate(
        kind, name, limit.value, size.value if size else QUEUE, duration_s(wait.value) if wait else QUEUE_WAIT_S
    )

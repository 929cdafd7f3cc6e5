"""The JSON of the control endpoints: a script as it is posted to `/faults`, and as it is shown. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.simulator.faults import Fault, Script

_FIELDS = ("model", "fault", "count", "retry_after", "per_token_s", "first_content_s")


@dataclass(frozen=True, slots=True)
class Scripted:
    """A script and the upstream model, `provider/model` or `*` that it is for."""

    model: str
    script: Script


def read_fault(body: bytes) -> Scripted | str:
    """Read `{"model", "fault"}`, and any of `count`, `retry_after`, `per_token_s` and `first_content_s` beside them.

    A string says what is wrong with it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    if not isinstance(document, dict):
        return "the body is not a JSON object"
    unknown = sorted(set(document) - set(_FIELDS))
    if unknown:
        return f"unknown field {unknown[0]!r}; there are {', '.join(_FIELDS)}"
    match document.get("model"), document.get("fault"), document.get("count"):
        case (str(), str() as fault, _) if fault not in set(Fault):
            return f"unknown fault {fault!r}; there are {', '.join(Fault)}"
        case (str() as model, str() as fault, (None | int()) as count) if model and (count is None or count >= 0):
            return _scripted(document, model, Fault(fault), count)
        case _:
            return "model and fault are strings, count is a whole number of requests or null for ever"


def fault_as_document(model: str, script: Script) -> dict[str, object]:
    """Show a script in the words in which it is posted."""
    return {
        "model": model,
        "fault": script.fault,
        "count": script.remaining,
        "retry_after": script.retry_after_s,
        "per_token_s": script.per_token_s,
        "first_content_s": script.first_content_s,
    }


def _scripted(document: Mapping[str, object], model: str, fault: Fault, count: int | None) -> Scripted | str:
    seconds: list[float | None] = []
    for name in ("retry_after", "per_token_s", "first_content_s"):
        match document.get(name):
            case None:
                seconds.append(None)
            case int() | float() as value if 0 <= value < float("inf"):
                seconds.append(float(value))
            case _:
                return f"{name} is a number of seconds"
    retry_after_s, per_token_s, first_content_s = seconds
    return Scripted(model, Script(fault, count, retry_after_s, per_token_s, first_content_s))

"""The command with a bug in it: run as a program, it fails wherever the file `bug` in its directory says.

A bug's own words are all that the broken function was given: nobody knows what a real one would say.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PLACES = {
    "before a decision": "gateway.runtime.decider.begin",
    "in a whole answer": "gateway.dialects.chat.dialect.OpenAIChat.read_answer",
    "in a stream": "gateway.dialects.relay.Relay.feed",
    "in a row": "gateway.runtime.recorder.facts_of",
    "in a decision that is asked for": "gateway.runtime.decider.account",
    "in the list of models": "gateway.web.catalogue.answer",
    "in the status": "gateway.web.operations.status_of",
    "in what runs": "gateway.web.operations.config_of",
    "in a reload": "gateway.runtime.reloader.activate",
}


def plant(place: str, path: str) -> None:
    """Break the function at a dotted path while the file `bug` says so."""
    module, _, name = path.rpartition(".")
    try:
        owner = importlib.import_module(module)
    except ModuleNotFoundError:
        module, _, kind = module.rpartition(".")
        owner = getattr(importlib.import_module(module), kind)
    setattr(owner, name, broken(place, getattr(owner, name)))


def broken(place: str, works: Callable[..., object]) -> Callable[..., object]:
    """Give a function that works but where the file `bug` names its place."""

    def call(*arguments: object, **named: object) -> object:
        if Path("bug").exists() and Path("bug").read_text(encoding="utf-8") == place:
            fail_with_all_it_knows(*arguments, *named.values())
        return works(*arguments, **named)

    return call


def fail_with_all_it_knows(*arguments: object) -> NoReturn:
    """Raise a mistake that quotes all it knows, and is caused by another one that does."""
    raise RuntimeError(f"cannot handle {arguments!r}") from LookupError(f"there is no {arguments!r}")


if __name__ == "__main__":
    for place, path in PLACES.items():
        plant(place, path)
    importlib.import_module("gateway.cli").main()

"""Where rules come from, what keeps a set from running, and where its providers are."""

import os
from collections.abc import Callable
from pathlib import Path

from gateway.config import packaged, secrets, sources
from gateway.config.settings import Settings
from gateway.domain.problem import WHOLE_SET, Problem
from gateway.domain.snapshot import RuleFile, Snapshot
from gateway.receivers.addresses import faults
from gateway.runtime.ports import Addresses, Target, Targets
from gateway.runtime.rehearsal import failures_of, rehearse
from gateway.wiring.surfaces import SURFACES
from gateway.wiring.ways import unreachable

SHIPPED_RULES = "rules.d"


def shipped_rules() -> tuple[RuleFile, ...]:
    """Give the rule files that come with the gateway."""
    names = [name for name in packaged.names(SHIPPED_RULES) if sources.counts(name)]
    return tuple(RuleFile(name, packaged.read(f"{SHIPPED_RULES}/{name}")) for name in names)


def gate(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give the reasons not to run a snapshot that compiled: its own tests that fail."""
    return failures_of(rehearse(snapshot, SURFACES))


def lacking(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give what a snapshot needs and cannot have: secrets; or else addresses, certificates and extras that work."""
    return secrets.missing(snapshot, os.environ) or (*unreachable(snapshot, os.environ), *unusable(snapshot))


def unusable(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Give a Problem for each receiver whose address is none, once its secrets can be had."""
    return tuple(
        Problem(each.file, each.mark.line, each.mark.column, f"receiver '{name}': {fault}", "mend the secret it names")
        for name, each in snapshot.receivers.items()
        for fault in faults(each.receiver.kind, secrets.address_of(each, os.environ))
    )


def nothing_lacking(_: Snapshot) -> tuple[Problem, ...]:
    """Say that a rehearsal needs no secret."""
    return ()


def open_to_anybody(snapshot: Snapshot, settings: Settings) -> tuple[Problem, ...]:
    """Give the reason not to run a snapshot where other machines could use it without a key."""
    if snapshot.callers.needed or settings.listen.loopback or settings.allow_anonymous:
        return ()
    words = f"{settings.listen.host} can be reached from other machines, and no callers are configured"
    hint = "add one under callers: (rulegate keys add NAME), listen on 127.0.0.1, or say --allow-anonymous"
    return (Problem(WHOLE_SET, 1, 1, words, hint),)


def simulated_targets(simulator: str) -> Callable[[Snapshot], Targets]:
    """Send every provider's requests to the simulator, with no secret."""

    def resolve(snapshot: Snapshot) -> Targets:
        return {name: Target(f"{simulator}/{name}/v1", None) for name in snapshot.providers}

    return resolve


def addresses(snapshot: Snapshot) -> Addresses:
    """Give each receiver its own address and secrets."""
    return {name: secrets.address_of(each, os.environ) for name, each in snapshot.receivers.items()}


class Reader:
    """Reads the rule files, those of a directory or the shipped ones; `stood` is how it stood just before."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.stood: object = None
        self._shipped = shipped_rules() if directory is None else ()

    def stamp(self) -> object:
        """Say how the directory stands now."""
        return None if self.directory is None else sources.stamp(self.directory)

    def __call__(self) -> tuple[RuleFile, ...] | sources.Unreadable:
        """Read them."""
        self.stood = self.stamp()
        return self._shipped if self.directory is None else sources.read(self.directory)

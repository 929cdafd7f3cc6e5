"""What a caller is owed, as `defaults` or a rule says it: signs of life, an early beginning, an answer nobody reads."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.config.node import Findings, Node
from gateway.config.quantities import NEVER, never_or_s
from gateway.domain.rule import Courtesy

_DRAIN = "drain"


def courtesy_of(written: Mapping[str, Node], base: Courtesy, findings: Findings) -> Courtesy:
    """Give what a section says over what it stands within; signs of life without a pause between them are a Problem."""
    keepalive, commit, leaving = (written.get(name) for name in ("keepalive", "commit_after", "on_disconnect"))
    if keepalive is not None and never_or_s(keepalive.value) == 0:
        hint = f"give the silence after which to send one, or {NEVER}"
        words = f"'keepalive: {keepalive.value}' would send signs of life without a pause"
        findings.add(keepalive.problem(words, hint))
    return replace(
        base,
        keepalive_s=base.keepalive_s if keepalive is None else never_or_s(keepalive.value),
        commit_after_s=base.commit_after_s if commit is None else never_or_s(commit.value),
        drains=base.drains if leaving is None else leaving.value == _DRAIN,
    )

"""The `budgets` section to the values that spending is held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.config.node import Findings, Node
from gateway.config.quantities import percent
from gateway.config.zones import zone_of
from gateway.domain.budget import (
    Action,
    Block,
    Budget,
    Cap,
    Dimension,
    Downgrade,
    OnStoreFailure,
    Override,
    Rung,
    Scope,
    Warn,
)
from gateway.domain.price import nano_usd
from gateway.domain.window import Calendar, Period, Rolling, RollingUnit
from gateway.domain.words import Prefer

ALL = 1.0


@dataclass(frozen=True, slots=True)
class Names:
    """What scopes may refer to, by dimension; a dimension that is missing takes any name."""

    known: Mapping[Dimension, frozenset[str]]


def budget_of(name: str, node: Node, names: Names, findings: Findings) -> Budget:
    """Compile an entry of `budgets`; without `at`, what would go past the limit is refused."""
    assumed, override = node.get("assume_max_tokens"), node.get("override")
    hard = bool(node["hard"].value) if "hard" in node.value else False
    scope = _scope(node.get("scope"), names, findings)
    if assumed is not None and not hard:
        hint = "add 'hard: true', or take it out"
        findings.add(assumed.problem("'assume_max_tokens' is for hard budgets alone", hint, at_key=True))
    return Budget(
        name=name,
        scope=scope,
        limit_nano_usd=_money(node["limit"], findings),
        period=_period(node["per"], findings),
        zone=zone_of(node.get("timezone"), findings),
        hard=hard,
        rungs=_rungs(node.get("at"), scope, findings),
        assume_max_tokens=assumed.value if assumed else None,
        override=Override(_money(override["limit"], findings), _end(override["until"], findings)) if override else None,
        file=node.document.file,
        mark=node.key_mark,
        on_store_failure=_on_store_failure(node, hard=hard),
    )


def _on_store_failure(node: Node, *, hard: bool) -> OnStoreFailure:
    """Read what holds while spend is not known: a hard budget is closed then unless it says otherwise."""
    written = node.get("on_store_failure")
    if written is not None:
        return OnStoreFailure(written.value)
    return OnStoreFailure.CLOSED if hard else OnStoreFailure.LOCAL


def _scope(node: Node | None, names: Names, findings: Findings) -> Scope:
    parts = []
    for key, named in node.items() if node is not None else ():
        dimension = Dimension(key)
        known = names.known.get(dimension)
        if known is not None and named.value not in known:
            findings.missing(named, key, named.value, known)
        parts.append((dimension, str(named.value)))
    return Scope(tuple(parts))


def _money(node: Node, findings: Findings) -> int:
    amount = Decimal(str(node.value).removesuffix(" USD"))
    if not amount:
        hint = "leave the budget out, or name the models that may be used under callers: models"
        findings.add(node.problem("a limit of nothing lets nothing pass", hint))
    return nano_usd(amount)


def _period(node: Node, findings: Findings) -> Period:
    words = str(node.value).split()
    if len(words) == 1:
        return Calendar(words[0])
    try:
        return Rolling(int(words[1]), RollingUnit(words[2]))
    except ValueError as error:
        findings.add(
            node.problem(str(error), "write it as 'rolling 30 minutes', 'rolling 24 hours' or 'rolling 7 days'")
        )
        return Calendar.DAY


def _rungs(node: Node | None, scope: Scope, findings: Findings) -> tuple[Rung, ...]:
    if node is None:
        return (Rung(ALL, Block()),)
    rungs = []
    for share, written in node.items():
        for action in _actions(written.value):
            if isinstance(action, Downgrade) and not scope.known_before:
                words = "what a request prefers is settled before its rule, category and model are known"
                hint = "a budget with 'prefer' is for everything, or a team, a caller or a tag"
                findings.add(written.problem(words, hint, at_key=True))
            rungs.append(Rung(percent(share), action))
    return tuple(sorted(rungs, key=lambda rung: rung.share))


def _actions(value: Any) -> list[Action]:  # noqa: ANN401 - a value of a rule file
    if value == "warn":
        return [Warn()]
    if value == "block":
        return [Block()]
    actions: list[Action] = []
    if "prefer" in value:
        actions.append(Downgrade(Prefer(value["prefer"])))
    if "cap" in value:
        actions.append(Cap(dict(value["cap"])))
    return actions


def _end(node: Node, findings: Findings) -> datetime:
    """Read a date, of which the end counts, in UTC, or a moment."""
    try:
        if "T" in node.value:
            return datetime.fromisoformat(node.value)
        return datetime.fromisoformat(node.value).replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        findings.add(node.problem(f"'{node.value}' is no date: {error}", "write it as 2026-12-31"))
        return datetime.max.replace(tzinfo=UTC)

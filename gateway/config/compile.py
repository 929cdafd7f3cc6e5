"""Rule files to a Snapshot, or to all of their Problems: parse, check against the schema, merge, refer, compile."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import is_

from gateway.config import packaged, schema, yamltree
from gateway.config.alerting import Watchable, alert_of, destination_of
from gateway.config.budgets import Names, budget_of
from gateway.config.callers import callers_of
from gateway.config.categories import all_at_once, category_of
from gateway.config.courtesies import courtesy_of
from gateway.config.lint import warnings_of
from gateway.config.load import capacity_of, patience_of
from gateway.config.merge import Merged
from gateway.config.node import Findings, Node
from gateway.config.providers import provider_of
from gateway.config.quantities import duration_s, per_minute, percent, size_bytes
from gateway.config.registry import model_of
from gateway.config.routes import Known, affinity_of, failures_of, places_of, rule_of, timeouts_of
from gateway.config.ruletests import test_of
from gateway.domain.budget import Dimension
from gateway.domain.category import UNSURE, Category, Table
from gateway.domain.decision import REQUESTED_MODEL
from gateway.domain.price import Catalogue
from gateway.domain.problem import Problem
from gateway.domain.registry import Model
from gateway.domain.request import AUTO
from gateway.domain.rule import RetryBudget, Rule, Step
from gateway.domain.snapshot import Defaults, Rejected, RuleFile, Snapshot
from gateway.domain.words import Mode, Prefer
from gateway.engine.classify import compile_table
from gateway.engine.plan import plan_of

SHIPPED_CATEGORIES = "config/data/categories.yaml"


@dataclass(frozen=True, slots=True)
class Checked:
    """One rule file after parse and schema: its document where there is one, and what is wrong."""

    document: yamltree.Document | None
    problems: tuple[Problem, ...]


def fingerprint(files: tuple[RuleFile, ...], catalogue: Catalogue) -> str:
    """Hash what decides: the names and bytes of the rule files, in any order, and the catalogue in use."""
    digest = hashlib.sha256(catalogue.date.isoformat().encode())
    for file in in_order(files):
        for part in (_bytes_of(file.name), file.data):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def in_order(files: tuple[RuleFile, ...]) -> tuple[RuleFile, ...]:
    """Sort files by the bytes of their names: the order in which they count."""
    return tuple(sorted(files, key=lambda file: _bytes_of(file.name)))


def _bytes_of(name: str) -> bytes:
    """Give the bytes of a file's name, which need not be UTF-8."""
    return name.encode("utf-8", "surrogateescape")


class Compiler:
    """Compiles sets of rule files; remembers the verdict on each file's bytes, so that an edit costs one file.

    Not to be used by two threads at a time.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._checked: dict[RuleFile, Checked] = {}
        self._last_table: Table | None = None

    def fingerprint(self, files: tuple[RuleFile, ...]) -> str:
        """Give the fingerprint that a Snapshot of these files has."""
        return fingerprint(files, self.catalogue)

    def compile(self, files: tuple[RuleFile, ...]) -> Snapshot | Rejected:
        """Compile a set of rule files. Their order does not matter: files count in byte order of their names."""
        files = in_order(files)
        self._checked = {file: self._checked.get(file) or check(file) for file in files}
        checked = self._checked.values()
        broken = [problem for each in checked for problem in each.problems]
        documents = [each.document for each in checked if each.document is not None and not each.problems]
        findings = Findings(complete=not broken)
        snapshot = self._assemble(documents, files, findings)
        problems = [*broken, *findings.problems]
        if problems or snapshot is None:
            return Rejected(self.fingerprint(files), tuple(sorted(set(problems))))
        return snapshot

    @cached_property
    def _shipped(self) -> Mapping[str, Category]:
        name = SHIPPED_CATEGORIES.rsplit("/", 1)[-1]
        document = yamltree.parse(name, packaged.read(SHIPPED_CATEGORIES))
        if not isinstance(document, yamltree.Document):
            raise TypeError(f"the shipped categories cannot be read: {document[0]}")
        findings = Findings(complete=True)
        entries = Node(document, (), document.data)["categories"].items()
        return {name: category_of(name, node, findings) for name, node in entries}

    def _table(self, categories: tuple[Category, ...]) -> Table:
        """Compile a table of categories, which takes most of the time of a reload, or give the one there is."""
        if self._last_table is None or not _same(self._last_table.categories, categories):
            self._last_table = compile_table(categories, all_at_once)
        return self._last_table

    def _assemble(
        self, documents: list[yamltree.Document], files: tuple[RuleFile, ...], findings: Findings
    ) -> Snapshot | None:
        merged = Merged(documents, findings)
        defaults = _defaults(merged.section("defaults"), findings)
        own = {name: category_of(name, node, findings) for name, node in merged.section("categories").items()}
        shipped = merged.section("defaults").get("shipped_categories")
        categories = {**({} if shipped and shipped.value is False else self._shipped), **own}
        providers = {name: provider_of(name, node, findings) for name, node in merged.section("providers").items()}
        models: dict[str, Model] = {}
        for name, node in merged.section("models").items():
            model = model_of(name, node, providers, self.catalogue, findings)
            if model is not None:
                models[name] = model
        chains = merged.section("chains")
        named = {**categories, UNSURE: None}
        budget_names = frozenset(merged.section("budgets"))
        written_callers = merged.section("callers")
        known = Known(
            models,
            frozenset(merged.section("models")),
            chains,
            named,
            defaults,
            frozenset(written_callers),
            budget_names,
            {name: provider.kind for name, provider in providers.items()},
        )
        for name, node in chains.items():
            places_of(node, Step(""), f"chains/{name}", known, findings)
        rules = sorted(_rules(merged, known, findings), key=lambda rule: -rule.priority)
        _refuse_reserved(merged, findings)
        callers = callers_of(written_callers, known.declared_models, findings)
        rule_names = frozenset(node["name"].value for node in merged.rules)
        tests = [test_of(node, known, rule_names, findings) for node in merged.tests]
        spendable = Names(
            {
                Dimension.RULE: frozenset({*rule_names, REQUESTED_MODEL}),
                Dimension.CATEGORY: frozenset(named),
                Dimension.MODEL: known.declared_models,
                Dimension.PROVIDER: frozenset(providers),
            }
        )
        budgets = {name: budget_of(name, node, spendable, findings) for name, node in merged.section("budgets").items()}
        receivers = {name: destination_of(name, node, findings) for name, node in merged.section("receivers").items()}
        there = Watchable(
            receivers, budgets, (*sorted(rule_names), REQUESTED_MODEL), tuple(sorted(known.declared_models))
        )
        alerts = {name: alert_of(name, node, there, findings) for name, node in merged.section("alerts").items()}
        if findings.problems or not findings.complete:
            return None
        live = tuple(rule for rule in rules if rule.mode is not Mode.OFF)
        return Snapshot(
            fingerprint=self.fingerprint(files),
            files=files,
            providers=providers,
            models=models,
            by_upstream=_by_upstream(models),
            rules=live,
            table=self._table(tuple(categories.values())),
            defaults=defaults,
            tests=tuple(tests),
            budgets=budgets,
            receivers=receivers,
            alerts={name: alert for name, alert in alerts.items() if alert is not None},
            warnings=warnings_of(rules, chains),
            callers=callers,
            plan=plan_of(live),
            embedding_plan=plan_of([rule for rule in live if rule.for_embeddings]),
        )


def _same(some: tuple[Category, ...], others: tuple[Category, ...]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


def check(file: RuleFile) -> Checked:
    """Parse a file and check it against the schema."""
    document = yamltree.parse(file.name, file.data)
    if not isinstance(document, yamltree.Document):
        return Checked(None, document)
    return Checked(document, schema.validate(document))


def _rules(merged: Merged, known: Known, findings: Findings) -> list[Rule]:
    compiled = (rule_of(node, known, findings) for node in merged.rules)
    return [rule for rule in compiled if rule is not None]


def _refuse_reserved(merged: Merged, findings: Findings) -> None:
    """Two words have a meaning of their own where a name is expected."""
    for node in merged.rules:
        if node["name"].value == REQUESTED_MODEL:
            message = f"a rule cannot be named '{REQUESTED_MODEL}': decisions that no rule makes are named so"
            findings.add(node["name"].problem(message, "give it another name"))
    if (model := merged.section("models").get(AUTO)) is not None:
        message = f"a model cannot be named '{AUTO}': callers say it to leave the choice to the rules"
        findings.add(model.problem(message, "give it another name", at_key=True))


def _defaults(section: Mapping[str, Node], findings: Findings) -> Defaults:
    base = Defaults()
    retention = section.get("retention")
    days, size = (retention.get(name) if retention else None for name in ("days", "size"))
    drain, further = section.get("drain_timeout"), section.get("retry_budget")
    share, at_least = (further.get(name) if further else None for name in ("share", "at_least"))
    return Defaults(
        prefer=Prefer(section["prefer"].value) if "prefer" in section else base.prefer,
        timeouts=timeouts_of(section.get("timeout"), base.timeouts),
        deadline_s=duration_s(section["deadline"].value) if "deadline" in section else base.deadline_s,
        fall_back_on=failures_of(section.get("fall_back_on"), base.fall_back_on),
        strict_params=bool(section["strict_params"].value) if "strict_params" in section else base.strict_params,
        courtesy=courtesy_of(section, base.courtesy, findings),
        max_body_bytes=size_bytes(section["max_body"].value) if "max_body" in section else base.max_body_bytes,
        retention_days=days.value if days else base.retention_days,
        retention_bytes=size_bytes(size.value) if size else base.retention_bytes,
        allow_empty=bool(section["allow_empty"].value) if "allow_empty" in section else base.allow_empty,
        drain_timeout_s=duration_s(drain.value) if drain else base.drain_timeout_s,
        retry_budget=RetryBudget(
            percent(share.value) if share else base.retry_budget.share,
            per_minute(at_least.value) if at_least else base.retry_budget.at_least_per_min,
        ),
        capacity=capacity_of(section, findings),
        patience=patience_of(section.get("caller_timeout"), findings),
        affinity=affinity_of(section.get("affinity"), base.affinity),
    )


def _by_upstream(models: Mapping[str, Model]) -> dict[str, str]:
    """Give the registry name for each upstream id that exactly one entry has."""
    names: dict[str, list[str]] = {}
    for model in models.values():
        names.setdefault(model.upstream, []).append(model.name)
    return {upstream: found[0] for upstream, found in names.items() if len(found) == 1}

"""The sections of all rule files as one: a name may be defined once."""

from collections.abc import Mapping
from functools import cached_property

from gateway.config.node import Findings, Node
from gateway.config.yamltree import Document


class Merged:
    """The sections over all files, in the order of the files; a second definition of a name is a Problem."""

    def __init__(self, documents: list[Document], findings: Findings) -> None:
        self._roots = [Node(document, (), document.data) for document in documents]
        self._findings = findings
        self._sections: dict[str, Mapping[str, Node]] = {}

    def section(self, name: str) -> Mapping[str, Node]:
        """Give the entries of a section that is a map."""
        if name not in self._sections:
            self._sections[name] = self._merge(name)
        return self._sections[name]

    @cached_property
    def rules(self) -> tuple[Node, ...]:
        """The entries of all `rules` sections."""
        return self._listed("rules", "rule")

    @cached_property
    def tests(self) -> tuple[Node, ...]:
        """The entries of all `tests` sections."""
        return self._listed("tests", "test")

    def _merge(self, section: str) -> Mapping[str, Node]:
        entries: dict[str, Node] = {}
        for root in self._roots:
            nodes = root.get(section)
            for name, node in nodes.items() if nodes is not None and nodes.value else ():
                first = entries.setdefault(name, node)
                if first is not node:
                    self._twice(f"{section}: '{name}'", node, first, at_key=True)
        return entries

    def _listed(self, section: str, kind: str) -> tuple[Node, ...]:
        entries: dict[str, Node] = {}
        for root in self._roots:
            nodes = root.get(section)
            for node in nodes if nodes is not None and nodes.value else ():
                name = node["name"]
                first = entries.setdefault(name.value, node)
                if first is not node:
                    self._twice(f"{kind} '{name.value}'", name, first["name"])
        return tuple(entries.values())

    def _twice(self, what: str, node: Node, first: Node, *, at_key: bool = False) -> None:
        hint = f"it stands at {first.place} too; a name may be defined once over all files"
        self._findings.add(node.problem(f"{what} is defined twice", hint, at_key=at_key))

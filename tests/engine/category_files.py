"""Read the shipped categories and the prompt cases for the tests of the classifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import re2
import yaml

from gateway.domain.category import Category, Complexity

ROOT = Path(__file__).parents[2]


def read_yaml(path: Path) -> Mapping[str, object]:
    # These files are ours and small; the loader of rule files has tests of its own.
    return cast("Mapping[str, object]", yaml.safe_load(path.read_text(encoding="utf-8")))  # noqa: TID251


def shipped_categories() -> tuple[Category, ...]:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    document = read_yaml(ROOT / "gateway/config/data/categories.yaml")
    written = cast("Mapping[str, Mapping[str, object]]", document["categories"])
    return tuple(
        Category(
            name=name,
            complexity=Complexity(cast("str", entry["complexity"])),
            needs_reasoning=cast("bool", entry["needs_reasoning"]),
            keywords=cast("Mapping[str, float]", entry["keywords"]),
            patterns=tuple(
                (pattern, re2.compile(pattern, options), weight)
                for pattern, weight in cast("Mapping[str, float]", entry.get("patterns", {})).items()
            ),
        )
        for name, entry in written.items()
    )


def prompt_cases() -> tuple[tuple[str, str], ...]:
    cases = cast("Mapping[str, list[str]]", read_yaml(ROOT / "tests/cases/prompts.yaml"))
    return tuple((category, prompt) for category, prompts in cases.items() for prompt in prompts)

"""The files that come with the gateway: schemas, the shipped rules, the catalogue.

A wheel holds them inside the package; in a checkout they stand beside it. Reading them is the only thing done here.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent


def read(relative: str) -> bytes:
    """Give the bytes of a shipped file such as `schemas/rules.schema.json`; raises FileNotFoundError without it."""
    packaged = _PACKAGE / relative
    return (packaged if packaged.is_file() else _PACKAGE.parent / relative).read_bytes()


@cache
def rules_schema() -> Mapping[str, Any]:
    """Give the JSON Schema of rule files; nobody may change it."""
    loaded: Mapping[str, Any] = json.loads(read("schemas/rules.schema.json"))
    return loaded


def names(relative: str) -> tuple[str, ...]:
    """Give the names of the shipped files in a folder such as `rules.d`, sorted; none where there is no such folder."""
    packaged = _PACKAGE / relative
    folder = packaged if packaged.is_dir() else _PACKAGE.parent / relative
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_file())) if folder.is_dir() else ()

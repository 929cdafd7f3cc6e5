"""Shipped files are found in a wheel and in a checkout."""

import json
from pathlib import Path

import pytest

from gateway.config import packaged


def test_the_schema_of_a_checkout_is_the_one_beside_the_package() -> None:
    beside = Path(packaged.__file__).parents[2] / "schemas" / "rules.schema.json"
    assert packaged.read("schemas/rules.schema.json") == beside.read_bytes()
    assert packaged.rules_schema() == json.loads(beside.read_bytes())


def test_a_copy_inside_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, text in (("schemas", "outside"), ("package/schemas", "inside")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "one").write_text(text)
    (tmp_path / "schemas" / "two").write_text("outside")
    monkeypatch.setattr(packaged, "_PACKAGE", tmp_path / "package")
    assert [packaged.read("schemas/one"), packaged.read("schemas/two")] == [b"inside", b"outside"]
    with pytest.raises(FileNotFoundError):
        packaged.read("schemas/three")


def test_the_names_of_shipped_files_are_sorted() -> None:
    assert "rules.schema.json" in packaged.names("schemas")
    assert list(packaged.names("schemas")) == sorted(packaged.names("schemas"))
    assert packaged.names("no-such-folder") == ()

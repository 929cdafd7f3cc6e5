"""`rulegate init`, as somebody does it who begins."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.config import packaged
from gateway.wiring.rules import shipped_rules

BOTH = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}
SCHEMA = packaged.read("schemas/rules.schema.json")


def run(*arguments: str, **variables: str) -> Result:
    none = dict.fromkeys(BOTH)
    return CliRunner(env={"NO_COLOR": None, **none, **variables}).invoke(main, arguments)


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    ("variables", "words", "serve", "models"),
    [
        ({}, "this machine: neither OPENAI_API_KEY nor ANTHROPIC_API_KEY is set.", "serve --simulate", 2),
        ({"OPENAI_API_KEY": ""}, "those of a server on this machine", "serve --simulate", 2),
        ({"OPENAI_API_KEY": "sk-1"}, "The models are those of OpenAI: OPENAI_API_KEY is set.", "serve", 3),
        (
            BOTH,
            "The models are those of OpenAI and Anthropic: OPENAI_API_KEY and ANTHROPIC_API_KEY are set.",
            "serve",
            6,
        ),
    ],
    ids=["no key", "an empty one", "one", "both"],
)
def test_what_it_writes_passes_the_check_that_it_names(
    variables: dict[str, str], words: str, serve: str, models: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U-125 U-126: into ./rules.d, for the keys there are; the commands that it prints are right as they stand."""
    monkeypatch.chdir(tmp_path)
    result = run("init", **variables)
    assert (result.exit_code, result.stderr) == (0, "")
    for name in ("models.yaml", "rules.yaml", "rules.schema.json"):
        assert f"wrote rules.d/{name}\n" in result.stdout
    assert words in result.stdout
    assert files_in(tmp_path / "rules.d")["rules.schema.json"] == SCHEMA
    check, told = result.stdout.splitlines()[-2:]
    assert (check, told.partition("#")[0].strip()) == ("  rulegate check", f"rulegate {serve}")
    verdict = run(*shlex.split(check)[1:], **variables)
    assert verdict.stdout == f"ok rules.d: 2 files, 4 rules, {models} models, 3 tests\n"


@pytest.mark.parametrize("variables", [{}, BOTH], ids=["without keys", "with keys"])
def test_the_shipped_rules_are_copied_with_the_schema_beside_them(variables: dict[str, str], tmp_path: Path) -> None:
    """Byte for byte but for the line that leads editors to the schema."""
    directory = tmp_path / "my rules"
    result = run("init", "--shipped", str(directory), **variables)
    assert result.exit_code == 0
    written = files_in(directory)
    assert written.pop("rules.schema.json") == SCHEMA
    line = b"# yaml-language-server: $schema="
    for file in shipped_rules():
        expected = file.data.replace(line + b"../schemas/rules.schema.json\n", line + b"rules.schema.json\n")
        assert expected != file.data
        assert written.pop(file.name) == expected
    assert written == {}
    check, serve = result.stdout.splitlines()[-2:]
    assert run(*shlex.split(check)[1:], **variables).exit_code == 0
    assert ("--simulate" in serve.partition("#")[0]) is (not variables)
    assert ("not set yet: OPENAI_API_KEY, ANTHROPIC_API_KEY." in result.stdout) is (not variables)


@pytest.mark.parametrize("arguments", [(), ("--shipped",)], ids=" ".join)
def test_a_directory_with_rule_files_is_left_as_it_is(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A running gateway may follow it; the files are named, with what to do instead."""
    (tmp_path / "mine.yaml").write_text("rules: []\n")
    before = files_in(tmp_path)
    result = run("init", str(tmp_path), *arguments)
    assert result.exit_code == 1
    assert f"{tmp_path} has rule files already: mine.yaml; nothing was written" in result.stderr
    assert "rulegate init DIRECTORY" in result.stderr
    assert files_in(tmp_path) == before


def test_a_file_of_the_same_name_is_kept(tmp_path: Path) -> None:
    """Also a schema of another version, until it is asked for by name."""
    (tmp_path / "rules.schema.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    result = run("init", str(tmp_path))
    assert f"kept  {tmp_path}/rules.schema.json as it is\n" in result.stdout
    assert files_in(tmp_path)["rules.schema.json"] == b"{}"
    before = files_in(tmp_path)
    assert run("init", "--schema", str(tmp_path)).stdout == f"wrote {tmp_path}/rules.schema.json\n"
    assert files_in(tmp_path) == {**before, "rules.schema.json": SCHEMA}


@pytest.mark.parametrize("place", ["file", "file/below"])
@pytest.mark.parametrize("arguments", [(), ("--schema",)], ids=" ".join)
def test_a_place_that_cannot_be_written_is_named(place: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """U-126."""
    (tmp_path / "file").touch()
    result = run("init", *arguments, str(tmp_path / place))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: cannot write to {tmp_path / place}: ")
    assert "name another directory: rulegate init DIRECTORY" in result.stderr

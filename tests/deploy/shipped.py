"""The files under deploy/, read; and what in them is said of things that are still being built."""

import re
from pathlib import Path
from typing import Any

import click
import yaml

from gateway.cli import main
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.domain.registry import FileSecret
from gateway.domain.snapshot import RuleFile, Snapshot

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DRAIN_S = 30
"""`defaults.drain_timeout` where the rules say nothing, as the schema tells it."""


def loaded(path: str) -> Any:  # noqa: ANN401 - decoded YAML
    """Read a YAML file of one document."""
    return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))  # noqa: TID251 - our own files, not users'


def version() -> str:
    """Give the version of the project, which its images have as their tag."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def options() -> dict[str, click.Parameter]:
    """Give the options of `rulegate serve` that are built, by their variables."""
    serve = main.get_command(click.Context(main), "serve")
    assert serve is not None
    return {str(each.envvar): each for each in serve.params if each.envvar and not getattr(each, "hidden", False)}


def settings_are_taken(settings: dict[str, str]) -> bool:
    """Say whether `serve` takes these variables with these values; those that are coming are left out."""
    there = options()
    with click.Context(click.Command("serve")) as context:
        for name, value in settings.items():
            there[name].process_value(context, there[name].type_cast_value(context, value))
    return True


def seconds(text: str) -> int:
    """Read a duration such as `45s`."""
    found = re.fullmatch(r"(\d+)s", text)
    assert found is not None, text
    return int(found[1])


def key_files(files: tuple[RuleFile, ...]) -> set[str]:
    """Give the paths of the keys that rules ask for; all of them must be files."""
    snapshot = Compiler(catalogue.load()).compile(files)
    assert isinstance(snapshot, Snapshot), [str(problem) for problem in snapshot.problems]
    secrets = [provider.api_key for provider in snapshot.providers.values()]
    assert all(isinstance(secret, FileSecret) for secret in secrets)
    return {secret.path for secret in secrets if isinstance(secret, FileSecret)}


def start_rules() -> tuple[RuleFile, ...]:
    """Give the rules of deploy/rules.d."""
    return tuple(RuleFile(path.name, path.read_bytes()) for path in sorted((DEPLOY / "rules.d").iterdir()))

"""deploy/README.md: every file is named, and what it calls is there. Its links and commands: tests/test_docs.py."""

import re

from tests.deploy.shipped import DEPLOY, ROOT, version

README = (DEPLOY / "README.md").read_text(encoding="utf-8")


def test_every_file_is_described() -> None:
    files = {path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*") if path.is_file()}
    kept = {name for name in files if not name.startswith("secrets/")} - {"README.md"}
    table = README.split("| file | what it is |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"\]\(([^)]+)\)", table)) == kept


def test_paths_in_commands_are_there() -> None:
    """But for the keys, which whoever runs the commands makes."""
    scripts = "\n".join(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    paths = {path for path in re.findall(r"\b(?:deploy|requirements)/[\w./*-]+", scripts) if "/secrets" not in path}
    assert len(paths) > 5
    assert [path for path in paths if not list(ROOT.glob(path))] == []


def test_the_version_is_the_projects() -> None:
    assert set(re.findall(r"rulegate:(\d+\.\d+\.\d+)", README)) == {version()}
    assert f"rulegate:{version()}" in (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def test_no_file_names_a_host_of_the_internet() -> None:
    """Where packages, images and alerts come from and go to is for whoever deploys to say."""
    own = {"127.0.0.1", "localhost", "rulegate"}
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            assert set(re.findall(r"https?://([\w.-]+)", path.read_text(encoding="utf-8"))) <= own, path

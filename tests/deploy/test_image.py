"""deploy/Containerfile: what it builds on, what it copies, and the commands that it runs. No engine builds it here."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.config.settings import Settings, address_of
from tests.deploy.containerfile import BUILD, IMAGE, Instruction, health_check, one
from tests.deploy.shipped import ROOT, settings_are_taken
from tests.fakes.process import serving

EVERY = [*BUILD, *IMAGE]
ENV = one(IMAGE, "ENV").pairs


def named(stage: list[Instruction], *names: str) -> list[Instruction]:
    return [each for each in stage if each.name in names]


def test_both_stages_stand_on_one_base_of_a_fixed_release() -> None:
    """The environment links to the interpreter of the stage that made it."""
    build, image = one(BUILD, "FROM").words, one(IMAGE, "FROM").words
    assert build[0] == image[0]
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", image[0])


def test_nothing_comes_from_an_address() -> None:
    assert named(EVERY, "ADD") == []
    assert [each for each in named(EVERY, "COPY") if "://" in each.text] == []


def test_what_changes_rarely_is_done_first() -> None:
    """A change of the source does not install the packages anew."""
    copies = [each.text for each in named(BUILD, "COPY")]
    packages = next(each for each in named(BUILD, "RUN") if "requirements/run.txt" in each.words)
    before = [each.text for each in BUILD[: BUILD.index(packages)] if each.name == "COPY"]
    assert before == copies[:1] == ["requirements/run.txt requirements/run.txt"]
    assert copies[-1] == "gateway gateway"


def test_packages_are_hashed_and_the_gateway_is_built_from_them_alone() -> None:
    """U-112: what is not in requirements/run.txt with its hash is not installed, and nothing is compiled."""
    packages, own = (each.words for each in named(BUILD, "RUN") if "install" in each.words)
    assert {"--require-hashes", "--only-binary", "-r"} <= set(packages)
    assert packages[-1] == "requirements/run.txt"
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(own)


def test_no_shell_is_needed() -> None:
    """Signals reach the gateway itself, and the image could be without a shell."""
    assert all(each.executes for each in named(EVERY, "RUN", "ENTRYPOINT", "CMD", "VOLUME"))
    commands = [each.words for each in named(EVERY, "RUN", "ENTRYPOINT")] + [health_check()]
    assert not {"sh", "bash", "/bin/sh", "/bin/bash"} & {word for command in commands for word in command}
    assert named(EVERY, "SHELL") == []


def test_it_does_not_run_as_root() -> None:
    """A number, so that Kubernetes sees without the image's list of users that it is not root."""
    user, _, group = one(IMAGE, "USER").text.partition(":")
    assert int(user) > 0 < int(group)
    last = max(i for i, each in enumerate(IMAGE) if each.name in {"RUN", "COPY"})
    assert IMAGE.index(one(IMAGE, "USER")) > last
    (made,) = named(IMAGE, "RUN")
    assert made.words[-1] == ENV["RULEGATE_DATA"]
    assert made.words[made.words.index("-o") + 1] == user


def test_rules_and_data_are_volumes_and_the_rest_is_the_daemons_own_settings() -> None:
    assert set(one(IMAGE, "VOLUME").words) == {ENV["RULEGATE_RULES"], ENV["RULEGATE_DATA"]}
    assert settings_are_taken(ENV)
    assert one(IMAGE, "EXPOSE").text == ENV["RULEGATE_LISTEN"].rpartition(":")[2]
    assert one(IMAGE, "STOPSIGNAL").text == "SIGTERM"
    assert one(IMAGE, "CMD").words == ["serve"]


def test_the_image_is_closed_until_somebody_opens_it() -> None:
    """U-109: it listens where others reach it, so without a word it does not start."""
    assert "RULEGATE_ALLOW_ANONYMOUS" not in ENV
    settings = Settings(None, Path(ENV["RULEGATE_DATA"]), address_of(ENV["RULEGATE_LISTEN"]), simulate=True)
    assert not settings.listen.loopback


def test_a_wheel_is_built_from_what_is_copied(tmp_path: Path) -> None:
    """The schemas and the shipped rules are in it: pyproject.toml takes them from beside the package."""
    source, out = tmp_path / "src", tmp_path / "out"
    for copy in named(BUILD, "COPY"):
        *names, target = copy.words
        for name in names:
            place = source / target / name if target.endswith("/") else source / target
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, place)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out], cwd=source, check=True)
    (wheel,) = out.iterdir()
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert "gateway/schemas/rules.schema.json" in inside
    assert {f"gateway/rules.d/{path.name}" for path in (ROOT / "rules.d").iterdir()} <= inside
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "gateway").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= inside


async def healthy(**variables: str) -> bool:
    """Run the command of the health check, as it stands, with this interpreter."""
    python, *rest = health_check()
    assert python == "/opt/rulegate/bin/python"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RULEGATE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *rest), env={**plain, **variables}, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def test_the_health_check_asks_the_daemon(tmp_path: Path) -> None:
    """U-123: /livez, where operations are answered, past any proxy; nobody there and another answer are not well."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    async with serving("--simulate", directory=tmp_path) as daemon:
        there = daemon.url.removeprefix("http://")
        assert await healthy(RULEGATE_LISTEN=there)
        assert await healthy(RULEGATE_LISTEN=there, http_proxy=f"http://{nobody}", HTTP_PROXY=f"http://{nobody}")
        assert await healthy(RULEGATE_LISTEN=nobody, RULEGATE_OPS=there)
        assert not await healthy(RULEGATE_LISTEN=there, RULEGATE_OPS=nobody)
    assert not await healthy(RULEGATE_LISTEN=nobody)


async def test_the_health_check_wants_a_200() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        assert not await healthy(RULEGATE_LISTEN=f"{host}:{port}")


@pytest.mark.parametrize("instruction", EVERY, ids=lambda each: f"{each.name} {each.text[:30]}")
def test_an_instruction_is_one_that_builders_know(instruction: Instruction) -> None:
    known = {"FROM", "RUN", "COPY", "WORKDIR", "LABEL", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"}
    assert instruction.name in known | {"HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert all(re.fullmatch(r"--[a-z-]+=\S+", flag) for flag in instruction.flags)

"""deploy/Containerfile as instructions; the syntax is that of https://docs.docker.com/reference/dockerfile/."""

import json
import re
import shlex
from dataclasses import dataclass

from tests.deploy.shipped import DEPLOY


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, its `--flags`, and the text after them."""

    name: str
    flags: tuple[str, ...]
    text: str

    @property
    def words(self) -> list[str]:
        """Give the words of the exec form, which no shell sees, or else those that white space separates."""
        return list(map(str, json.loads(self.text))) if self.executes else shlex.split(self.text)

    @property
    def executes(self) -> bool:
        """Say whether the text is the exec form, a JSON list."""
        return self.text.startswith("[")

    @property
    def pairs(self) -> dict[str, str]:
        """Give the settings of ENV and LABEL."""
        return dict(word.split("=", 1) for word in self.words)


def read(text: str) -> list[Instruction]:
    """Give the instructions of a Containerfile, without comments and with lines that go on put together."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for line in re.sub(r"\\\n\s*", " ", plain).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            flags = []
            while (rest := rest.strip()).startswith("--"):
                flag, _, rest = rest.partition(" ")
                flags.append(flag)
            found.append(Instruction(name, tuple(flags), rest))
    return found


def stages(instructions: list[Instruction]) -> list[list[Instruction]]:
    """Divide instructions at each FROM."""
    found: list[list[Instruction]] = []
    for each in instructions:
        if each.name == "FROM":
            found.append([])
        found[-1].append(each)
    return found


BUILD, IMAGE = stages(read((DEPLOY / "Containerfile").read_text(encoding="utf-8")))


def one(stage: list[Instruction], name: str) -> Instruction:
    """Give the only instruction of a name."""
    (found,) = (each for each in stage if each.name == name)
    return found


def health_check() -> list[str]:
    """Give the command of the health check, which stands behind CMD."""
    name, _, text = one(IMAGE, "HEALTHCHECK").text.partition(" ")
    assert name == "CMD"
    return list(map(str, json.loads(text)))

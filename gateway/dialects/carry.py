"""What the readers and writers of a translation share: what cannot be carried over is named, never lost.

A parameter without a counterpart is left out and named. What the meaning of the request hangs on (a tool, a document)
and what is no valid value raises CannotCarryError instead: then another model of the chain may answer, or nobody.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.dialects.fields import UNREADABLE
from gateway.domain.message import Message
from gateway.domain.refusal import Refusal, RefusalKind

OTHERS = "others"
MOST_NAMES = 20
_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,80}")


class CannotCarryError(Exception):
    """A field of the request keeps it from being translated: the field's path, and why."""

    def __init__(self, name: str, why: str = "cannot be carried over to a provider of another dialect") -> None:
        super().__init__(name)
        self.name = name
        self.why = why

    def refusal(self) -> Refusal:
        """Give the refusal for the caller."""
        return Refusal(RefusalKind.INVALID_REQUEST, f"'{self.name}' {self.why}", self.name)


class Lost:
    """The names of what was left out, each once, in the order in which it was met."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = dict.fromkeys(names)

    def add(self, name: str) -> None:
        """Name something that was left out; a name that no field has, or that is one too many, is told as another's."""
        plain = _NAME.fullmatch(name) is not None and len(self._names) < MOST_NAMES
        self._names[name if plain else OTHERS] = None

    def unknown(self, fields: Mapping[str, Any], known: Iterable[str], where: str = "") -> None:
        """Name every member of an object that is not known, but for those that mean nothing (null, false, empty)."""
        for name in fields.keys() - set(known):
            if fields[name] is not None and fields[name] is not False and fields[name] not in ("", [], {}):
                self.add(f"{where}{name}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted, so that equal requests give equal ones."""
        return tuple(sorted(self._names))


def number(fields: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    """Give a number within its range, None where there is none. Raises CannotCarryError."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not least <= value <= most:
        raise CannotCarryError(name, f"must be a number from {least:g} to {most:g}")
    return value  # type: ignore[no-any-return]  # the line above says what it is


def whole_number(fields: Mapping[str, Any], name: str) -> int | None:
    """Give a whole number, None where there is none. Raises CannotCarryError."""
    value = fields.get(name)
    if value is None or type(value) is int:
        return value
    raise CannotCarryError(name, "must be a whole number")


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Give a text or a list of texts, without the empty ones. Raises CannotCarryError."""
    value = fields.get(name)
    listed = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise CannotCarryError(name, "must be a text or a list of texts")
    return tuple(filter(None, listed))


def objects(value: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401 - decoded JSON
    """Give a list of objects. Raises CannotCarryError for anything else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise CannotCarryError(where, "must be a list of objects")
    return value


def text(value: Any, where: str) -> str:  # noqa: ANN401 - decoded JSON
    """Give a text. Raises CannotCarryError for anything else."""
    if not isinstance(value, str):
        raise CannotCarryError(where, "must be a text")
    return value


def arguments_of(written: str) -> dict[str, Any] | None:
    """Give the arguments of a call as an object: an empty one for none, None where they are no JSON object."""
    if not written.strip():
        return {}
    try:
        decoded = msgspec.json.decode(written)
    except UNREADABLE:
        return None
    return decoded if isinstance(decoded, dict) else None


def merged(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Join what one side said in several messages in a row, and leave out messages that say nothing."""
    joined: list[Message] = []
    for message in messages:
        if not message.parts:
            continue
        if joined and joined[-1].role is message.role:
            joined[-1] = Message(message.role, joined[-1].parts + message.parts)
        else:
            joined.append(message)
    return tuple(joined)

"""What of a request can cross dialects: plain text, its limits and its sampling. All else is named, never lost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.dialects.fields import list_of
from gateway.domain.chat import Role, Turn
from gateway.domain.refusal import Refusal, RefusalKind


class NotPlainError(Exception):
    """A field of the request cannot be carried over; the argument is its path."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def refusal(self, dialect: str) -> Refusal:
        """Give the refusal for the caller of a dialect."""
        message = f"'{self.name}' cannot be carried over to a provider that does not speak the {dialect} dialect"
        return Refusal(RefusalKind.INVALID_REQUEST, message, self.name)


def only(fields: Mapping[str, Any], carried: Iterable[str], where: str, neutral: Mapping[str, Sequence[Any]]) -> None:
    """Raise NotPlainError for the first field that is neither carried nor without meaning.

    Null, false and what is empty mean nothing; so do the values that `neutral` lists for a field.
    """
    for name, value in fields.items():
        if name in carried or value is None or value is False or value in ("", [], {}):
            continue
        if value not in neutral.get(name, ()):
            raise NotPlainError(f"{where}{name}")


def text(content: Any, where: str) -> str:  # noqa: ANN401 - decoded JSON
    """Give a message's content, which is a string or a list of text parts. Raises NotPlainError."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise NotPlainError(where)
    for part in content:
        if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
            raise NotPlainError(where)
        only(part, ("type", "text"), f"{where}.", {})
    return "\n".join(part["text"] for part in content if part["text"])


def turns(said: Sequence[Turn]) -> tuple[Turn, ...]:
    """Give the turns that hold any text, where they are a conversation that waits for the model.

    Empty turns are left out: some dialects refuse them. A conversation that ends with the assistant's words means
    different things in different dialects: one goes on with them, the other answers them. Raises NotPlainError.
    """
    kept = tuple(turn for turn in said if turn.text.strip())
    if not kept or kept[-1].role is Role.ASSISTANT:
        raise NotPlainError("messages")
    return kept


def number(fields: Mapping[str, Any], name: str) -> float | None:
    """Give a number. Raises NotPlainError for anything else but null."""
    value = fields.get(name)
    if value is None or type(value) in (int, float):
        return value
    raise NotPlainError(name)


def whole_number(fields: Mapping[str, Any], name: str) -> int | None:
    """Give a whole number. Raises NotPlainError for anything else but null."""
    value = fields.get(name)
    if value is None or type(value) is int:
        return value
    raise NotPlainError(name)


def sampling(fields: Mapping[str, Any], *names: str) -> dict[str, float]:
    """Give those of the numbers that are there. Raises NotPlainError."""
    return {name: value for name in names if (value := number(fields, name)) is not None}


def stop_sequences(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Give the texts at which an answer stops: one or a list. Raises NotPlainError."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return (value,) if value else ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in list_of(value)):
        raise NotPlainError(name)
    return tuple(value)

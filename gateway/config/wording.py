"""The words for a misfit with the schema: what is wrong, what was probably meant, and at which key or value.

The nouns come from the `title` of each part of the schema. What stands where secrets stand is never repeated.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gateway.config.yamltree import MAX_PROBLEMS, Path, shorten

_SECRET_FIELDS = frozenset(
    {"access_key_id", "api_key", "base_url", "headers", "key_sha256", "proxy", "routing_key", "secret_access_key"}
    | {"session_token", "signing_secret", "url"}
)
_YES = frozenset({"yes", "on", "y"})
_NO = frozenset({"no", "off", "n"})
_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a map",
}
_WITH_UNIT = re.compile(r"(?:a duration|a size|a percentage|a rate|an amount) such as ([^\s,]+(?: USD)?)")
_FEW = 30
_FEW_FIELDS = 6
_SHORTEST_TYPO, _LONGEST_TYPO = 2, 100
_NOT_BUILT = "remove it; see CHANGELOG for what this version has"


@dataclass(frozen=True, slots=True)
class Finding:
    """A misfit in words, at a value, or `at_key` at its key.

    One that is `not_built` makes all others at and below its path pointless. `guess` is the path of the field that
    was probably meant by an unknown one, which then does not count as missing.
    """

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    not_built: bool = False
    guess: Path = ()


@dataclass(frozen=True, slots=True)
class Misfit:
    """One keyword of the schema that a value does not satisfy.

    `wanted` is what the keyword asks for, `schema` the part it stands in, `path` where the value stands. A misfit
    `of_key` is about a key: then `instance` is the key and `path` that of its map. `branches` holds the misfits with
    each shape of a choice; those that are `nested` there are about something within the value.
    """

    keyword: str
    wanted: Any
    instance: Any
    schema: Mapping[str, Any]
    path: Path
    nested: bool
    of_key: bool
    branches: "tuple[tuple[Misfit, ...], ...]"

    @property
    def is_literal_secret(self) -> bool:
        """Say whether a secret itself stands where only its whereabouts may."""
        return bool(self.schema.get("writeOnly")) and isinstance(self.instance, str)

    @property
    def is_another_shape(self) -> bool:
        """Say whether this tells of a branch only that the value does not have its shape."""
        bare = self.keyword == "required" and "properties" not in self.schema
        return not self.nested and (bare or self.keyword in {"type", "const"})

    @property
    def stray_keys(self) -> tuple[str, ...]:
        """Give the keys of a map that its schema does not know, as many as anybody reads."""
        if self.keyword != "additionalProperties":
            return ()
        known, patterns = self.schema.get("properties", {}), self.schema.get("patternProperties", {})
        strays = (key for key in self.instance if key not in known and not any(re.search(p, key) for p in patterns))
        return tuple(islice(strays, MAX_PROBLEMS))

    @property
    def strangeness(self) -> int:
        """Count the stray keys of a map, those twice that are not near to a known one."""
        return sum(1 if nearest(key, self.schema.get("properties", ())) else 2 for key in self.stray_keys)


def describe(misfit: Misfit) -> Iterator[Finding]:
    """Put a misfit into words; several stray or missing fields of a map are a finding each."""
    path = misfit.path
    match misfit.keyword:
        case _ if misfit.of_key:
            yield _wrong_key(misfit)
        case "x-not-built":
            yield Finding(path, f"'{path[-1]}' is not built yet", _NOT_BUILT, at_key=True, not_built=True)
        case "x-not-built-values":
            field = next(
                (part for part in reversed(path) if isinstance(part, str) and part not in {"in", "eq"}), "value"
            )
            yield Finding(path, f"{field} '{misfit.instance}' is not built yet", _NOT_BUILT, not_built=True)
        case "additionalProperties":
            yield from (_stray(misfit, key) for key in misfit.stray_keys)
        case "required":
            missing = (name for name in misfit.wanted if name not in misfit.instance)
            yield from (Finding((*path, name), f"missing field '{name}' in {noun(misfit.schema)}") for name in missing)
        case "anyOf" if all(each.keyword == "required" for branch in misfit.branches for each in branch):
            names = [name for branch in misfit.wanted for name in branch["required"]]
            message = f"missing field {_either(names)} in {noun(misfit.schema)}"
            yield Finding((*path, names[0]), message)
        case _:
            yield Finding(path, *_value(misfit))


def noun(schema: Mapping[str, Any]) -> str:
    """Give what a part of the schema asks for, as a noun with its article."""
    return str(schema.get("title") or _TYPES.get(str(schema.get("type")), "another value"))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that is closest to a mistyped one, if any is close."""
    typed = word.lower().replace("-", "_")
    if not _SHORTEST_TYPO <= len(typed) <= _LONGEST_TYPO:
        return None
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(typed, names, 1)
    longer = [name for name in names if name.startswith(typed) or typed.startswith(name)]
    return next((names[name] for name in (*close, *longer)), None)


def _value(misfit: Misfit) -> tuple[str, str]:
    """Give message and hint for a wrong value."""
    schema = misfit.schema
    if misfit.is_literal_secret:
        return "a secret must not stand in a rule file", "write {env: NAME} or {file: PATH}, or none"
    match misfit.keyword:
        case "type" | "anyOf" | "const":
            return f"expected {noun(schema)}, found {_found(misfit.instance)}", _retype(misfit)
        case "enum":
            return _wrong_word(misfit)
        case "pattern" | "minLength" if not misfit.instance:
            return f"expected {noun(schema)}, found empty text", ""
        case "pattern":
            return f"{_repeat(misfit.instance, misfit.path)} is not {noun(schema)}", schema.get("$comment", "")
        case "minItems" | "minProperties":
            return f"{noun(schema)} must not be empty", _listed("fields", schema.get("properties", ()))
        case "maxProperties":
            return f"{_either(schema['properties'])}, not both", ""
        case "not":
            return f"{_either(misfit.wanted['required'])}, not both", ""
        case "minimum" | "maximum" | "exclusiveMinimum":
            return f"expected {noun(schema)}, found {misfit.instance}", ""
        case _:
            return f"this is not {noun(schema)}", ""


def _found(instance: object) -> str:
    """Give what stands there, without repeating it."""
    match instance:
        case None:
            return "nothing"
        case bool():
            return "true" if instance else "false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a map"


def _retype(misfit: Misfit) -> str:
    """Guess how a value came to be of the wrong type, from what its schema would take."""
    schema = misfit.schema
    types = {schema.get("type")} | {branch.get("type") for branch in schema.get("anyOf", ())}
    match misfit.instance:
        case _ if schema.get("writeOnly"):
            return ""
        case None:
            return "write a value, or remove the field"
        case bool() | int() | float() | str() if types == {"object"}:
            return _spelled_out(schema)
        case str() as text:
            return _unquote(text, types)
        case bool() | int() | float() if "string" in types:
            unit = _WITH_UNIT.match(noun(schema))
            return f"add the unit, as in {unit[1]}" if unit else "put it in quotes"
        case dict() if "array" in types:
            return "start each entry with '- '"
        case dict() if "string" in types:
            return "if text is meant, put it in quotes"
        case list() if types == {"object"}:
            return "write `name: value` instead of '- '"
        case _:
            return ""


def _spelled_out(schema: Mapping[str, Any]) -> str:
    """Show how a map is written, by the fields that it must have or else all of them, where these are few."""
    names = schema.get("required") or schema.get("properties", ())
    return (
        f"write a map such as {{{', '.join(f'{name}: ...' for name in names)}}}"
        if 0 < len(names) <= _FEW_FIELDS
        else ""
    )


def _unquote(instance: str, types: set[object]) -> str:
    word = instance.lower()
    if "boolean" in types and word in _YES | _NO | {"true", "false"}:
        return f"did you mean {'true' if word in _YES | {'true'} else 'false'}?"
    if types & {"number", "integer"} and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", instance):
        return "remove the quotes"
    return "put it in brackets, as a list" if types == {"array"} else ""


def _wrong_word(misfit: Misfit) -> tuple[str, str]:
    schema = misfit.schema
    allowed = [str(word) for word in misfit.wanted if word not in schema.get("x-not-built-values", ())]
    words = f"one of {', '.join(allowed)}"
    if not isinstance(misfit.instance, str):
        return f"expected {noun(schema)}, found {_found(misfit.instance)}", words
    near = nearest(misfit.instance, allowed)
    message = f"unknown {noun(schema).partition(' ')[2]} {shorten(misfit.instance)}"
    comment = schema.get("$comment")
    return message, f"did you mean '{near}'? {words}" if near else f"{words}; {comment}" if comment else words


def _wrong_key(misfit: Misfit) -> Finding:
    key = str(misfit.instance)
    message = f"{_repeat(key, misfit.path)} is not {noun(misfit.schema)}"
    return Finding((*misfit.path, key), message, misfit.schema.get("$comment", ""), at_key=True)


def _stray(misfit: Misfit, key: str) -> Finding:
    path = (*misfit.path, key)
    known: Mapping[str, Any] = misfit.schema.get("properties", {})
    message = f"unknown field {shorten(key)} in {noun(misfit.schema)}"
    if not _may_repeat(path):
        message = f"unknown field in {noun(misfit.schema)}"
    inner = next((name for name, part in known.items() if key in part.get("properties", ())), None)
    if inner is not None:
        return Finding(path, message, f"it belongs under '{inner}'", at_key=True)
    near = nearest(key, [name for name in known if name not in misfit.instance])
    if near is not None:
        return Finding(path, message, f"did you mean '{near}'?", at_key=True, guess=(*misfit.path, near))
    patterns = misfit.schema.get("patternProperties", ())
    if any(re.search(pattern, f"{key}%") for pattern in patterns):
        return Finding(path, message, f"write {key}%", at_key=True)
    if patterns and key.startswith(("header", "metadata")):
        return Finding(path, message, "write header.NAME or metadata.NAME", at_key=True)
    built = (name for name, part in known.items() if "x-not-built" not in part)
    return Finding(path, message, _listed("fields", built), at_key=True)


def _may_repeat(path: Path) -> bool:
    """Say whether what stands there cannot be a secret."""
    return _SECRET_FIELDS.isdisjoint(path)


def _repeat(word: str, path: Path) -> str:
    return shorten(word) if _may_repeat(path) else "this"


def _either(names: Iterable[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _listed(what: str, names: Iterable[str]) -> str:
    listed = list(names)
    return f"{what}: {', '.join(listed)}" if 0 < len(listed) <= _FEW else ""

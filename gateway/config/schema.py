"""Whether a rule file fits `schemas/rules.schema.json`, the same schema that editors read.

Gives every misfit as one Problem at the key or value that should change. What the schema marks as not built yet is
checked for its place only. References between files are not looked at.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby, islice
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from gateway.config import packaged, wording
from gateway.config.wording import Finding, Misfit
from gateway.config.yamltree import MAX_PROBLEMS, Document, Path
from gateway.domain.problem import Mark, Problem

_MOST_ERRORS = 1000
_Errors = Iterator[jsonschema.ValidationError]


def validate(document: Document) -> tuple[Problem, ...]:
    """Give what does not fit the schema, by position; no Problem holds a literal secret."""
    errors = islice(validator().iter_errors(document.data), _MOST_ERRORS)
    findings = [finding for error in errors for leaf in _leaves(_misfit(error)) for finding in wording.describe(leaf)]
    not_built = {finding.path for finding in findings if finding.not_built}
    guesses = {finding.guess for finding in findings if finding.guess}
    problems = {
        _problem(document, finding)
        for finding in findings
        if finding.not_built or (finding.path not in guesses and not_built.isdisjoint(_upwards(finding.path)))
    }
    return tuple(sorted(problems)[:MAX_PROBLEMS])


@cache
def validator() -> Validator:
    """Give a validator of rule files that knows what is not built yet."""
    kinds = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
    keywords = {
        "anyOf": _any_of,
        "pattern": _pattern,
        "x-not-built": _not_built,
        "x-not-built-values": _not_built_values,
    }
    extended: type[Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # has no types
        jsonschema.Draft202012Validator, keywords, type_checker=kinds
    )
    return extended(linked(packaged.rules_schema()))


def linked(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give a schema whose references are replaced by the parts they name, in circles where it is recursive.

    Validating then takes half the time of looking them up. A part that is named must not be a reference itself, and
    what stands beside a reference must not contradict it.
    """
    made: dict[int, dict[str, Any]] = {}
    borrowing: list[tuple[dict[str, Any], dict[str, Any], Mapping[str, Any]]] = []

    def link(part: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(part, list):
            return [link(each) for each in part]
        if not isinstance(part, Mapping):
            return part
        if id(part) not in made:
            whole = made[id(part)] = {}
            if "$ref" in part:
                named = link(schema["$defs"][part["$ref"].removeprefix("#/$defs/")])
                borrowing.append((whole, named, {key: value for key, value in part.items() if key != "$ref"}))
            else:
                whole.update((key, link(value)) for key, value in part.items())
        return made[id(part)]

    root: dict[str, Any] = link({key: value for key, value in schema.items() if key != "$defs"})
    for whole, named, beside in borrowing:
        whole.update({**named, **beside})
    return root


def _is_whole(_: object, instance: object) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


def _any_of(
    at: Validator, branches: list[dict[str, Any]], instance: str | dict[str, Any], schema: Mapping[str, Any]
) -> _Errors:
    """Try the branches that may fit by type and required fields before all of them: the same verdict, sooner."""
    for branch in branches:
        fits = "type" not in branch or at.is_type(instance, branch["type"])
        if fits and isinstance(instance, dict) and not all(name in instance for name in branch.get("required", ())):
            fits = False
        if fits and next(at.descend(instance, branch), None) is None:  # type: ignore[attr-defined] # not in the protocol
            return iter(())
    errors: _Errors = jsonschema.Draft202012Validator.VALIDATORS["anyOf"](at, branches, instance, schema)
    return errors


def _pattern(_: object, pattern: str, instance: object, __: object) -> _Errors:
    """Search as ECMA 262 does: there `$` is the very end, in Python also the place before a last line break."""
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield jsonschema.ValidationError("pattern")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


def _not_built(_: object, marked: bool, __: object, ___: object) -> _Errors:  # noqa: FBT001 - the keyword's value
    if marked:
        yield jsonschema.ValidationError("not built")


def _not_built_values(_: object, values: list[object], instance: object, __: object) -> _Errors:
    if instance in values:
        yield jsonschema.ValidationError("not built")


def _misfit(error: jsonschema.ValidationError, within: int = 0) -> Misfit:
    path: Path = tuple(error.absolute_path)
    branches = groupby(error.context or (), lambda each: each.relative_schema_path[0])
    return Misfit(
        keyword=str(error.validator),
        wanted=error.validator_value,
        instance=error.instance,
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        path=path,
        nested=len(path) > within,
        of_key="propertyNames" in list(error.absolute_schema_path)[-2:-1],
        branches=tuple(tuple(_misfit(each, len(path)) for each in errors) for _, errors in branches),
    )


def _leaves(misfit: Misfit) -> Iterator[Misfit]:
    """Follow each choice between shapes to the misfits within the shape that was probably meant."""
    if not misfit.branches:
        yield misfit
        return
    meant = min(misfit.branches, key=_distance)
    if any(each.is_another_shape for each in meant):
        yield misfit
        return
    for each in meant:
        yield from _leaves(each)


def _distance(branch: tuple[Misfit, ...]) -> tuple[bool, int, int, int]:
    """Say how far a value is from a shape: its type first, then its required fields, then its stray ones."""
    here = [misfit for misfit in branch if not misfit.nested]
    return (
        any(misfit.keyword == "type" for misfit in here),
        sum(misfit.keyword == "required" for misfit in here),
        sum(misfit.strangeness for misfit in here),
        len(branch),
    )


def _problem(document: Document, finding: Finding) -> Problem:
    mark = document.key_marks.get(finding.path) if finding.at_key else None
    mark = mark or _nearest(document.marks, finding.path)
    return Problem(document.file, mark.line, mark.column, finding.message, finding.hint)


def _nearest(marks: Mapping[Path, Mark], path: Path) -> Mark:
    return next(marks[part] for part in _upwards(path) if part in marks)


def _upwards(path: Path) -> Iterator[Path]:
    return (path[:length] for length in range(len(path), -1, -1))

"""A rule's edits of parameters that stand within others here, and on the top level of chat completions.

A rule names `reasoning_effort` for whichever endpoint of OpenAI its model is asked at.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.dialects.fields import dict_of
from gateway.domain.rule import NO_PARAMS, Params

_WITHIN = {"reasoning_effort": ("reasoning", "effort"), "verbosity": ("text", "verbosity")}


def placed(params: Params, fields: Mapping[str, Any]) -> tuple[Params, dict[str, Any]]:
    """Give the edits that are left for the top level, and the members that take the others, as they are to be."""
    if params is NO_PARAMS or _WITHIN.keys().isdisjoint((*params.drop, *params.set, *params.default)):
        return params, {}
    members: dict[str, Any] = {}
    for name, (outer, inner) in _WITHIN.items():
        member = dict(members.get(outer, dict_of(fields.get(outer))))
        if name in params.drop:
            member.pop(inner, None)
        if name in params.set:
            member[inner] = params.set[name]
        if name in params.default and member.get(inner) is None:
            member[inner] = params.default[name]
        if member != dict_of(fields.get(outer)):
            members[outer] = member
    left = replace(
        params,
        set=_without(params.set),
        default=_without(params.default),
        drop=tuple(name for name in params.drop if name not in _WITHIN),
    )
    return left, members


def _without(edits: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in edits.items() if name not in _WITHIN}

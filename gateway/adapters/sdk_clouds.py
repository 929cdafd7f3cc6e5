"""What Anthropic's client library needs for the clouds that have its models: a body that it can take apart.

The clouds want the model in the path and the version in the body, and the library writes both, so that the body is
written anew: of the same meaning, with numbers in Python's words.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.adapters.sdk import below, unwritten
from gateway.domain.upstream import Call, Library

VERSION_HEADER: Final = "anthropic-version"
FIRST_VERSION: Final = "2023-06-01"


def body_of(call: Call, first_version: str) -> dict[str, Any]:
    """Take a body apart, and put the version into it that the call has as a header; raises UpstreamError.

    `first_version` is the cloud's own name of Anthropic's first version, which later ones do not have.
    """
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise unwritten(call.provider) from error
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise unwritten(call.provider)
    asked = call.headers.get(VERSION_HEADER, FIRST_VERSION)
    body["anthropic_version"] = first_version if asked == FIRST_VERSION else asked
    return body


def headers_of(call: Call) -> Mapping[str, str]:
    """Give the headers of a call, less the version, which the body has."""
    return {name: value for name, value in call.headers.items() if name.lower() != VERSION_HEADER}


def path_of(call: Call, library: Library) -> str:
    """Give the path as the library knows it: that of Anthropic's own API."""
    return f"/v1{below(call, library)}"

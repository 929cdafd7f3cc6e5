"""Request bodies over HTTP, to a whole gateway in a process of its own: an answer, or a clean 4xx in the caller's
dialect."""

import asyncio
import gzip
import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.domain.words import Surface
from gateway.wiring.surfaces import PATHS
from tests.fakes.daemon import daemon
from tests.fakes.rule_files import MODELS
from tests.fuzz.odd import bodies, spoiled
from tests.fuzz.running import Fuzz
from tests.fuzz.seeds import REQUESTS

RULES = f"""\
{MODELS}rules:
  - name: to-anthropic
    priority: 10
    when: {{header.x-to: anthropic}}
    route: [haiku]
  - name: all
    route: [{{model: nano, params: {{cap: {{max_tokens: 100}}, default: {{temperature: 1}}}}}}]
"""
LONGEST_S = 20.0
ENDS = frozenset({"message_stop", "response.completed", "response.incomplete"})
"""The events that end a stream which is whole, beside the word [DONE]."""
ANTHROPIC = frozenset({"messages"})
"""The surfaces whose errors have Anthropic's shape; all others have OpenAI's."""


class Asked(NamedTuple):
    """A body, which kind of provider it is for, and the encoding that it claims to have."""

    body: bytes
    to: str
    encoding: str


def check_error(surface: Surface, error: Any) -> None:  # noqa: ANN401 - decoded JSON
    """Check that an error has the shape of the surface's dialect."""
    assert isinstance(error["error"]["message"], str)
    assert isinstance(error["error"]["type"], str)
    assert ("code" in error["error"]) == (surface not in ANTHROPIC)
    assert (error.get("type") == "error") == (surface in ANTHROPIC)


@pytest.mark.parametrize("surface", PATHS)
async def test_any_body_is_answered_or_refused(
    fuzz: Fuzz, tmp_path: Path, surface: Surface, caplog: pytest.LogCaptureFixture
) -> None:
    """U-61: never a 5xx, never a connection that is cut or hangs, and no bug is met on the way."""

    def ask(connection: http.client.HTTPConnection, asked: Asked) -> None:
        headers = {"x-to": asked.to, "Content-Type": "application/json"}
        headers |= {"Content-Encoding": asked.encoding} if asked.encoding else {}
        connection.request("POST", PATHS[surface], asked.body, headers)
        with connection.getresponse() as response:
            body, status, kind = response.read(), response.status, response.headers.get_content_type()
        assert status == 200 or 400 <= status < 500, body
        if status != 200:
            check_error(surface, json.loads(body))
        elif kind == "text/event-stream":
            last = sse.fields(sse.Splitter().feed(body)[-1])[1]
            assert last == b"[DONE]" or json.loads(last)["type"] in ENDS
        else:
            assert isinstance(json.loads(body), dict)

    def fuzzed(host: str) -> None:
        with closing(http.client.HTTPConnection(host, timeout=LONGEST_S)) as connection:

            def check(asked: Asked) -> None:
                try:
                    ask(connection, asked)
                except BaseException:
                    connection.close()  # the next example has one of its own
                    raise

            fuzz.run(check, examples, most=150)

    seeds = [REQUESTS[surface], {**REQUESTS[surface], "stream": True}]
    encodings = st.sampled_from(["", "", "", "", "gzip", "deflate", "br", "identity", "x-odd"])
    folded = bodies(seeds).flatmap(lambda body: spoiled(gzip.compress(body)))
    examples = st.builds(
        Asked, st.one_of(bodies(seeds), bodies(seeds), folded), st.sampled_from(["openai", "anthropic"]), encodings
    )
    async with daemon(tmp_path, {"rules.yaml": RULES}) as running:
        await asyncio.to_thread(fuzzed, running.url.removeprefix("http://"))
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]

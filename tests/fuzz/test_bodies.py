"""Request bodies in process: each is read or refused, and what was read can be sent to either kind of provider."""

import json

import pytest

from gateway.dialects.base import Blame, CallerDialect
from gateway.domain.message import Chat
from gateway.domain.refusal import Refusal
from gateway.domain.request import Request
from gateway.domain.rule import NO_PARAMS
from gateway.domain.words import Surface
from gateway.wiring.surfaces import SURFACES
from tests.dialects.exchanges import ID, edits, model
from tests.fuzz.odd import bodies
from tests.fuzz.running import Fuzz
from tests.fuzz.seeds import PROVIDERS, REQUESTS, STREAMED

SAME = {"chat": "openai", "messages": "anthropic"}
"""The surfaces whose requests are passed on as they are, and to whom."""
MODELS = (
    model(),
    model("openai", can="tools images documents schema reasoning", refuses="temperature"),
    model("anthropic", can="reasoning_effort thinking", refuses="top_p"),
)
EDITS = (NO_PARAMS, edits(set={"temperature": 1}, default={"top_p": 0.5}, cap={"max_tokens": 10}, drop=["seed"]))


def test_every_surface_has_a_seed() -> None:
    assert SURFACES.keys() <= REQUESTS.keys()


def refused(dialect: CallerDialect, refusal: Refusal) -> None:
    """Check that a refusal is the caller's fault, and can be told in its dialect."""
    assert 400 <= refusal.status < 500
    assert isinstance(json.loads(dialect.refusal(refusal, Blame("gateway", ()), ID))["error"], dict)


def sent(surface: Surface, request: Request) -> None:
    """Check that a request that was read has a body for every kind of provider, or a reason why not."""
    dialect = SURFACES[surface]
    request.read()
    if surface in SAME:
        for params in EDITS:
            passed = json.loads(PROVIDERS[SAME[surface]].pass_on(request, MODELS[0], params, 4096).body)
            assert passed["model"] == "up"
    chat = dialect.chat(request.fields)
    if isinstance(chat, Refusal):
        refused(dialect, chat)
        return
    assert isinstance(chat, Chat)
    for provider in PROVIDERS.values():
        for each in MODELS:
            for params in EDITS:
                outgoing = provider.write_request(chat, each, params, 4096)
                if isinstance(outgoing, Refusal):
                    refused(dialect, outgoing)
                else:
                    assert json.loads(outgoing.body)["model"] == "up"
    if surface in STREAMED:
        dialect.stream_writer(request.fields, ID)


@pytest.mark.parametrize("surface", SURFACES)
def test_any_body_is_a_request_or_a_refusal(fuzz: Fuzz, surface: Surface) -> None:
    """U-46: whatever comes, nobody meets an exception: not the caller, and not the next step of the chain."""

    def check(body: bytes) -> None:
        read = SURFACES[surface].read_request(body, {"x-rulegate-prefer": "cost"})
        if isinstance(read, Refusal):
            refused(SURFACES[surface], read)
        else:
            sent(surface, read)

    fuzz.run(check, bodies([REQUESTS[surface]]))

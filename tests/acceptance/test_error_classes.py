"""Whatever a provider answers, the unmodified clients raise the class that they have for it, with its words."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes.daemon import PATHS, Daemon, daemon
from tests.fakes.scripted_provider import ANTHROPIC_ANSWER, OPENAI_ANSWER, Provider, Reply, provider, providers_of

WORDS = "The provider said so, and why"


@dataclass(frozen=True)
class Case:
    """The status that the provider answers, and what each client raises; `ours` where it is about our own account."""

    status: int
    answered: int
    of_openai: type[openai.APIStatusError]
    of_anthropic: type[anthropic.APIStatusError]
    ours: bool = False
    waits: bool = False


# fmt: off
CASES = [
    Case(400, 400, openai.BadRequestError, anthropic.BadRequestError),
    Case(401, 502, openai.InternalServerError, anthropic.InternalServerError, ours=True),
    Case(402, 502, openai.InternalServerError, anthropic.InternalServerError, ours=True),
    Case(403, 502, openai.InternalServerError, anthropic.InternalServerError, ours=True),
    Case(404, 502, openai.InternalServerError, anthropic.InternalServerError, ours=True),
    Case(405, 405, openai.APIStatusError, anthropic.APIStatusError),
    Case(408, 504, openai.InternalServerError, anthropic.GatewayTimeoutError),
    Case(409, 502, openai.InternalServerError, anthropic.InternalServerError),
    Case(413, 413, openai.APIStatusError, anthropic.ContentTooLargeError),
    Case(422, 422, openai.UnprocessableEntityError, anthropic.UnprocessableEntityError),
    Case(429, 429, openai.RateLimitError, anthropic.RateLimitError, waits=True),
    Case(500, 502, openai.InternalServerError, anthropic.InternalServerError),
    Case(502, 502, openai.InternalServerError, anthropic.InternalServerError),
    Case(503, 503, openai.InternalServerError, anthropic.ServiceUnavailableError, waits=True),
    Case(504, 504, openai.InternalServerError, anthropic.GatewayTimeoutError),
    Case(529, 503, openai.InternalServerError, anthropic.OverloadedError, waits=True),
]
# fmt: on
KINDS = ("openai", "anthropic")
RULES = (
    "models:\n"
    + "".join(
        f"  {kind}-{case.status}: {{provider: {kind}, model: up-{case.status}, price: free}}\n"
        for kind in KINDS
        for case in CASES
    )
    + "rules:\n  - {name: unused, mode: 'off', route: [openai-400]}\n"
)


def error_of(kind: str, status: int) -> Reply:
    error = {"type": "some_error", "message": WORDS}
    bodies = {
        "openai": {"error": {**error, "code": None, "param": None}},
        "anthropic": {"type": "error", "error": error},
    }
    ids = {"openai": "x-request-id", "anthropic": "request-id"}
    return Reply(status, bodies[kind], headers={"Retry-After": "7", ids[kind]: f"req_{kind}_{status}"})


@pytest.fixture
async def scripted() -> AsyncIterator[Provider]:
    async with provider() as there:
        yield there


@pytest.fixture
async def running(tmp_path: Path, scripted: Provider) -> AsyncIterator[Daemon]:
    async with daemon(tmp_path, {"r.yaml": providers_of(scripted.url) + RULES}, simulate=False) as there:
        yield there


async def raised(
    running: Daemon, surface: str, model: str, *, stream: bool
) -> openai.APIStatusError | anthropic.APIStatusError:
    """Give what the client of a surface raises."""
    said: Any = [{"role": "user", "content": "Hello"}]
    if surface == "chat":
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
            with pytest.raises(openai.APIStatusError) as of_openai:
                await client.chat.completions.create(model=model, messages=said, stream=stream)
        return of_openai.value
    async with anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as other:
        with pytest.raises(anthropic.APIStatusError) as of_anthropic:
            await other.messages.create(model=model, max_tokens=9, messages=said, stream=stream)
    return of_anthropic.value


@pytest.mark.parametrize("surface", ["chat", "messages"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_every_status_raises_the_class_that_it_has(
    running: Daemon, scripted: Provider, surface: str, kind: str, *, stream: bool
) -> None:
    """U-61, U-62: class, words, Retry-After and both ids, within a dialect and across."""
    for case in CASES:
        scripted.will(kind, error_of(kind, case.status))
        error = await raised(running, surface, f"{kind}-{case.status}", stream=stream)
        overloaded = surface == "messages" and case.of_anthropic is anthropic.OverloadedError
        assert error.status_code == (529 if overloaded else case.answered), case
        assert type(error) is (case.of_openai if surface == "chat" else case.of_anthropic), case
        assert (WORDS in error.message) is not case.ours, case
        headers = error.response.headers
        assert headers.get("retry-after") == ("7" if case.waits else None), case
        assert error.request_id == headers["x-rulegate-request-id"], case
        assert headers["x-rulegate-upstream-request-id"] == f"req_{kind}_{case.status}", case
        body = error.response.json()
        about = body["error"]["rulegate"]
        assert about["blame"] == ("gateway" if case.ours else "provider"), case
        assert [(each["model"], each["status"]) for each in about["attempts"]] == [
            (f"{kind}-{case.status}", case.status)
        ]
        row = await running.row(headers["x-rulegate-request-id"])
        assert row["attempts"][0]["upstream_id"] == f"req_{kind}_{case.status}"


@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_an_answer_has_our_id_where_its_client_looks_and_the_providers_beside_it(
    running: Daemon, scripted: Provider, surface: str
) -> None:
    """U-61: whichever dialect the provider speaks; an id that is none is not passed on."""
    header = {"chat": "x-request-id", "messages": "request-id"}[surface]
    for kind, given in (("openai", "x-request-id"), ("anthropic", "request-id")):
        for upstream, kept in (("req_1", "req_1"), ("<b>", None), (None, None)):
            answer = {"openai": OPENAI_ANSWER, "anthropic": ANTHROPIC_ANSWER}[kind]
            scripted.will(kind, Reply(body=answer, headers={given: upstream} if upstream else {}))
            body = {"model": f"{kind}-400", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
            async with running.http.post(running.url + PATHS[surface], json=body) as response:
                assert response.status == 200
                assert response.headers[header] == response.headers["x-rulegate-request-id"]
                assert response.headers.get("x-rulegate-upstream-request-id") == kept


@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_a_refusal_has_our_id_where_its_client_looks(running: Daemon, surface: str) -> None:
    error = await raised(running, surface, "nobody", stream=False)
    assert type(error) in (openai.NotFoundError, anthropic.NotFoundError)
    assert error.request_id == error.response.headers["x-rulegate-request-id"]
    assert "x-rulegate-upstream-request-id" not in error.response.headers

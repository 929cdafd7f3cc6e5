"""The simulated providers on the wire, read by a client that knows no dialect."""

import asyncio
import errno
import hashlib
import io
import json

import aiohttp
import pytest

from gateway.simulator.faults import Fault, Faults, Script
from gateway.simulator.server import build_app, start
from gateway.simulator.world import Latency
from tests.simulator.plain_client import MODEL_OF, PATH_OF, Simulated

DIALECTS = pytest.mark.parametrize("dialect", ["openai", "anthropic"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
MARKER_OF = {"openai": b"data: [DONE]", "anthropic": b"event: message_stop"}
CONTENT_OF = {"openai": b'"delta":{"content":', "anthropic": b"content_block_delta"}
OPENING_OF = {"openai": b'"role":"assistant"', "anthropic": b"event: message_start"}


@DIALECTS
@STREAMED
@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault.RATE_LIMITED, {"openai": 429, "anthropic": 429}),
        (Fault.QUOTA, {"openai": 429, "anthropic": 400}),
        (Fault.SERVER_ERROR, {"openai": 500, "anthropic": 500}),
        (Fault.OVERLOADED, {"openai": 503, "anthropic": 529}),
        (Fault.AUTH, {"openai": 401, "anthropic": 401}),
        (Fault.NOT_FOUND, {"openai": 404, "anthropic": 404}),
        (Fault.BAD_REQUEST, {"openai": 400, "anthropic": 400}),
        (Fault.CONTEXT_LENGTH, {"openai": 400, "anthropic": 400}),
        (Fault.ERROR_IN_200, {"openai": 200, "anthropic": 200}),
    ],
)
async def test_an_error_has_its_status_and_a_body_in_the_dialect(
    simulated: Simulated,
    *,
    dialect: str,
    stream: bool,
    fault: Fault,
    statuses: dict[str, int],
) -> None:
    simulated.script(dialect, fault)
    async with await simulated.ask(dialect, stream=stream) as response:
        assert response.status == statuses[dialect]
        assert response.content_type == "application/json"
        assert set(await response.json()) >= {"error"}
        assert ("retry-after" in response.headers) == (fault is Fault.RATE_LIMITED)
    async with await simulated.ask(dialect, stream=stream) as response:
        assert response.status == 200


@DIALECTS
@STREAMED
async def test_a_refused_request_gets_no_byte_of_response(simulated: Simulated, *, dialect: str, stream: bool) -> None:
    simulated.script(dialect, Fault.REFUSE)
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await simulated.ask(dialect, stream=stream)
    assert caught.value.errno == errno.ECONNRESET
    last = await simulated.last()
    assert (last["ended"], last["status"], last["disconnected"]) == ("reset", None, False)


@DIALECTS
@STREAMED
async def test_a_stalled_request_lasts_until_the_client_goes(
    simulated: Simulated, *, dialect: str, stream: bool
) -> None:
    simulated.script(dialect, Fault.STALL)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(simulated.ask(dialect, stream=stream))
        while (await _journal(simulated))["open_requests"] == 0:
            assert not asking.done()
        asking.cancel()
    last = await simulated.last()
    assert (last["fault"], last["ended"], last["disconnected"]) == ("stall", None, True)


@DIALECTS
@STREAMED
async def test_a_stall_after_headers_gives_headers_and_no_content(
    simulated: Simulated,
    *,
    dialect: str,
    stream: bool,
) -> None:
    simulated.script(dialect, Fault.STALL_AFTER_HEADERS)
    response = await simulated.ask(dialect, stream=stream)
    assert response.status == 200
    journal = await _journal(simulated)
    assert (journal["open_requests"], journal["open_streams"]) == (1, int(stream))
    if stream:
        assert OPENING_OF[dialect] in await response.content.readuntil(b"\n\n")
    response.close()
    assert (await simulated.last())["disconnected"] is True


@DIALECTS
async def test_a_cut_stream_breaks_off_after_some_content(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.CUT)
    received, broken = await _receive(await simulated.ask(dialect, stream=True))
    assert broken
    assert received.count(CONTENT_OF[dialect]) >= 3
    assert MARKER_OF[dialect] not in received
    last = await simulated.last()
    assert (last["ended"], last["disconnected"]) == ("cut", False)


@DIALECTS
async def test_a_cut_whole_answer_is_shorter_than_promised(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.CUT)
    response = await simulated.ask(dialect, stream=False)
    received, broken = await _receive(response)
    assert broken
    assert 0 < len(received) < int(response.headers["content-length"])


@DIALECTS
async def test_an_error_in_a_stream_comes_after_the_opening_and_before_content(
    simulated: Simulated, dialect: str
) -> None:
    simulated.script(dialect, Fault.ERROR_IN_STREAM)
    received, broken = await _receive(await simulated.ask(dialect, stream=True))
    assert not broken
    assert OPENING_OF[dialect] in received
    assert b'"error":{' in received
    assert CONTENT_OF[dialect] not in received
    assert MARKER_OF[dialect] not in received


@DIALECTS
async def test_an_error_in_a_stream_is_an_overload_without_one(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.ERROR_IN_STREAM)
    async with await simulated.ask(dialect, stream=False) as response:
        assert response.status in {503, 529}


@DIALECTS
async def test_an_empty_stream_has_no_content_but_ends_well(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.EMPTY)
    received, broken = await _receive(await simulated.ask(dialect, stream=True))
    assert not broken
    assert CONTENT_OF[dialect] not in received
    assert MARKER_OF[dialect] in received


@DIALECTS
async def test_a_malformed_line_stands_before_the_content(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.MALFORMED_LINE)
    received, _ = await _receive(await simulated.ask(dialect, stream=True))
    readable = [_is_json(line) for line in received.splitlines() if line.startswith(b"data: ")]
    first_content = received.index(b"(simulated")
    assert readable.count(False) == 1 + (dialect == "openai")  # [DONE] is not JSON either
    assert not all(_is_json(line) for line in received[:first_content].splitlines()[:-1] if line.startswith(b"data: "))
    assert MARKER_OF[dialect] in received


@DIALECTS
async def test_a_malformed_whole_answer_is_not_json_and_has_its_full_length(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.MALFORMED_LINE)
    async with await simulated.ask(dialect, stream=False) as response:
        body = await response.read()
        assert (response.status, response.content_type) == (200, "application/json")
        assert not _is_json(b"data: " + body)


@DIALECTS
@pytest.mark.parametrize("fault", [Fault.NO_TERMINAL, Fault.NO_MARKER])
async def test_a_stream_may_end_cleanly_without_its_marker(simulated: Simulated, dialect: str, fault: Fault) -> None:
    whole, _ = await _receive(await simulated.ask(dialect, stream=True))
    simulated.script(dialect, fault)
    received, broken = await _receive(await simulated.ask(dialect, stream=True))
    assert not broken
    assert whole.startswith(received)
    assert received.count(CONTENT_OF[dialect]) == whole.count(CONTENT_OF[dialect])
    assert MARKER_OF[dialect] not in received
    reason = b'_reason":"stop"' if dialect == "openai" else b'_reason":"end_turn"'
    assert (reason in received) == (fault is Fault.NO_MARKER)


@DIALECTS
async def test_a_slow_stream_notices_at_once_that_the_client_goes(simulated: Simulated, dialect: str) -> None:
    simulated.script(dialect, Fault.SLOW, per_token_s=3600)
    response = await simulated.ask(dialect, stream=True)
    await response.content.readuntil(b"(simulated")
    assert (await _journal(simulated))["open_streams"] == 1
    response.close()
    journal = await simulated.requests()
    assert (journal["open_requests"], journal["open_streams"]) == (0, 0)
    assert (await simulated.last())["disconnected"] is True


@DIALECTS
@STREAMED
async def test_the_same_request_gets_the_same_bytes(simulated: Simulated, *, dialect: str, stream: bool) -> None:
    first, _ = await _receive(await simulated.ask(dialect, stream=stream))
    second, _ = await _receive(await simulated.ask(dialect, stream=stream))
    other, _ = await _receive(await simulated.ask(dialect, stream=stream, prompt="And green?"))
    assert first == second
    assert first != other


@DIALECTS
async def test_one_server_stands_in_for_several_providers(simulated: Simulated, dialect: str) -> None:
    simulated.faults.put(f"second/{MODEL_OF[dialect]}", Script(Fault.AUTH))
    for prefix, status in (("/first", 200), ("/second", 401), ("", 200)):
        async with await simulated.ask(dialect, stream=False, prefix=prefix) as response:
            assert response.status == status
    requests = (await simulated.requests())["requests"]
    assert isinstance(requests, list)
    assert [request["provider"] for request in requests] == ["first", "second", None]
    assert {request["dialect"] for request in requests} == {dialect}
    async with simulated.client.get(f"{simulated.url}/first/v1/models") as response:
        assert response.status == 200


async def test_scripts_are_posted_counted_down_shown_and_cleared(simulated: Simulated) -> None:
    url = f"{simulated.url}/faults"
    posted = {"model": "gpt-4o-mini", "fault": "rate_limited", "count": 2, "retry_after": 3}
    async with simulated.client.post(url, json=posted) as response:
        assert response.status == 200
    async with await simulated.ask("openai", stream=False) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "3")
    async with simulated.client.get(url) as response:
        assert await response.json() == {
            "faults": [{**posted, "count": 1, "per_token_s": None, "first_content_s": None}]
        }
    for model in ("meta/llama", "*"):
        async with simulated.client.post(url, json={"model": model, "fault": "auth"}) as response:
            assert response.status == 200
    async with simulated.client.delete(f"{url}/meta/llama") as response:
        assert [script["model"] for script in (await response.json())["faults"]] == ["gpt-4o-mini", "*"]
    async with simulated.client.delete(url) as response:
        assert await response.json() == {"faults": []}
    async with await simulated.ask("openai", stream=False) as response:
        assert response.status == 200


async def test_a_wrong_script_is_refused_and_changes_nothing(simulated: Simulated) -> None:
    async with simulated.client.post(f"{simulated.url}/faults", json={"model": "m", "fault": "no"}) as response:
        assert response.status == 400
        assert "unknown fault" in (await response.json())["error"]
    assert simulated.faults.scripts == {}


async def test_the_journal_tells_facts_and_no_secrets(simulated: Simulated) -> None:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"Authorization": "Bearer secret-1", "X-Api-Key": "secret-2", "Content-Type": "application/json"}
    async with simulated.client.post(simulated.url + PATH_OF["openai"], data=body, headers=headers) as response:
        assert response.status == 200
    journal, last = await simulated.requests(), await simulated.last()
    assert journal["models"] == {"gpt-4o-mini": 1}
    assert last["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert last["body"] == json.loads(body)
    assert last["stream"] is False
    assert last["ended"] == "complete"
    names, told = last["header_names"], last["headers"]
    assert isinstance(names, list)
    assert isinstance(told, dict)
    assert {"authorization", "x-api-key"} <= set(names)
    assert set(told) == {"content-type", "user-agent"}
    assert "secret" not in json.dumps(journal)
    async with simulated.client.delete(f"{simulated.url}/requests") as response:
        assert (await response.json())["requests"] == []
    async with simulated.client.get(f"{simulated.url}/requests?settle=soon") as response:
        assert response.status == 400


@DIALECTS
@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 200_000], ids=["cut", "list", "bytes", "deep"])
async def test_a_body_that_is_no_json_object_is_refused_in_the_dialect(
    simulated: Simulated, dialect: str, body: bytes
) -> None:
    async with simulated.client.post(simulated.url + PATH_OF[dialect], data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"
    assert (await simulated.last())["model"] == ""


async def test_a_refused_request_is_noted_under_its_model_and_takes_no_script(simulated: Simulated) -> None:
    simulated.script("openai", Fault.AUTH)
    async with await simulated.post(PATH_OF["openai"], {"model": "gpt-4o-mini"}) as response:
        assert response.status == 400
    assert (await simulated.last())["model"] == "gpt-4o-mini"
    assert set(simulated.faults.scripts) == {"gpt-4o-mini"}


async def test_a_large_body_is_read_but_not_kept(simulated: Simulated) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * 5_000_000}]}
    sent = io.BytesIO(json.dumps(body).encode())
    async with simulated.client.post(simulated.url + PATH_OF["openai"], data=sent) as response:
        assert response.status == 200
        assert (await response.json())["usage"]["prompt_tokens"] > 800_000
    last = await simulated.last()
    assert last["body"] is None
    assert isinstance(last["body_bytes"], int)
    assert last["body_bytes"] > 5_000_000


async def test_a_given_latency_is_waited_for() -> None:
    latency = Latency(first_content_s=3600, per_token_s=0, connect_s=0)
    runner, port = await start(build_app(Faults(), latencies={"gpt-4o-mini": latency}))
    try:
        async with aiohttp.ClientSession() as client:
            simulated = Simulated(f"http://127.0.0.1:{port}", Faults(), client)
            response = await simulated.ask("openai", stream=True)
            assert OPENING_OF["openai"] in await response.content.readuntil(b"\n\n")
            journal = await _journal(simulated)
            response.close()
            assert journal["open_streams"] == 1
    finally:
        await runner.cleanup()


async def test_a_taken_port_is_an_error(simulated: Simulated) -> None:
    port = int(simulated.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await start(build_app(Faults()), port=port)


async def _journal(simulated: Simulated) -> dict[str, object]:
    async with simulated.client.get(f"{simulated.url}/requests") as response:
        document: dict[str, object] = await response.json()
        return document


async def _receive(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Give what came, and whether it broke off."""
    received = b""
    async with response:
        try:
            async for portion in response.content.iter_any():
                received += portion
        except aiohttp.ClientPayloadError:
            return received, True
    return received, False


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.removeprefix(b"data: "))
    except ValueError:
        return False
    return True

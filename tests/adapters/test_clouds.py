"""Azure OpenAI, Bedrock and Vertex AI on loopback: address, credentials and body as the clouds want them.

The real clouds are not asked.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsCredentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.registry import Azure, Bedrock, Cloud, Vertex
from gateway.domain.rule import Timeouts
from gateway.domain.upstream import Call, Credentials, Library, Reply, UpstreamError, Way
from gateway.domain.words import Dialect, Failure
from tests.adapters.over import Over
from tests.adapters.upstream import Script, Upstream, answering, chunked, serving, whole
from tests.fakes.event_stream import HEAD, event, exception

ODD = b'{ "model":"gpt 4/o" ,"x":1e3,"y": 1.0 }'
MESSAGES: dict[str, Any] = {"model": "anthropic.claude-haiku-4-5-v1:0", "max_tokens": 5, "messages": [], "big": 10**30}
EVENTS = (
    '{"type":"message_start","message":{"id":"m"}}',
    '{"type":"content_block_delta","delta":{"type":"text_delta","text":"gr\u00fc\u00df \U0001f600"}}',
    '{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}',
)
CHAIN = ("AWS_", "GOOGLE_", "AZURE_", "IDENTITY_", "MSI_", "IMDS_", "GCE_", "CLOUDSDK_", "ANTHROPIC_", "OPENAI_")
"""How the variables begin by which the clouds' own chains find credentials."""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the clouds' own chains find nothing but what a test puts there."""
    for name in [name for name in os.environ if name.startswith(CHAIN)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


class Account:
    """A provider on loopback: what it saw, and a way to ask it."""

    def __init__(self, upstream: Upstream, over: Over, base: str) -> None:
        self.upstream = upstream
        self._over = over
        self._base = base

    async def ask(self, path: str, body: bytes, headers: dict[str, str] | None = None, way: Way | None = None) -> bytes:
        reply = await self.reply(path, body, headers, way)
        try:
            return await reply.read()
        finally:
            reply.close()

    async def reply(
        self, path: str, body: bytes, headers: dict[str, str] | None = None, way: Way | None = None
    ) -> Reply:
        return await self._over.send(Call("acme", self._base + path, headers or {}, body, Timeouts(), way or Way()))

    @property
    def line(self) -> str:
        return self.upstream.heads[-1].split(b"\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        lines = self.upstream.heads[-1].decode().strip().split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> Any:  # noqa: ANN401 - decoded JSON
        return json.loads(self.upstream.bodies[-1])


class At:
    """Runs an account for the length of a block."""

    def __init__(self, cloud: Cloud, given: Credentials, script: Script | None = None, path: str = "") -> None:
        self._serving = serving(script or answering(*[whole(b"{}")] * 5))
        self._cloud, self._given, self._path = cloud, given, path
        self._over: Over | None = None

    async def __aenter__(self) -> Account:
        upstream = await self._serving.__aenter__()
        base = f"http://127.0.0.1:{upstream.port}{self._path}"
        kind = Dialect.OPENAI if isinstance(self._cloud, Azure) else Dialect.ANTHROPIC
        self._over = Over(Library(kind, base, self._cloud, self._given))
        return Account(upstream, self._over, base)

    async def __aexit__(self, *error: object) -> None:
        if self._over is not None:
            await self._over.close()
        await self._serving.__aexit__(None, None, None)


def wire(account: Account) -> list[str]:
    """Name the headers that say who we are."""
    return sorted(name for name in account.headers if name in {"authorization", "api-key", "x-api-key"})


# -- Azure


async def test_azure_is_asked_at_the_deployment_of_the_model_with_its_own_key() -> None:
    """The body goes out byte for byte, and one key alone."""
    async with At(Azure("2024-10-21"), Credentials("azure-key")) as account:
        await account.ask("/chat/completions", ODD)
        assert account.line == "POST /openai/deployments/gpt%204%2Fo/chat/completions?api-version=2024-10-21 HTTP/1.1"
        assert (wire(account), account.headers["api-key"]) == (["api-key"], "azure-key")
        assert account.upstream.bodies == [ODD]


async def test_azure_is_asked_at_the_deployment_that_is_named() -> None:
    async with At(Azure("2025-04-01-preview", "prod"), Credentials("azure-key")) as account:
        await account.ask("/chat/completions", ODD)
        assert account.line == "POST /openai/deployments/prod/chat/completions?api-version=2025-04-01-preview HTTP/1.1"


@pytest.mark.parametrize("model", ["", ".", ".."])
async def test_a_model_that_would_lead_elsewhere_is_not_sent_to_azure(model: str) -> None:
    async with At(Azure("v1"), Credentials("k")) as account:
        with pytest.raises(UpstreamError, match="the client library of acme cannot send this request") as caught:
            await account.ask("/chat/completions", json.dumps({"model": model}).encode())
        assert (caught.value.failure, account.upstream.heads) == (Failure.BAD_REQUEST, [])


async def test_azure_takes_a_token_of_the_gateways_own_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A managed identity, as App Service offers it; its token is asked for once."""
    token = json.dumps(
        {"access_token": "aad-token", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
    )

    async def identity(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(whole(token.encode(), b"Content-Type: application/json"))
        await writer.drain()

    async with serving(identity) as service:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{service.port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "here")
        async with At(Azure("2024-10-21"), Credentials()) as account:
            for _ in range(2):
                await account.ask("/chat/completions", ODD)
            assert (wire(account), account.headers["authorization"]) == (["authorization"], "Bearer aad-token")
    assert len(service.heads) == 1
    assert b"cognitiveservices.azure.com" in service.heads[0]


# -- Bedrock


def signature_of(account: Account, secret: str) -> str:
    """Sign what arrived, as AWS would to compare."""
    headers = account.headers
    credential, signed, _ = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    access, _, region, service, _ = credential.removeprefix("Credential=").split("/")
    path = account.line.split()[1]
    names = signed.removeprefix("SignedHeaders=").split(";")
    signed_headers = {name: headers[name] for name in names}
    url = f"http://{headers['host']}{path}"
    request = AWSRequest(method="POST", url=url, headers=signed_headers, data=account.upstream.bodies[-1])
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(AwsCredentials(access, secret, headers.get("x-amz-security-token")), service, region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("token", [None, "session-token"])
async def test_bedrock_gets_a_request_that_is_signed(token: str | None, stream: bool) -> None:  # noqa: FBT001
    """Each header that is signed arrives as it was signed; the model is in the path and not in the body."""
    keys = Credentials(None, "AKID", "aws-secret", token)
    async with At(Bedrock("eu-central-1"), keys) as account:
        headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}
        way = Way(headers=(("Anthropic-Beta", "c"), ("x-team", "ops")))
        for extra, betas in ((None, ["a", "b"]), (way, ["c"])):
            body = {**MESSAGES, "stream": True} if stream else MESSAGES
            await account.ask("/messages", json.dumps(body).encode(), headers, extra)
            call = "invoke-with-response-stream" if stream else "invoke"
            assert account.line == f"POST /model/anthropic.claude-haiku-4-5-v1:0/{call} HTTP/1.1"
            assert f"Signature={signature_of(account, 'aws-secret')}" in account.headers["authorization"]
            assert "Credential=AKID/" in account.headers["authorization"]
            assert "/eu-central-1/bedrock/" in account.headers["authorization"]
            assert account.headers.get("x-amz-security-token") == token
            rest = {name: value for name, value in MESSAGES.items() if name != "model"}
            assert account.body == {**rest, "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": betas}
        assert (account.headers["x-team"], wire(account)) == ("ops", ["authorization"])


async def test_bedrock_takes_a_bearer_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only the one that the rules name."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "leak")
    async with At(Bedrock("us-east-1"), Credentials("bedrock-key")) as account:
        await account.ask("/messages", json.dumps(MESSAGES).encode(), {"anthropic-version": "2026-10-21"})
        assert account.headers["authorization"] == "Bearer bedrock-key"
        assert account.body["anthropic_version"] == "2026-10-21"
        assert not any(name.startswith("x-amz") for name in account.headers)
    async with At(Bedrock("us-east-1"), Credentials(None, "AKID", "aws-secret")) as account:
        await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert account.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


async def test_headers_of_the_environment_are_in_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """U-59: a signature that covers what does not arrive would be refused."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-leak: 1")
    async with At(Bedrock("us-east-1"), Credentials(None, "AKID", "aws-secret")) as account:
        await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert "leak" not in str(account.headers)
        assert signature_of(account, "aws-secret") in account.headers["authorization"]


@pytest.mark.parametrize("where", ["environment", "profile"])
async def test_bedrock_takes_what_the_chain_of_aws_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    if where == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FOUND")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found-secret")
    else:
        (tmp_path / "aws").write_text("[corp]\naws_access_key_id = FOUND\naws_secret_access_key = found-secret\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws"))
    profile = "corp" if where == "profile" else ""
    async with At(Bedrock("us-east-1", profile), Credentials()) as account:
        await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert "Credential=FOUND/" in account.headers["authorization"]
        assert signature_of(account, "found-secret") in account.headers["authorization"]


@pytest.mark.parametrize("profile", ["", "nobody"])
async def test_without_credentials_bedrock_is_not_asked(profile: str) -> None:
    async with At(Bedrock("us-east-1", profile), Credentials()) as account:
        with pytest.raises(UpstreamError, match="no credentials for acme") as caught:
            await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert (caught.value.failure, account.upstream.heads) == (Failure.AUTH, [])


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"no json", b"[" * 100_000, b'{"model": "."}', b'{"model":"m","x":"\\ud800"}']
)
async def test_what_bedrock_cannot_be_asked_is_a_request_that_is_wrong(body: bytes) -> None:
    async with At(Bedrock("us-east-1"), Credentials("k")) as account:
        with pytest.raises(UpstreamError) as caught:
            await account.ask("/messages", body)
        assert (caught.value.failure, account.upstream.heads) == (Failure.BAD_REQUEST, [])


def sse(*events: str) -> bytes:
    return b"".join(f"event: {json.loads(each)['type']}\ndata: {each}\n\n".encode() for each in events)


async def streamed(sent: list[bytes]) -> bytes:
    """Give what comes out of a stream of Bedrock's that is sent in these pieces."""
    head = b"HTTP/1.1 200 OK\r\n" + HEAD + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = chunked(*(piece for piece in sent if piece)).partition(b"\r\n\r\n")[2]
    async with serving(answering(head + body)) as upstream:
        base = f"http://127.0.0.1:{upstream.port}"
        over = Over(Library(Dialect.ANTHROPIC, base, Bedrock("us-east-1"), Credentials("k")))
        try:
            call = Call("acme", f"{base}/messages", {}, json.dumps({**MESSAGES, "stream": True}).encode(), Timeouts())
            reply = await over.send(call)
            assert reply.headers["content-type"] == "text/event-stream"
            out = b""
            try:
                while data := await reply.chunk():
                    out += data
            finally:
                reply.close()
            return out
        finally:
            await over.close()


WHOLE = b"".join(map(event, EVENTS))


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_a_stream_of_bedrock_comes_out_as_anthropics_own_however_it_is_cut(cuts: list[int]) -> None:
    """U-40."""
    at = [0, *sorted(cuts), len(WHOLE)]
    assert asyncio.run(streamed([WHOLE[a:b] for a, b in pairwise(at)])) == sse(*EVENTS)


async def test_whoever_leaves_off_waiting_for_a_stream_of_bedrock_may_go_on() -> None:
    """U-39: a silence, at which the gateway gives a sign of life, does not end the stream."""
    more = asyncio.Event()
    first, rest = WHOLE[: len(WHOLE) // 2], WHOLE[len(WHOLE) // 2 :]

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + HEAD + b"\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + first)
        await more.wait()
        writer.write(rest)

    async with At(Bedrock("us-east-1"), Credentials("k"), script) as account:
        reply = await account.reply("/messages", json.dumps({**MESSAGES, "stream": True}).encode())
        out = await reply.chunk()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await reply.chunk()
        more.set()
        while data := await reply.chunk():
            out += data
        reply.close()
    assert out == sse(*EVENTS)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("throttlingException", "rate_limit_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("internalServerException", "api_error"),
        ("validationException", "invalid_request_error"),
    ],
)
async def test_what_ends_a_stream_of_bedrock_is_an_error_in_anthropics_words(kind: str, own: str) -> None:
    out = await streamed([event(EVENTS[0]), exception(kind, "slow down")])
    error = {"type": "error", "error": {"type": own, "message": "slow down"}}
    assert out.startswith(sse(EVENTS[0]) + b"event: error\ndata: ")
    assert json.loads(out.rsplit(b"data: ", 1)[1]) == error


@pytest.mark.parametrize(
    ("status", "body", "own"),
    [
        (400, b'{"message":"Input is too long"}', (400, "invalid_request_error", "Input is too long")),
        (403, b'{"Message":"not authorized"}', (403, "permission_error", "not authorized")),
        (424, b'{"message":"the model failed"}', (500, "api_error", "the model failed")),
        (429, b'{"message":"slow down"}', (429, "rate_limit_error", "slow down")),
        (503, b'{"message":"later"}', (503, "overloaded_error", "later")),
    ],
)
@pytest.mark.parametrize("way", ["read", "chunk"])
async def test_an_error_of_bedrock_is_told_in_anthropics_words(
    status: int, body: bytes, own: tuple[int, str, str], way: str
) -> None:
    said_status, said = await refused_by_bedrock(status, body, way)
    assert (said_status, json.loads(said)) == (own[0], {"type": "error", "error": {"type": own[1], "message": own[2]}})


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b'{"message": 1}', b"[" * 100_000, b""])
async def test_an_error_before_bedrock_is_told_as_it_is(body: bytes) -> None:
    assert await refused_by_bedrock(502, body, "read") == (502, body)


async def refused_by_bedrock(status: int, body: bytes, way: str) -> tuple[int, bytes]:
    reply = whole(body, b"Retry-After: 3", status=b"%d No" % status)
    async with At(Bedrock("us-east-1"), Credentials("k"), answering(reply)) as account:
        got = await account.reply("/messages", json.dumps(MESSAGES).encode())
        assert got.headers["retry-after"] == "3"
        said = await got.read() if way == "read" else await got.chunk() + await got.chunk()
        got.close()
        return got.status, said


async def test_a_stream_of_bedrock_that_is_damaged_is_malformed() -> None:
    damaged = bytearray(WHOLE)
    damaged[len(event(EVENTS[0])) + 40] ^= 1
    with pytest.raises(UpstreamError) as caught:
        await streamed([bytes(damaged)])
    assert caught.value.failure is Failure.MALFORMED


# -- Vertex AI


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
async def test_vertex_is_asked_at_its_project_with_a_token(stream: bool, verb: str) -> None:  # noqa: FBT001
    body = {**MESSAGES, "model": "claude-haiku-4-5@20251001", "stream": stream}
    async with At(Vertex("us-east5", "my-project"), Credentials("token"), path="/v1") as account:
        await account.ask("/messages", json.dumps(body).encode(), {"anthropic-version": "2023-06-01"})
        path = "/v1/projects/my-project/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001"
        assert account.line == f"POST {path}:{verb} HTTP/1.1"
        assert (wire(account), account.headers["authorization"]) == (["authorization"], "Bearer token")
        assert account.body == {
            **{name: value for name, value in body.items() if name != "model"},
            "anthropic_version": "vertex-2023-10-16",
        }


@pytest.fixture
async def issuer() -> AsyncIterator[Upstream]:
    """What gives tokens for the key of a service account."""

    async def script(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        writer.write(whole(b'{"access_token": "minted", "expires_in": 3600}', b"Content-Type: application/json"))
        await writer.drain()

    async with serving(script) as upstream:
        yield upstream


async def test_vertex_takes_tokens_for_a_service_account(issuer: Upstream, tmp_path: Path) -> None:
    """One token for all requests until it ends, also for those that come at once."""
    file = tmp_path / "sa.json"
    file.write_text(service_account(issuer.port))
    async with At(Vertex("us-east5", "p", str(file)), Credentials(), path="/v1") as account:
        await asyncio.gather(*(account.ask("/messages", json.dumps(MESSAGES).encode()) for _ in range(5)))
        assert account.headers["authorization"] == "Bearer minted"
    assert len(issuer.heads) == 1


async def test_vertex_takes_what_the_chain_of_google_finds(
    issuer: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "found.json"
    file.write_text(service_account(issuer.port))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    async with At(Vertex("global", "p"), Credentials(), path="/v1") as account:
        await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert account.headers["authorization"] == "Bearer minted"


@pytest.mark.parametrize("written", [None, "no json", "{}"])
async def test_without_credentials_vertex_is_not_asked(tmp_path: Path, written: str | None) -> None:
    file = tmp_path / "sa.json"
    if written is not None:
        file.write_text(written)
    async with At(Vertex("us-east5", "p", str(file)), Credentials(), path="/v1") as account:
        with pytest.raises(UpstreamError, match="no credentials for acme") as caught:
            await account.ask("/messages", json.dumps(MESSAGES).encode())
        assert (caught.value.failure, account.upstream.heads) == (Failure.AUTH, [])


async def test_a_call_that_waits_for_a_token_can_be_given_up(tmp_path: Path) -> None:
    """U-35: a service that hangs keeps its thread, and no request."""
    came, leave = asyncio.Event(), asyncio.Event()

    async def hang(_: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.set()
        await leave.wait()
        writer.write(whole(b"{}", status=b"400 Bad Request"))
        await writer.drain()

    async with serving(hang) as service:
        file = tmp_path / "sa.json"
        file.write_text(service_account(service.port))
        async with At(Vertex("us-east5", "p", str(file)), Credentials(), path="/v1") as account:
            asking = asyncio.ensure_future(account.ask("/messages", json.dumps(MESSAGES).encode()))  # noqa: TID251
            await came.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            leave.set()


def service_account(port: int) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": PRIVATE_KEY,
            "client_email": "gateway@p.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"http://127.0.0.1:{port}/token",
        }
    )


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


PRIVATE_KEY = _private_key()

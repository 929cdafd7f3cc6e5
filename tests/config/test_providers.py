"""Providers: where accounts are, how they are connected to, and what of that is secret."""

import pytest

from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.config.providers import CREDENTIAL_HEADERS, FRAMING_HEADERS
from gateway.domain.registry import (
    Azure,
    Bedrock,
    Connection,
    EnvSecret,
    FileSecret,
    NoSecret,
    Provider,
    Text,
    Vertex,
    Via,
)
from gateway.domain.snapshot import Rejected, RuleFile

KEYS = "access_key_id: {env: ID}, secret_access_key: {file: /k}, session_token: {env: T}"
COMPILER = Compiler(catalogue.load())


def provider(written: str) -> Provider:
    result = COMPILER.compile((RuleFile("r.yaml", f"providers: {{p: {{{written}}}}}".encode()),))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result.providers["p"]


def problems(written: str) -> list[str]:
    result = COMPILER.compile((RuleFile("r.yaml", f"providers: {{p: {{{written}}}}}".encode()),))
    assert isinstance(result, Rejected)
    return [problem.message for problem in result.problems]


def test_without_a_word_a_provider_is_reached_by_our_own_requests_and_the_proxy_of_the_environment() -> None:
    made = provider("kind: openai, api_key: none")
    assert (made.via, made.cloud, made.connection, made.secrets) == (Via.HTTP, None, Connection(), (NoSecret(),))


def test_all_of_a_connection() -> None:
    made = provider(
        "kind: anthropic, via: sdk, api_key: {env: K}, proxy: {file: /p}, ca_file: /ca.pem, "
        "client_cert: {cert_file: /c.pem, key_file: /k.pem}, headers: {X-Team: ops, X-Key: {env: H}, x-empty: ''}"
    )
    assert made.via is Via.SDK
    assert made.connection == Connection(
        FileSecret("/p"),
        "/ca.pem",
        "/c.pem",
        "/k.pem",
        (("X-Team", Text("ops")), ("X-Key", EnvSecret("H")), ("x-empty", Text(""))),
    )
    assert made.secrets == (EnvSecret("K"), FileSecret("/p"), EnvSecret("H"))


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("none", NoSecret()),
        ('"http://proxy.example.com:3128"', Text("http://proxy.example.com:3128")),
        ('"http://[::1]:3128/"', Text("http://[::1]:3128/")),
        ("{env: PROXY}", EnvSecret("PROXY")),
    ],
)
def test_a_proxy_is_an_address_none_or_a_secret(written: str, proxy: object) -> None:
    assert provider(f"kind: openai, api_key: none, proxy: {written}").connection.proxy == proxy


@pytest.mark.parametrize(
    ("written", "cloud", "address"),
    [
        (
            'kind: openai, base_url: "https://r.openai.azure.com/openai/", azure: {api_version: "2024-10-21"}',
            Azure("2024-10-21"),
            "https://r.openai.azure.com",
        ),
        (
            'kind: openai, base_url: "https://r.openai.azure.com", azure: {api_version: v1, deployment: gpt}',
            Azure("v1", "gpt"),
            "https://r.openai.azure.com",
        ),
        (
            "kind: anthropic, bedrock: {region: eu-central-1, profile: corp}",
            Bedrock("eu-central-1", "corp"),
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
        ),
        (
            f"kind: anthropic, base_url: 'https://vpce.example', bedrock: {{region: us-east-1, {KEYS}}}",
            Bedrock("us-east-1", "", EnvSecret("ID"), FileSecret("/k"), EnvSecret("T")),
            "https://vpce.example",
        ),
        (
            "kind: anthropic, vertex: {region: us-east5, project: p-1, credentials_file: /sa.json}",
            Vertex("us-east5", "p-1", "/sa.json"),
            "https://us-east5-aiplatform.googleapis.com/v1",
        ),
        (
            "kind: anthropic, vertex: {region: global, project: p-1}",
            Vertex("global", "p-1"),
            "https://aiplatform.googleapis.com/v1",
        ),
        (
            "kind: anthropic, vertex: {region: eu, project: p-1}",
            Vertex("eu", "p-1"),
            "https://aiplatform.eu.rep.googleapis.com/v1",
        ),
    ],
)
def test_an_account_with_a_cloud_is_reached_by_the_library_at_its_address(
    written: str, cloud: object, address: str
) -> None:
    made = provider(f"{written}, api_key: none")
    assert (made.via, made.cloud, made.base_url) == (Via.SDK, cloud, address)


def test_the_keys_of_aws_are_secrets_that_must_be_had() -> None:
    made = provider(
        "kind: anthropic, api_key: none, bedrock: {region: us-east-1, access_key_id: {env: ID}, "
        "secret_access_key: {env: KEY}}"
    )
    assert made.secrets == (NoSecret(), EnvSecret("ID"), EnvSecret("KEY"), NoSecret())


@pytest.mark.parametrize("name", sorted(CREDENTIAL_HEADERS | FRAMING_HEADERS | {"x-amz-security-token"}))
def test_no_header_of_ones_own_is_a_credential_or_the_framing(name: str) -> None:
    """U-59: what says who the gateway is stands in one place."""
    (message,) = problems(f"kind: openai, api_key: none, headers: {{{name.title()}: x}}")
    assert message.startswith(name)


def test_a_broken_address_is_one_problem_with_any_cloud() -> None:
    assert problems("kind: anthropic, api_key: none, base_url: 'http://[::1', bedrock: {region: us-east-1}") == [
        "this is no address"
    ]

"""The section `providers`: where accounts are, how they are connected to, and where their secrets are."""

from typing import Final
from urllib.parse import urlsplit

from gateway.config.gates import gate_of
from gateway.config.node import Findings, Node
from gateway.domain.limit import GateKind
from gateway.domain.registry import (
    Azure,
    Bedrock,
    Cloud,
    Connection,
    EnvSecret,
    FileSecret,
    NoSecret,
    Provider,
    Secret,
    Text,
    Vertex,
    Via,
)
from gateway.domain.words import Dialect

PUBLIC_ADDRESSES: Final = {
    Dialect.OPENAI: "https://api.openai.com/v1",
    Dialect.ANTHROPIC: "https://api.anthropic.com/v1",
}
KIND_OF_CLOUD: Final = {"azure": Dialect.OPENAI, "bedrock": Dialect.ANTHROPIC, "vertex": Dialect.ANTHROPIC}
CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})
FRAMING_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "expect", "te"}
    | {"trailer", "upgrade", "keep-alive", "proxy-connection"}
)
_OF_VERTEX: Final = {
    "global": "https://aiplatform.googleapis.com/v1",
    "us": "https://aiplatform.us.rep.googleapis.com/v1",
    "eu": "https://aiplatform.eu.rep.googleapis.com/v1",
}
"""Google's addresses that are not those of one region: as its documentation, and the client library, have them."""


def provider_of(name: str, node: Node, findings: Findings) -> Provider:
    """Compile an entry of `providers`."""
    kind = Dialect(node["kind"].value)
    cloud = _cloud_of(node, kind, findings)
    return Provider(
        name=name,
        kind=kind,
        base_url=_address_of(node, kind, cloud, findings),
        api_key=secret_of(node["api_key"]),
        file=node.document.file,
        mark=node.key_mark,
        via=Via.SDK if cloud is not None else Via(node["via"].value) if "via" in node.value else Via.HTTP,
        cloud=cloud,
        connection=_connection_of(node, findings),
        responses=_responses(node, kind, findings),
        gate=gate_of(GateKind.PROVIDER, name, node, findings),
    )


def _responses(node: Node, kind: Dialect, findings: Findings) -> bool | None:
    """Say whether a provider has the endpoint of OpenAI's responses, None where that is left to the catalogue."""
    written = node.get("responses")
    if written is None:
        return None
    if written.value and kind is not Dialect.OPENAI:
        findings.add(written.problem("only a provider of kind openai has /responses", "leave 'responses' out here"))
    return bool(written.value)


def secret_of(node: Node) -> Secret:
    """Compile where a secret is."""
    if node.value == "none":
        return NoSecret()
    return EnvSecret(node["env"].value) if "env" in node.value else FileSecret(node["file"].value)


def _address_of(node: Node, kind: Dialect, cloud: Cloud | None, findings: Findings) -> str:
    written = node.get("base_url")
    if written is not None and _is_address(written, findings):
        address: str = written.value.rstrip("/")
    elif cloud is not None:
        address = _public(cloud)
    else:
        address = PUBLIC_ADDRESSES[kind]
    match cloud:
        case None if kind is Dialect.ANTHROPIC and not urlsplit(address).path.endswith("/v1"):
            return f"{address}/v1"  # Anthropic's own clients take the address without it
        case Azure():
            return address.removesuffix("/openai")
        case _:
            return address


def _public(cloud: Cloud) -> str:
    match cloud:
        case Azure():
            return ""  # each resource has an address of its own: a Problem where none is given
        case Bedrock():
            return f"https://bedrock-runtime.{cloud.region}.amazonaws.com"
        case Vertex():
            return _OF_VERTEX.get(cloud.region, f"https://{cloud.region}-aiplatform.googleapis.com/v1")


def _is_address(node: Node, findings: Findings) -> bool:
    """Say whether an address leads somewhere and holds no secret; it is not repeated, for it may be one."""
    try:
        parts = urlsplit(node.value)
        leads = bool(parts.hostname) and parts.port != 0
        secret = parts.username is not None
    except ValueError:
        leads = secret = False
    if not leads:
        findings.add(node.problem("this is no address", "write http://HOST:PORT/v1, and an IPv6 host in []"))
    elif secret:
        findings.add(node.problem("an address cannot hold a user or a password", "name the key under api_key:"))
    return leads and not secret


def _connection_of(node: Node, findings: Findings) -> Connection:
    cert, ca_file, headers = node.get("client_cert"), node.get("ca_file"), node.get("headers")
    return Connection(
        proxy=_proxy_of(node, findings),
        ca_file=ca_file.value if ca_file else "",
        cert_file=cert["cert_file"].value if cert else "",
        key_file=cert["key_file"].value if cert else "",
        headers=_headers_of(headers, findings) if headers else (),
    )


def _proxy_of(node: Node, findings: Findings) -> Text | Secret | None:
    written = node.get("proxy")
    if written is None:
        return None
    if written.value == "none" or not isinstance(written.value, str):
        return secret_of(written)
    try:
        parts = urlsplit(written.value)
        leads, secret = bool(parts.hostname) and parts.port != 0, parts.username is not None
    except ValueError:
        leads = secret = False
    if not leads:
        findings.add(written.problem("this is no address of a proxy", "write http://HOST:PORT"))
    elif secret:
        hint = "put the whole address into a variable or a file: {env: NAME} or {file: PATH}"
        findings.add(written.problem("an address cannot hold a user or a password", hint))
    return Text(written.value)


def _headers_of(node: Node, findings: Findings) -> tuple[tuple[str, Text | Secret], ...]:
    headers: dict[str, tuple[str, Text | Secret]] = {}
    for name, value in node.items():
        lower = name.lower()
        if lower in CREDENTIAL_HEADERS or lower.startswith("x-amz-"):
            findings.add(
                value.problem(f"{lower} is a credential, not a header of one's own", "use api_key:", at_key=True)
            )
        elif lower in FRAMING_HEADERS:
            words = f"{lower} is the connection's own, and cannot be set"
            findings.add(value.problem(words, "remove it", at_key=True))
        elif lower in headers:
            findings.add(value.problem(f"{lower} is there twice", "keep one of them", at_key=True))
        headers[lower] = name, Text(value.value) if isinstance(value.value, str) else secret_of(value)
    return tuple(headers.values())


def _cloud_of(node: Node, kind: Dialect, findings: Findings) -> Cloud | None:
    """Compile the account with a cloud, if there is one."""
    written = [(name, within) for name, within in node.items() if name in KIND_OF_CLOUD]
    if not written:
        return None
    name, within = written[0]
    for _, other in written[1:]:
        findings.add(other.problem(f"the provider is {name} already", "make another provider of it", at_key=True))
    if kind is not KIND_OF_CLOUD[name]:
        right = KIND_OF_CLOUD[name]
        findings.add(node["kind"].problem(f"{name} is not reached as {kind}", f"write kind: {right}"))
    if "via" in node.value and node["via"].value == Via.HTTP:
        findings.add(node["via"].problem(f"{name} is reached by the client library", "leave via: out"))
    match name:
        case "azure":
            if "base_url" not in node.value:
                hint = "add base_url: https://NAME.openai.azure.com"
                findings.add(within.problem("a resource of Azure has an address of its own", hint, at_key=True))
            return Azure(within["api_version"].value, _text(within, "deployment"))
        case "bedrock":
            return _bedrock_of(node, within, findings)
        case _:
            return Vertex(within["region"].value, within["project"].value, _text(within, "credentials_file"))


def _bedrock_of(node: Node, within: Node, findings: Findings) -> Bedrock:
    names = ("access_key_id", "secret_access_key", "session_token")
    secrets = {name: secret_of(within[name]) for name in names if name in within.value}
    account = Bedrock(within["region"].value, _text(within, "profile"), **secrets)
    needed = {"access_key_id", "secret_access_key"}
    if secrets and not needed <= secrets.keys():
        lacking = min(needed - secrets.keys())
        findings.add(within.problem(f"missing field '{lacking}' beside the keys of AWS", at_key=True))
    given = [*(["api_key"] if node["api_key"].value != "none" else []), *(["profile"] if account.profile else [])]
    given += ["access_key_id"] if secrets else []
    if len(given) > 1:
        words = f"{' and '.join(given)} are different credentials for the same account"
        findings.add(within.problem(words, f"keep one of {', '.join(given)}", at_key=True))
    return account


def _text(node: Node, key: str) -> str:
    written = node.get(key)
    return written.value if written else ""

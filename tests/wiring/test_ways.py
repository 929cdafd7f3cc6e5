"""How providers are connected to, from the rules: proxies, certificates, headers and libraries; and what is lacking."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from gateway.adapters.tls import Contexts, TrustError
from gateway.config import catalogue
from gateway.config.compile import Compiler
from gateway.config.secrets import missing
from gateway.domain.registry import Bedrock, EnvSecret
from gateway.domain.snapshot import Rejected, RuleFile, Snapshot
from gateway.domain.upstream import Credentials, Library, Way
from gateway.domain.words import Dialect
from gateway.runtime.ports import Target
from gateway.wiring import ways
from gateway.wiring.rules import simulated_targets
from gateway.wiring.ways import real_targets, trust_of, unreachable
from tests.fakes.certificates import certified, client_of

COMPILER = Compiler(catalogue.load())
CONTEXTS = Contexts()
ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def snapshot(*written: str) -> Snapshot:
    text = "providers:\n" + "".join(f"  p{number}: {{{each}}}\n" for number, each in enumerate(written))
    result = COMPILER.compile((RuleFile("r.yaml", text.encode()),))
    assert not isinstance(result, Rejected), "\n".join(map(str, result.problems))
    return result


def target(written: str, **environment: str) -> Target:
    return real_targets(CONTEXTS, environment)(snapshot(written))["p0"]


def faults(written: str, **environment: str) -> list[str]:
    return [str(problem) for problem in unreachable(snapshot(written), environment)]


PLAIN = 'kind: openai, base_url: "https://llm.example.test/v1", api_key: none'


def test_the_proxy_of_the_environment_is_that_of_providers_that_name_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """U-116: as it is at each reload; what is on this machine, and what NO_PROXY names, is reached without one."""
    assert target(PLAIN).way.proxy == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://env:3128")
    assert target(PLAIN).way.proxy == "http://env:3128"
    assert target(PLAIN.replace("https:", "http:")).way.proxy == ""
    assert target(PLAIN.replace("llm.example.test", "127.0.0.1")).way.proxy == ""
    assert target(f"{PLAIN}, proxy: none").way.proxy == ""
    assert target(f'{PLAIN}, proxy: "http://own:1"').way.proxy == "http://own:1"
    assert target(f"{PLAIN}, proxy: {{env: P}}", P="http://me:pw@own:1").way.proxy == "http://me:pw@own:1"
    monkeypatch.setenv("NO_PROXY", "other.test,.example.test")
    assert target(PLAIN).way.proxy == ""


def test_a_proxy_that_is_none_is_a_problem_that_does_not_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """U-114."""
    said = "has no address such as http://HOST:PORT (mend it, or say proxy: none)"
    for secret in ("socks5://me:pw@own:1", "nonsense", "http://"):
        assert faults(f"{PLAIN}, proxy: {{env: P}}", P=secret) == [f"r.yaml:2:3: provider 'p0': its proxy {said}"]
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:pw@env:1")
    assert faults(PLAIN) == [f"r.yaml:2:3: provider 'p0': the proxy of the environment {said}"]


def test_headers_are_text_or_secrets_and_must_be_such_as_can_be_sent() -> None:
    written = f"{PLAIN}, headers: {{X-Team: ops, X-Key: {{env: H}}}}"
    assert target(written, H="h").way.headers == (("X-Team", "ops"), ("X-Key", "h"))
    assert faults(written, H="h") == []
    (said,) = faults(written, H="two\nlines")
    assert said.startswith("r.yaml:2:3: provider 'p0': the value of the header X-Key cannot be sent")


def test_secrets_of_a_connection_that_cannot_be_had_are_named() -> None:
    rules = snapshot(
        f"{PLAIN}, proxy: {{env: P}}, headers: {{x-key: {{env: H}}}}",
        "kind: anthropic, api_key: none, bedrock: {region: us-east-1, access_key_id: {env: I}, "
        "secret_access_key: {env: S}}",
    )
    said = [problem.message for problem in missing(rules, {"S": "s"})]
    assert said == [
        "provider 'p0' needs environment variable P",
        "provider 'p0' needs environment variable H",
        "provider 'p1' needs environment variable I",
    ]


def test_certificates_are_read_when_rules_are_taken_up_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    """U-116 U-126."""
    ca = certified(tmp_path, "llm.example.test").authority
    client = client_of(tmp_path, "gateway")
    files = f"ca_file: {ca}, client_cert: {{cert_file: {client.cert}, key_file: {client.key}}}"
    assert faults(f"{PLAIN}, {files}") == []
    way = target(f"{PLAIN}, {files}").way
    assert (way.trust.ca_file, way.trust.cert_file, way.trust.key_file) == (str(ca), str(client.cert), str(client.key))
    assert CONTEXTS.of(way.trust) is CONTEXTS.of(target(f"{PLAIN}, {files}").way.trust)
    (said,) = faults(f"{PLAIN}, ca_file: {tmp_path}/gone.pem")
    assert said == f"r.yaml:2:3: provider 'p0': file {tmp_path}/gone.pem cannot be read (mend it, or the path)"
    (tmp_path / "bad.pem").write_text("no certificate")
    (said,) = faults(f"{PLAIN}, ca_file: {tmp_path}/bad.pem")
    assert "bad.pem holds no certificates to trust, as PEM" in said
    for cert, key in ((client.cert, tmp_path / "server.key"), (ca, ca), (client.cert, client.encrypted)):
        (said,) = faults(f"{PLAIN}, client_cert: {{cert_file: {cert}, key_file: {key}}}")
        assert f"files {cert} and {key} are no certificate and its key, as PEM and not encrypted" in said


def test_the_key_of_a_service_account_that_is_not_there_is_named(tmp_path: Path) -> None:
    """U-126."""
    written = (
        f"kind: anthropic, api_key: none, vertex: {{region: us, project: p, credentials_file: {tmp_path}/sa.json}}"
    )
    (said,) = faults(written)
    assert said == f"r.yaml:2:3: provider 'p0': file {tmp_path}/sa.json cannot be read (mend it, or the path)"
    (tmp_path / "sa.json").write_text("{}")
    assert faults(written) == []


def test_a_file_that_goes_while_rules_are_taken_up_stops_nothing(tmp_path: Path) -> None:
    way = target(f"{PLAIN}, ca_file: {tmp_path}/gone.pem").way
    with pytest.raises(TrustError, match=r"gone\.pem"):
        CONTEXTS.of(way.trust)
    assert trust_of(snapshot(f"{PLAIN}, ca_file: {tmp_path}/gone.pem").providers["p0"]).stamp == ""


def test_a_library_is_told_what_it_needs_and_the_dialect_no_key_of_a_cloud() -> None:
    """U-59: never both keys."""
    made = target("kind: openai, via: sdk, api_key: {env: K}", K="k")
    assert (made.secret, made.way.library) == ("k", Library(Dialect.OPENAI, "https://api.openai.com/v1"))
    made = target(
        "kind: anthropic, api_key: none, bedrock: {region: us-east-1, access_key_id: {env: I}, "
        "secret_access_key: {env: S}}",
        I="id",
        S="s",
    )
    assert made.secret is None
    assert made.way.library == Library(
        Dialect.ANTHROPIC,
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        Bedrock("us-east-1", "", EnvSecret("I"), EnvSecret("S")),
        Credentials(None, "id", "s", None),
    )
    made = target("kind: anthropic, api_key: {env: K}, vertex: {region: us, project: p}", K="k")
    assert made.secret is None
    assert made.way.library is not None
    assert made.way.library.credentials == Credentials("k")
    assert "api_key='k'" not in repr(made)


@pytest.mark.parametrize(
    ("written", "extra"),
    [
        ("kind: anthropic, api_key: none, bedrock: {region: us-east-1}", "bedrock"),
        ("kind: anthropic, api_key: {env: K}, bedrock: {region: us-east-1}", "bedrock"),
        ("kind: anthropic, api_key: none, vertex: {region: us, project: p}", "vertex"),
        ('kind: openai, api_key: none, base_url: "https://r.example", azure: {api_version: v}', "azure"),
        ("kind: anthropic, api_key: {env: K}, vertex: {region: us, project: p}", ""),
        ('kind: openai, api_key: {env: K}, base_url: "https://r.example", azure: {api_version: v}', ""),
        ("kind: openai, via: sdk, api_key: none", ""),
    ],
)
def test_an_extra_that_is_not_installed_is_a_problem_that_names_it(
    monkeypatch: pytest.MonkeyPatch, written: str, extra: str
) -> None:
    """U-126."""

    def bare(name: str) -> ModuleSpec | None:
        if name.partition(".")[0] == "google":
            raise ModuleNotFoundError(name)
        return None if name.partition(".")[0] in {"boto3", "azure"} else importlib.util.find_spec(name)

    assert faults(written, K="k") == []
    monkeypatch.setattr(ways, "find_spec", bare)
    expected = f"{extra} needs an extra that is not installed (pip install 'rulegate[{extra}]')"
    assert faults(written, K="k") == ([f"r.yaml:2:3: provider 'p0': {expected}"] if extra else [])


def test_a_rehearsal_takes_no_way_but_its_own() -> None:
    """U-54: no proxy, no certificate, no header, no library, no secret."""
    rules = snapshot(
        f"{PLAIN}, proxy: {{env: P}}, ca_file: /gone.pem, headers: {{x-key: {{env: H}}}}",
        "kind: anthropic, api_key: {env: K}, bedrock: {region: us-east-1}",
    )
    for made in simulated_targets("http://127.0.0.1:1")(rules).values():
        assert made.secret is None
        assert (made.way.proxy, made.way.headers, made.way.library) == ("", (), Way().library)
        assert made.way.trust == Way().trust


IMPORTS = """
import sys
import gateway.app
from tests.wiring.test_ways import target

seen = []
for written in ("", ", via: sdk"):
    target(f"kind: openai, api_key: none{written}")
    seen.append([name for name in ("openai", "anthropic", "botocore") if name in sys.modules])
print(seen)
"""


def test_a_library_is_imported_with_the_rules_that_need_it() -> None:
    """U-120: not before, no other one, and when rules are taken up rather than with the first request."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[[], ['openai']]\n", "")

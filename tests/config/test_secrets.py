"""Secrets are named, found or missing; they are never told."""

from dataclasses import replace
from pathlib import Path

from gateway.config.secrets import address_of, missing, resolve, wanted
from gateway.domain.delivery import Address
from gateway.domain.problem import Mark
from gateway.domain.registry import EnvSecret, FileSecret, NoSecret, Provider, Secret
from gateway.domain.words import Dialect
from tests.fakes.values import snapshot_of

HINT = "or rehearse without keys: rulegate serve --simulate"


def test_a_secret_comes_from_the_environment_or_a_file_without_white_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  sk-1\n")
    assert resolve(EnvSecret("K"), {"K": "sk-2"}) == "sk-2"
    assert resolve(FileSecret(str(tmp_path / "key")), {}) == "sk-1"
    assert resolve(NoSecret(), {"K": "x"}) is None


def test_what_cannot_be_had_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert resolve(EnvSecret("K"), {"K": ""}) is None
    for name in ("empty", "binary", "gone", "."):
        assert resolve(FileSecret(str(tmp_path / name)), {}) is None


def test_a_missing_secret_is_told_at_its_provider_with_the_remedy(tmp_path: Path) -> None:
    """U-92, U-126."""
    secrets: dict[str, Secret] = {"a": EnvSecret("K"), "b": FileSecret(str(tmp_path / "x")), "c": NoSecret()}
    providers = {
        name: Provider(name, Dialect.OPENAI, "http://x", secret, "f.yaml", Mark(3, 5))
        for name, secret in secrets.items()
    }
    snapshot = replace(snapshot_of(), providers=providers)
    assert [str(problem) for problem in missing(snapshot, {})] == [
        f"f.yaml:3:5: provider 'a' needs environment variable K (set it, {HINT})",
        f"f.yaml:3:5: provider 'b' needs file {tmp_path}/x (write the key there, {HINT})",
    ]
    (tmp_path / "x").write_text("sk-live")
    assert missing(snapshot, {"K": "sk-live"}) == ()
    assert [wanted(secret) for secret in secrets.values()] == ["environment variable K", f"file {tmp_path}/x", ""]


RECEIVERS = """\
receivers:
  hook: {kind: generic, url: {env: HOOK}, signing_secret: [{env: NEW}, {env: OLD}]}
  page: {kind: pagerduty, routing_key: {env: ROUTING}}
"""


def test_a_missing_secret_is_told_at_its_receiver_too() -> None:
    """Each part of an address is a secret of its own."""
    snapshot = snapshot_of(RECEIVERS)
    assert [str(problem) for problem in missing(snapshot, {"HOOK": "http://hook", "OLD": "whsec_old"})] == [
        f"01.yaml:2:3: receiver 'hook' needs environment variable NEW (set it, {HINT})",
        f"01.yaml:3:3: receiver 'page' needs environment variable ROUTING (set it, {HINT})",
    ]


def test_an_address_is_what_its_secrets_say_the_newest_signing_secret_first() -> None:
    receivers = snapshot_of(RECEIVERS).receivers
    environment = {"HOOK": " http://hook/ ", "NEW": "whsec_new", "OLD": "whsec_old", "ROUTING": "key"}
    assert address_of(receivers["hook"], environment) == Address("http://hook/", "", ("whsec_new", "whsec_old"))
    assert address_of(receivers["page"], environment) == Address("", "key")
    assert address_of(receivers["hook"], {}) == Address()

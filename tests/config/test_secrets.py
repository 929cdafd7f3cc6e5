"""Secrets are named, found or missing; they are never told."""

from pathlib import Path

from gateway.config.secrets import missing, resolve, wanted
from gateway.domain.problem import Mark
from gateway.domain.registry import EnvSecret, FileSecret, NoSecret, Provider, Secret
from gateway.domain.words import Dialect


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
    hint = "or rehearse without keys: rulegate serve --simulate"
    assert [str(problem) for problem in missing(providers, {})] == [
        f"f.yaml:3:5: provider 'a' needs environment variable K (set it, {hint})",
        f"f.yaml:3:5: provider 'b' needs file {tmp_path}/x (write the key there, {hint})",
    ]
    (tmp_path / "x").write_text("sk-live")
    assert missing(providers, {"K": "sk-live"}) == ()
    assert [wanted(secret) for secret in secrets.values()] == ["environment variable K", f"file {tmp_path}/x", ""]

"""The `callers` section: what each field becomes, and what stands for what is left out."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from gateway.domain.caller import UNLIMITED, Caller
from gateway.domain.limit import Limits
from gateway.domain.snapshot import Rejected, RuleFile
from tests.fakes.values import REGISTRY, compiler, snapshot_of


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def caller(written: str) -> Caller:
    """Compile a caller with these fields beside its key."""
    fields = f", {written}" if written else ""
    callers = snapshot_of(f'callers: {{bot: {{key_sha256: "{hashed("key")}"{fields}}}}}').callers
    return callers.named("bot")


def test_a_key_is_all_that_a_caller_needs() -> None:
    """What is left out means anything: every model, for ever, without limit, and no operator."""
    made = caller("")
    assert made == Caller("bot", "", frozenset(), None, None, operator=False, limits=UNLIMITED)
    assert (made.file, made.mark.line, made.mark.column) == ("01.yaml", 1, 11)


def test_every_field_of_a_caller_is_compiled() -> None:
    written = (
        "team: growth, tags: [batch, eu], models: [small, large], expires: 2026-12-31, operator: true, "
        "limits: {requests: 600/min, tokens: 100000/min, concurrent: 20}"
    )
    assert caller(written) == Caller(
        name="bot",
        team="growth",
        tags=frozenset({"batch", "eu"}),
        models=frozenset({"small", "large"}),
        expires=datetime(2027, 1, 1, tzinfo=UTC),
        operator=True,
        limits=Limits(600, 100_000, 20),
    )


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("requests: 1/min", Limits(requests=1)),
        ("tokens: 999999999999/min", Limits(tokens=999_999_999_999)),
        ("concurrent: 1", Limits(concurrent=1)),
    ],
)
def test_a_limit_that_is_left_out_is_none(written: str, limits: Limits) -> None:
    assert caller(f"limits: {{{written}}}").limits == limits


def test_each_of_several_keys_is_the_callers() -> None:
    """While keys are changed, the old one and the new one open the same door, whatever the case of their hashes."""
    hashes = f"[{hashed('old')}, '{hashed('new').upper()}']"
    callers = snapshot_of(f"callers: {{bot: {{key_sha256: {hashes}}}}}").callers
    assert callers.holder("old") == callers.holder("new") == Caller("bot")
    assert callers.holder(hashed("old")) is None


def test_callers_of_all_files_are_one_list() -> None:
    texts = [f'callers: {{{name}: {{key_sha256: "{hashed(name)}"}}}}' for name in ("one", "two")]
    callers = snapshot_of(*texts).callers
    assert list(callers.by_name) == ["one", "two"]
    assert [holder.name for key in ("one", "two") if (holder := callers.holder(key))] == ["one", "two"]


def test_without_a_section_nobody_needs_a_key() -> None:
    """U-109: there is no caller, and no key, that nobody has written."""
    assert not snapshot_of().callers.needed
    assert not snapshot_of("callers: {}").callers.needed


def test_a_list_of_models_is_not_blamed_for_a_registry_that_cannot_be_read() -> None:
    broken = RuleFile("00.yaml", REGISTRY.replace("models:", "modles:").encode())
    text = f'callers: {{bot: {{key_sha256: "{hashed("key")}", models: [small]}}}}'
    result = compiler().compile((broken, RuleFile("01.yaml", text.encode())))
    assert isinstance(result, Rejected)
    assert {problem.file for problem in result.problems} == {"00.yaml"}

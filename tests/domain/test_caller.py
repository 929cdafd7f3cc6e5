"""Who holds a key, what it opens, and until when."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.caller import NO_CALLERS, NOBODY, Caller, Callers

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, unique=True), st.text(max_size=12))
def test_a_key_finds_its_holder_and_no_other_key_finds_anybody(keys: list[str], other: str) -> None:
    """U-109: by the hash of the whole key."""
    holders = {key: Caller(f"caller-{number}") for number, key in enumerate(keys)}
    callers = Callers.of((digest(key), caller) for key, caller in holders.items())
    assert {key: callers.holder(key) for key in keys} == holders
    assert (callers.holder(other) is None) == (other not in keys)


def test_hashes_that_begin_alike_are_told_apart() -> None:
    """U-109: what is found by its beginning is compared to its end."""
    real = digest("key-of-bot")
    near = real[:-1] + bytes([real[-1] ^ 1])
    assert Callers.of([(near, Caller("near"))]).holder("key-of-bot") is None
    assert Callers.of([(near, Caller("near")), (real, Caller("bot"))]).holder("key-of-bot") == Caller("bot")


def test_bytes_that_are_no_text_are_nobodys_key() -> None:
    """U-113: a header may hold any bytes."""
    callers = Callers.of([(digest("key"), Caller("bot"))])
    assert callers.holder("\udcff\udc80") is None


def test_a_key_is_needed_as_soon_as_there_is_a_caller() -> None:
    callers = Callers.of([(digest("a"), Caller("bot")), (digest("b"), Caller("bot"))])
    assert callers.needed
    assert not NO_CALLERS.needed
    assert (callers.named("bot"), callers.named("nobody"), len(callers.by_name)) == (Caller("bot"), NOBODY, 1)


def test_a_hash_is_in_no_word_about_the_callers() -> None:
    """U-114: not even in a traceback's."""
    assert digest("a").hex()[:8] not in repr(Callers.of([(digest("a"), Caller("bot"))]))
    assert str(digest("a"))[2:8] not in repr(Callers.of([(digest("a"), Caller("bot"))]))


def test_a_caller_may_use_its_models_and_without_a_list_all() -> None:
    locked = Caller("bot", models=frozenset({"small"}))
    assert (locked.may_use("small"), locked.may_use("large"), NOBODY.may_use("large")) == (True, False, True)


def test_a_key_expires_at_its_moment_and_not_before() -> None:
    caller = Caller("bot", expires=NOON)
    assert [caller.expired(NOON + timedelta(microseconds=step)) for step in (-1, 0, 1)] == [False, True, True]
    assert not NOBODY.expired(NOON)

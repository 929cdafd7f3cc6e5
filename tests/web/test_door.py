"""The door: which keys open it, who may operate, and which pages in a browser are kept out."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.caller import NO_CALLERS, NOBODY, Caller, Callers
from gateway.domain.refusal import Refusal
from gateway.web.door import (
    EXPIRED_KEY,
    FOREIGN,
    LOOPBACK_ONLY,
    NO_KEY,
    UNKNOWN_KEY,
    Door,
    caller_of,
    is_foreign,
    is_loopback,
)

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
BOT = Caller("bot")
OLD = Caller("old", expires=AT)
OPERATOR = Caller("op", operator=True, expires=AT + timedelta(seconds=1))
CALLERS = Callers.of((sha256(f"key-{each.name}".encode()).digest(), each) for each in (BOT, OLD, OPERATOR))
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"

KEYS: dict[str, tuple[dict[str, str], Caller | Refusal]] = {
    "a bearer": ({"Authorization": "Bearer key-bot"}, BOT),
    "a bearer in any case": ({"Authorization": "bEARER  key-bot "}, BOT),
    "an x-api-key": ({"x-api-key": " key-bot"}, BOT),
    "one of two": ({"Authorization": "Bearer nobody", "x-api-key": "key-bot"}, BOT),
    "one that has not expired": ({"Authorization": "Bearer key-old", "x-api-key": "key-bot"}, BOT),
    "nothing": ({}, NO_KEY),
    "an empty key": ({"Authorization": "Bearer ", "x-api-key": ""}, NO_KEY),
    "another scheme": ({"Authorization": "Basic key-bot"}, NO_KEY),
    "no scheme": ({"Authorization": "key-bot"}, NO_KEY),
    "another key": ({"x-api-key": "key-BOT"}, UNKNOWN_KEY),
    "the hash of a key": ({"x-api-key": sha256(b"key-bot").hexdigest()}, UNKNOWN_KEY),
    "the name of a caller": ({"x-api-key": "bot"}, UNKNOWN_KEY),
    "an expired key": ({"x-api-key": "key-old"}, EXPIRED_KEY),
}


@pytest.mark.parametrize(("headers", "who"), KEYS.values(), ids=KEYS.keys())
def test_who_has_a_key(headers: dict[str, str], who: Caller | Refusal) -> None:
    """U-109: from everywhere alike, and whatever a browser says beside it."""
    assert caller_of(headers, CALLERS, AT) == who
    for door in (Door(), Door(any_name=True)):
        assert door.enter({**headers, "Host": "evil.example"}, CALLERS, AT) == who
        assert door.enter(headers, NO_CALLERS, AT) == NOBODY


@given(st.text(st.characters(exclude_categories=[])))
def test_no_word_of_a_refused_request_is_repeated(key: str) -> None:
    """U-114: and no bytes of a header are a mistake of ours."""
    refusals = {NO_KEY, UNKNOWN_KEY}
    for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}, {"Authorization": key}):
        assert caller_of(headers, CALLERS, AT) in refusals


OPERATE: dict[str, tuple[dict[str, str], str | None, Callers, Caller | Refusal]] = {
    "this machine without a key": ({}, HERE, CALLERS, NOBODY),
    "this machine with any key": ({"x-api-key": "key-bot"}, "::1", CALLERS, NOBODY),
    "an operator from elsewhere": ({"x-api-key": "key-op"}, ELSEWHERE, CALLERS, OPERATOR),
    "nobody from elsewhere": ({}, ELSEWHERE, CALLERS, NO_KEY),
    "an unknown key from elsewhere": ({"x-api-key": "nobody"}, ELSEWHERE, CALLERS, UNKNOWN_KEY),
    "an expired key from elsewhere": ({"x-api-key": "key-old"}, ELSEWHERE, CALLERS, EXPIRED_KEY),
    "where there are no callers": ({"x-api-key": "key-op"}, ELSEWHERE, NO_CALLERS, LOOPBACK_ONLY),
    "a peer without an address": ({}, None, CALLERS, NO_KEY),
    "a page of another site on this machine": ({"Origin": "http://evil.example", "Host": HERE}, HERE, CALLERS, FOREIGN),
    "a page with an operator's key": ({"Origin": "http://x.example", "x-api-key": "key-op"}, HERE, CALLERS, OPERATOR),
    "a proxy on this machine": ({"Host": "gateway.example.com"}, HERE, CALLERS, FOREIGN),
}


@pytest.mark.parametrize(("headers", "peer", "callers", "who"), OPERATE.values(), ids=OPERATE.keys())
def test_who_operates(headers: dict[str, str], peer: str | None, callers: Callers, who: Caller | Refusal) -> None:
    """U-110 U-111: this machine itself, and elsewhere the holders of an operator's key alone."""
    assert Door(any_name=True).operate(headers, peer, callers, AT) == who


def test_a_caller_that_is_no_operator_is_told_what_is_missing() -> None:
    """U-111: its key is right, and yet does not open this."""
    refusal = Door().operate({"x-api-key": "key-bot"}, ELSEWHERE, CALLERS, AT)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.message) == (403, "caller 'bot' is not marked 'operator: true'")


NAMES = frozenset({"gateway.internal", "0.0.0.0"})
OURS: dict[str, dict[str, str]] = {
    "an SDK": {"Host": "127.0.0.1:8080"},
    "no host at all": {},
    "IPv6": {"Host": "[::1]:8080"},
    "localhost": {"Host": "LOCALHOST:8080"},
    "the listening name": {"Host": "Gateway.internal:8080"},
    "our own page": {"Origin": "http://localhost:8080", "Host": "localhost:8080"},
    "our own page, in another case": {"Origin": "HTTP://Localhost:8080", "Host": "localhost:8080"},
    "our own page behind TLS": {"Origin": "https://[::1]", "Host": "[::1]"},
}
THEIRS: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example", "Host": "127.0.0.1:8080"},
    "another port of this machine": {"Origin": "http://127.0.0.1:3000", "Host": "127.0.0.1:8080"},
    "a page without an origin": {"Origin": "null", "Host": "127.0.0.1:8080"},
    "an empty origin": {"Origin": "", "Host": "127.0.0.1:8080"},
    "an origin and no host": {"Origin": "http://"},
    "a name made to lead here": {"Origin": "http://evil.example:8080", "Host": "evil.example:8080"},
    "that name without an origin": {"Host": "evil.example"},
    "a name that begins like ours": {"Host": "localhost.evil.example:8080"},
    "a name with ours before it": {"Host": "localhost@evil.example"},
    "a host that is none": {"Host": "[::1:8080"},
    "an empty name": {"Host": ":8080"},
}


@pytest.mark.parametrize("headers", OURS.values(), ids=OURS.keys())
def test_who_asks_for_itself_comes_in(headers: dict[str, str]) -> None:
    assert not is_foreign(headers, NAMES)
    assert Door(NAMES).enter(headers, NO_CALLERS, AT) == NOBODY


@pytest.mark.parametrize("headers", THEIRS.values(), ids=THEIRS.keys())
def test_a_page_of_another_site_is_kept_out(headers: dict[str, str]) -> None:
    """U-110: whether its origin tells it, or the name that was made to lead here."""
    assert is_foreign(headers, NAMES)
    assert Door(NAMES).enter(headers, NO_CALLERS, AT) == FOREIGN
    assert Door(NAMES).operate(headers, HERE, NO_CALLERS, AT) == FOREIGN


def test_where_anybody_may_ask_any_name_does_and_other_sites_still_do_not() -> None:
    """U-110: --allow-anonymous is for networks, whose names nobody can know; no browser is told to use it."""
    door = Door(NAMES, any_name=True)
    assert door.enter({"Host": "rulegate:8080"}, NO_CALLERS, AT) == NOBODY
    assert door.enter({"Host": "rulegate:8080", "Origin": "http://evil.example"}, NO_CALLERS, AT) == FOREIGN
    assert door.operate({"Host": "rulegate:8080"}, HERE, NO_CALLERS, AT) == FOREIGN


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:203.0.113.7", False),
        ("203.0.113.7", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_a_peer_is_on_this_machine(peer: str | None, here: bool) -> None:  # noqa: FBT001 - a column
    assert is_loopback(peer) is here

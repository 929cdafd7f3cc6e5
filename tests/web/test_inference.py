"""The edge: whatever is sent is answered in the caller's dialect, and a mistake of ours is answered too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.inference import kept_headers
from tests.fakes.daemon import PATHS, body_of, daemon
from tests.fakes.rule_files import MODELS, UPSTREAM, chosen_by_header

ODD: dict[str, Any] = {
    "a string for messages": {"messages": "hello"},
    "no messages": {"messages": []},
    "messages that are no objects": {"messages": [1, None, "hello", []]},
    "content that is a number": {"messages": [{"role": "user", "content": 5}]},
    "parts that are no objects": {"messages": [{"role": "user", "content": [1, None, {"type": []}, {"type": "text"}]}]},
    "a role that is none": {"messages": [{"role": 7, "content": "hi"}]},
    "a stop that is a number": {"stop": 5, "stop_sequences": 5},
    "stops that are numbers": {"stop": [5], "stop_sequences": [5]},
    "a limit that is text": {"max_tokens": "many"},
    "a limit below zero": {"max_tokens": -1},
    "a stream that is text": {"stream": "yes"},
    "options that are text": {"stream": True, "stream_options": "all"},
    "options that are empty": {"stream": True, "stream_options": {}},
    "metadata that is a list": {"metadata": [1]},
    "tools that are text": {"tools": "hammer"},
    "a system that is a number": {"system": 5},
    "lone surrogates": {"messages": [{"role": "user", "content": "\ud83d"}]},
    "a very long name": {"model": "m" * 100_000},
    "a name of another kind": {"model": {"name": "mini"}},
    "nothing at all": {"messages": None, "model": None},
}


@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_an_odd_body_is_answered_or_refused_but_never_a_mistake_of_ours(tmp_path: Path, surface: str) -> None:
    """U-113: within a dialect, and where the first model speaks the other one; each has one row."""
    wrong: list[str] = []
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        for name, fields in ODD.items():
            for pair in ("nano-mini", "haiku-sonnet"):
                body = body_of(surface) | fields
                async with running.http.post(
                    running.url + PATHS[surface], json=body, headers={"x-pair": pair}
                ) as response:
                    said = await response.read()
                if response.status not in (200, 400, 404) or b"mistake of its own" in said:
                    wrong.append(f"{name} to {pair}: {response.status} {said[:200]!r}")
        assert wrong == []
        assert len(await running.rows(2 * len(ODD))) == 2 * len(ODD)


async def test_a_bug_is_an_error_in_the_dialect_that_quotes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U-62 U-105 U-114: the caller gets a 500 that blames the gateway, the log its place, and the row says failed."""
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        active = running.reloader.active  # no set that compiles is like this:
        running.reloader.active = replace(active, snapshot=replace(active.snapshot, providers={}))
        for surface in PATHS:
            async with running.ask(surface, prompt="canary-of-the-prompt") as response:
                error = (await response.json())["error"]
            assert (response.status, error["rulegate"]["blame"]) == (500, "gateway")
            row = await running.row(response.headers["x-rulegate-request-id"])
            assert row["outcome"] == "failed"
        assert (await running.metrics())["rulegate_in_flight_requests",] == 0
    assert "KeyError" in caplog.text
    assert "canary" not in caplog.text


async def test_a_stream_says_that_it_must_not_be_held_back(tmp_path: Path) -> None:
    """U-41 U-97: by caches and by proxies; and every answer says what the gateway itself took."""
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        async with running.ask("chat", stream=True) as response:
            await response.read()
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.content_type == "text/event-stream"
        assert float(response.headers["x-rulegate-overhead-ms"]) >= 0


async def test_retry_after_reaches_the_caller(tmp_path: Path) -> None:
    """U-61: a caller who must wait is told how long."""
    async with daemon(tmp_path, {"models.yaml": MODELS, "pairs.yaml": chosen_by_header()}) as running:
        script = {"model": UPSTREAM["mini"], "fault": "rate_limited", "retry_after": 7}
        async with running.http.post(f"{running.simulator}/faults", json=script) as response:
            assert response.status == 200
        async with running.ask("chat") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "7")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_credentials_and_cookies_are_never_kept(headers: dict[str, str]) -> None:
    """U-59: whatever else comes, and however their names are written."""
    secret = {"AUTHORIZATION": "s", "X-Api-Key": "s", "cookie": "s", "Proxy-authorization": "s"}
    kept = kept_headers({**headers, **secret})
    assert not {"authorization", "x-api-key", "cookie", "proxy-authorization"} & set(kept)
    others = {name.lower() for name in headers} - {name.lower() for name in secret}
    assert set(kept) == others

"""The daemon is told to stop while requests are in flight, as a process."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from gateway.adapters.log_sqlite import LogReader
from tests.fakes.daemon import PATHS, body_of, samples, until
from tests.fakes.process import Serving, serving
from tests.fakes.rule_files import to_model

SURFACES = pytest.mark.parametrize("surface", ["chat", "messages"])
MODEL = {"chat": "nano", "messages": "haiku"}
"""Models of each surface's own dialect."""
FOR_EVER_S = 600
"""A pace at which nothing more comes."""


@dataclass(frozen=True)
class Stopping:
    """A daemon that will be stopped, with a client that keeps no connection, and its data directory."""

    serving: Serving
    simulator: str
    http: aiohttp.ClientSession
    data: Path

    async def pace(self, per_token_s: float) -> None:
        """Set the pace of all models."""
        script = {"model": "*", "fault": "slow", "per_token_s": per_token_s}
        async with self.http.post(f"{self.simulator}/faults", json=script) as response:
            assert response.status == 200, await response.text()

    def ask(self, surface: str, *, stream: bool = False) -> Any:  # noqa: ANN401 - aiohttp's own context manager
        """Send a request; gives an asynchronous context manager."""
        return self.http.post(self.serving.url + PATHS[surface], json=body_of(surface, stream=stream))

    async def page(self, path: str) -> tuple[int, str]:
        """Give status and text of a page."""
        async with self.http.get(self.serving.url + path) as response:
            return response.status, await response.text()

    async def in_flight(self, count: int) -> None:
        """Wait until this many requests are with the providers."""

        async def look() -> bool | None:
            async with self.http.get(f"{self.simulator}/requests") as response:
                return (await response.json())["total"] >= count or None

        await until(look, f"request number {count} at the provider")

    async def told(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait until the daemon says that it is not ready."""
        self.serving.process.send_signal(number)

        async def draining() -> bool | None:
            return (await self.page("/readyz")) == (503, "draining\n") or None

        await until(draining, "drain")

    async def exit_code(self) -> int:
        """Wait until the daemon has ended."""
        async with asyncio.timeout(30):
            return await self.serving.process.wait()

    def rows(self) -> Sequence[dict[str, Any]]:
        """Give the rows that were written, the latest first."""
        return LogReader(self.data / "simulated" / "log").rows(1000)


@asynccontextmanager
async def stopping(directory: Path, model: str = "nano", drain_timeout: str = "10m") -> AsyncIterator[Stopping]:
    (directory / "rules.d").mkdir()
    rules = f"{to_model(model)}defaults: {{drain_timeout: {drain_timeout}}}\n"
    (directory / "rules.d" / "rules.yaml").write_text(rules)
    async with (
        serving("--simulate", directory=directory) as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):

        async def look() -> str | None:
            found = re.search(r"faults +(\S+)/faults", running.words)
            return found[1] if found else None

        yield Stopping(running, await until(look, "address of the simulator"), http, directory / "data")


def events_of(text: str) -> list[Any]:
    """Give the data of each event, but for OpenAI's marker."""
    data = re.findall(r"^data: (.*)$", text, re.MULTILINE)
    return [json.loads(each) for each in data if each != "[DONE]"]


def whole(surface: str, text: str) -> bool:
    """Say whether a stream has its dialect's end."""
    return ("data: [DONE]" if surface == "chat" else "event: message_stop") in text


@SURFACES
async def test_a_stream_in_flight_comes_to_its_end(tmp_path: Path, surface: str) -> None:
    """U-124 U-100 U-123: readiness goes at once, liveness does not; new requests are refused, those that came before
    are answered; rows are written, and the exit code is 0."""
    async with stopping(tmp_path, MODEL[surface]) as daemon:
        assert await daemon.page("/readyz") == (200, "ready\n")
        await daemon.pace(0.03)
        async with daemon.ask(surface, stream=True) as stream, asyncio.TaskGroup() as tasks:
            begun = await stream.content.readline()
            unbegun = tasks.create_task(daemon.ask(surface).__aenter__())
            await daemon.in_flight(2)
            await daemon.told()
            assert await daemon.page("/livez") == (200, "ok\n")
            async with daemon.ask(surface) as refused:
                assert (refused.status, refused.headers["Connection"], refused.headers["Retry-After"]) == (
                    *(503, "close"),
                    "2",
                )
                error = (await refused.json())["error"]
            text = (begun + await stream.content.read()).decode()
            answer = await unbegun
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert error["rulegate"] == {"blame": "gateway", "attempts": []}
        assert "the gateway is stopping" in error["message"]
        assert whole(surface, text)
        assert await daemon.exit_code() == 0
        assert sorted((row["outcome"], row["stream"]) for row in daemon.rows()) == [
            *(("answered", 0), ("answered", 1), ("refused", 0)),
        ]
        assert re.search(r"stopping: requests in flight: 2; they have 600 s.*\n.*stopped", daemon.serving.words)


@SURFACES
async def test_what_is_in_flight_at_the_drain_timeout_ends_as_an_error(tmp_path: Path, surface: str) -> None:
    """U-124 U-100: a stream ends with the dialect's error event, never as if it were whole, and is interrupted; a
    request that waits gets 503; both blame the gateway and are rows; the exit code is 0."""
    async with stopping(tmp_path, MODEL[surface], "200ms") as daemon:
        await daemon.pace(FOR_EVER_S)
        async with daemon.ask(surface, stream=True) as stream, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(daemon.ask(surface).__aenter__())
            begun = await stream.content.readline()
            await daemon.in_flight(2)
            daemon.serving.process.send_signal(signal.SIGTERM)
            text = (begun + await stream.content.read()).decode()
            answer = await waiting
            assert (answer.status, answer.headers["Connection"], answer.headers["Retry-After"]) == (503, "close", "2")
            refused = (await answer.json())["error"]
        assert not whole(surface, text)
        error = events_of(text)[-1]["error"]
        assert error["message"] == "the gateway is stopping: this answer is not whole"
        assert refused["message"] == "the gateway is stopping, and cannot wait for this answer: send it again"
        for each in (error, refused):
            assert each["rulegate"]["blame"] == "gateway"
            assert [attempt["failure"] for attempt in each["rulegate"]["attempts"]] == ["cancelled"]
        assert await daemon.exit_code() == 0
        rows = {row["stream"]: row for row in daemon.rows()}
        assert {(row["outcome"], row["model"]) for row in rows.values()} == {
            *(("interrupted", MODEL[surface]), ("failed", "")),
        }
        assert (rows[1]["usage_source"], rows[1]["output_tokens"] > 0) == ("estimated", True)
        assert "stopping: requests cut short: 2" in daemon.serving.words


async def test_a_second_signal_ends_what_is_in_flight_now(tmp_path: Path) -> None:
    """U-124: whoever stops it by hand does not wait ten minutes; nothing else is different."""
    async with stopping(tmp_path) as daemon:
        await daemon.pace(FOR_EVER_S)
        async with daemon.ask("chat", stream=True) as stream:
            begun = await stream.content.readline()
            await daemon.told(signal.SIGINT)
            daemon.serving.process.send_signal(signal.SIGINT)
            text = (begun + await stream.content.read()).decode()
        assert "this answer is not whole" in text
        assert not whole("chat", text)
        assert await daemon.exit_code() == 0
        assert [row["outcome"] for row in daemon.rows()] == ["interrupted"]


async def test_the_drain_timeout_is_that_of_the_rules_that_run(tmp_path: Path) -> None:
    """U-124 U-85: it is read at the stop, so that an edit counts without a restart.

    U-79: the next daemon goes on with the same generation and the same log.
    """
    async with stopping(tmp_path) as daemon:
        await daemon.pace(FOR_EVER_S)
        rules = tmp_path / "rules.d" / "rules.yaml"
        rules.write_text(rules.read_text().replace("10m", "150ms"))

        async def reloaded() -> bool | None:
            return '"generation":2' in (await daemon.page("/api/status"))[1] or None

        await until(reloaded, "generation 2")
        async with daemon.ask("chat", stream=True) as stream:
            await stream.content.readline()
            daemon.serving.process.send_signal(signal.SIGTERM)
            assert "this answer is not whole" in (await stream.content.read()).decode()
        assert await daemon.exit_code() == 0
    async with serving("--simulate", directory=tmp_path) as again:
        assert await again.end(signal.SIGTERM) == 0
    assert "generation 2-" in again.words
    assert [row["outcome"] for row in daemon.rows()] == ["interrupted"]


async def reply(reader: asyncio.StreamReader) -> str:
    """Read one response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"(?i)content-length: (\d+)", head)
    assert length is not None, head
    return head + (await reader.readexactly(int(length[1]))).decode()


def plain_request(body: bytes) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)


async def test_a_kept_connection_is_told_and_closed(tmp_path: Path) -> None:
    """U-124: the request is answered, in words, before its connection is closed; also that of an upload which is not
    whole when the time is over."""
    body = json.dumps(body_of("chat")).encode()
    async with stopping(tmp_path) as daemon:
        host, _, port = daemon.serving.url.removeprefix("http://").partition(":")
        kept, kept_writer = await asyncio.open_connection(host, int(port))
        slow, slow_writer = await asyncio.open_connection(host, int(port))
        kept_writer.write(plain_request(body) + body)
        answered = await reply(kept)
        slow_writer.write(plain_request(body) + body[:9])

        async def begun() -> bool | None:
            return samples((await daemon.page("/metrics"))[1])["rulegate_in_flight_requests",] == 1 or None

        await until(begun, "request in flight")
        await daemon.told()
        kept_writer.write(plain_request(body) + body)
        refused = await reply(kept)
        assert await kept.read() == b""
        daemon.serving.process.send_signal(signal.SIGTERM)
        cut = await reply(slow)
        assert await slow.read() == b""
        for writer in (kept_writer, slow_writer):
            writer.close()
        assert answered.startswith("HTTP/1.1 200 ")
        assert "connection: close" not in answered.lower()
        for told in (refused, cut):
            assert told.startswith("HTTP/1.1 503 ")
            assert "connection: close" in told.lower()
            assert "the gateway is stopping" in told
        assert await daemon.exit_code() == 0
        assert sorted(row["outcome"] for row in daemon.rows()) == ["answered", "refused", "refused"]


async def test_an_idle_daemon_stops_at_once(tmp_path: Path) -> None:
    """U-124: kept connections without a request hold nothing up."""
    async with stopping(tmp_path) as daemon:
        host, _, port = daemon.serving.url.removeprefix("http://").partition(":")
        idle, writer = await asyncio.open_connection(host, int(port))
        assert (await daemon.page("/livez"))[0] == 200
        assert await daemon.serving.end(signal.SIGTERM) == 0
        assert await idle.read() == b""
        writer.close()
        assert daemon.serving.words.rstrip().endswith("stopped")


async def test_the_clients_raise(tmp_path: Path) -> None:
    """U-124 U-06: OpenAI's and Anthropic's own clients raise for a stream that is cut short and for a request that is
    turned away, and never give half an answer for a whole one."""
    async with stopping(tmp_path) as daemon:
        await daemon.pace(FOR_EVER_S)
        url = daemon.serving.url
        async with (
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as first,
            anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as second,
        ):
            chunks = await first.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            events = await second.messages.create(
                model="auto", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True
            )
            await daemon.told()
            with pytest.raises(openai.InternalServerError) as one:
                await first.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hi"}])
            with pytest.raises(anthropic.APIStatusError) as other:
                await second.messages.create(model="auto", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
            assert (one.value.status_code, other.value.status_code) == (503, 503)
            daemon.serving.process.send_signal(signal.SIGTERM)
            with pytest.raises(openai.APIError, match="this answer is not whole"):
                async for _ in chunks:
                    pass
            with pytest.raises(anthropic.APIStatusError, match="this answer is not whole"):
                async for _ in events:
                    pass
        assert await daemon.exit_code() == 0

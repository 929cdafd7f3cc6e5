"""Two attempts side by side, over real sockets, on a clock that the test moves: who is asked when, and who is paid."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.adapters.transport import HttpTransport
from gateway.dialects.base import CallerDialect
from gateway.domain.attempt import Attempt, Skipped
from gateway.domain.health import HealthState
from gateway.domain.refusal import Refusal
from gateway.domain.upstream import Call, Reply
from gateway.domain.words import Failure, Outcome, SpendKind, Surface
from gateway.runtime.attempts import Attempts
from gateway.runtime.exchange import Active, Arrived, Exchange, begin
from gateway.runtime.executor import Executor, Exhausted
from gateway.runtime.gates import GateBoard
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Target, Transport
from gateway.runtime.retries import Retries
from gateway.runtime.running import Boards
from gateway.runtime.spend import SpendBook
from gateway.runtime.streamer import Stream
from gateway.runtime.usual import UsualTimes
from gateway.runtime.whole import Answered
from gateway.wiring.surfaces import OPENAI, SPOKEN, SURFACES
from tests.adapters.upstream import Upstream, serving, whole
from tests.fakes.clock import HandClock
from tests.fakes.values import snapshot_of
from tests.runtime.test_executor import HEAD, WORD, chunk

STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
NAMES = ("first", "second", "third")
RULES = """\
providers:
  first: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}
  second: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}
  third: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}
models:
  first: {{provider: first, model: m, price: {{input: 10, output: 20}}}}
  second: {{provider: second, model: m, price: {{input: 1, output: 2}}}}
  third: {{provider: third, model: m, price: {{input: 1, output: 2}}}}
rules:
  - {{name: all, deadline: 60s, hedge: {{after: {after}}}, route: [first, second, third]}}
  - {{name: vectors, when: {{surface: embeddings}}, hedge: {{after: {after}}}, route: [first, second]}}
{more}
"""
SAYS = (
    b'{"model":"m","choices":[{"message":{"content":"%s"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":3}}'
)
VECTOR = (
    b'{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1.0]}],'
    b'"usage":{"prompt_tokens":7,"total_tokens":7}}'
)
BROKEN = whole(b'{"error":{"message":"broken"}}', status=b"500 Internal Server Error")
TURNED_DOWN = whole(b'{"error":{"message":"no"}}', status=b"400 Bad Request")
DELAY_S = 2.0
EMBEDDINGS = SURFACES[Surface.EMBEDDINGS]


class Told:
    """A provider that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self._sayings: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream.request(reader)
        self.asked.set()
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(self._say(writer))
            await reader.read()
            self.left.set()
            saying.cancel()

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await self._sayings.get())
            await writer.drain()

    def say(self, data: bytes) -> None:
        self._sayings.put_nowait(data)

    def answer(self, *, stream: bool) -> None:
        """Give a whole answer, or the first content of a stream."""
        self.say(HEAD + chunk(WORD) if stream else whole(SAYS % b"word"))


@dataclass
class Race:
    """A request that is run, its providers by name, and the clock that it is run by."""

    clock: HandClock
    exchange: Exchange
    providers: Mapping[str, Told]
    boards: Boards
    refused: list[str]
    run: "asyncio.Task[Answered | Stream | Exhausted]"

    async def asked(self, name: str) -> None:
        await self.providers[name].asked.wait()

    async def slow(self, seconds: float = DELAY_S) -> None:
        """Let the first be slow, to the moment, and see the second asked."""
        await self.asked("first")
        self.clock.advance(seconds - 0.001)
        await settled()
        assert not self.providers["second"].asked.is_set(), "not a moment before its time"
        self.clock.advance(0.001)
        await self.asked("second")

    async def noted(self, name: str) -> None:
        """Wait until an attempt has ended."""
        while name not in {told[0] for told in self.told}:  # noqa: ASYNC110 - what is waited for is a socket
            await asyncio.sleep(0)

    @property
    def told(self) -> list[tuple[str, Failure | None, SpendKind, bool]]:
        return [
            (event.model, event.failure, event.kind, event.hedged)
            for event in self.exchange.history
            if isinstance(event, Attempt)
        ]


async def settled() -> None:
    """Let everything run that can: sockets of loopback take a few rounds of the loop."""
    for _ in range(50):
        await asyncio.sleep(0)


def exchange_of(
    clock: HandClock, snapshot_text: str, body: bytes, dialect: CallerDialect, ports: Mapping[str, int]
) -> Exchange:
    snapshot = snapshot_of(snapshot_text)
    targets = {name: Target(f"http://127.0.0.1:{port}/v1", None) for name, port in ports.items()}
    request = dialect.read_request(body, {})
    assert not isinstance(request, Refusal)
    now_s = clock.monotonic()
    arrived = Arrived("0192f0c4-7000", clock.now(), now_s, Active(snapshot, targets, clock.now()))
    exchange = begin(arrived, now_s, request, dialect)
    assert isinstance(exchange, Exchange)
    return exchange


@dataclass
class Laid:
    """What a race is laid out with."""

    stream: bool
    after: str = "2s"
    more: str = ""
    times_s: tuple[float, ...] = ()
    dialect: CallerDialect = OPENAI
    resting: tuple[str, ...] = ()
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        said = b'"input":"hi"' if self.dialect is EMBEDDINGS else b'"messages":[{"role":"user","content":"hi"}]'
        self.body = b'{"model":"auto",%s,"stream":%s}' % (said, str(self.stream).lower().encode())


@asynccontextmanager
async def race(laid: Laid, *, transport: Transport | None = None) -> AsyncIterator[Race]:
    clock, refused = HandClock(), list[str]()
    async with AsyncExitStack() as stack:
        providers = {name: Told() for name in NAMES}
        ports = {name: (await stack.enter_async_context(serving(told.script))).port for name, told in providers.items()}
        own = HttpTransport(clock=clock)
        stack.push_async_callback(own.close)
        exchange = exchange_of(clock, RULES.format(after=laid.after, more=laid.more), laid.body, laid.dialect, ports)
        boards, gates = Boards(HealthBoard(clock), UsualTimes()), GateBoard(clock)
        for seconds in laid.times_s:
            boards.usual.add("first", laid.stream, seconds)
        for name in laid.resting:
            boards.health.failed(Attempt(0, name, name, Failure.AUTH), Failure.AUTH, trial=False)
        attempts = Attempts(transport or own, clock, SPOKEN, boards, SpendBook(clock), gates)
        executor = Executor(clock, attempts, boards, Retries(clock, refused.append), gates)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        run = tasks.create_task(executor.run(exchange))
        stack.callback(run.cancel)
        yield Race(clock, exchange, providers, boards, refused, run)
        if run.done() and not run.cancelled() and isinstance(stream := run.result(), Stream):
            stream.close()
        assert clock.pending == 0, "no alarm outlives its attempt"


@STREAMED
async def test_a_slow_step_is_overtaken_by_the_next_and_paid_and_not_blamed(*, stream: bool) -> None:
    """The second is asked at its moment, not before; the loser's connection is closed, its input is paid."""
    async with race(Laid(stream)) as at:
        await at.slow()
        at.clock.advance(0.5)
        at.providers["second"].answer(stream=stream)
        result = await at.run
        await at.providers["first"].left.wait()
        assert isinstance(result, Stream if stream else Answered)
        assert at.exchange.model is not None
        assert at.exchange.model.name == "second"
        assert at.exchange.first_content_s == 2.5
        assert at.exchange.waited_s == pytest.approx(2.5), "a moment in which both were waited for counts once"
        if isinstance(result, Stream):
            result.close(caller_left=True)
        first, second = at.exchange.history
        assert isinstance(first, Attempt)
        assert isinstance(second, Attempt)
        assert (first.failure, first.kind, first.hedged, first.duration_s) == (
            *(Failure.CANCELLED, SpendKind.HEDGE),
            *(False, 2.5),
        )
        assert first.usage is not None
        assert first.usage.estimated
        assert first.cost_nano_usd == first.usage.fresh_input_tokens * 10_000 > 0
        assert (second.kind, second.hedged, second.began_s, second.duration_s) == (SpendKind.ANSWER, True, 2.0, 0.5)
        assert at.exchange.outcome is (Outcome.CANCELLED if stream else Outcome.ANSWERED_AFTER_FALLBACK)
        assert at.boards.health.state("first") is HealthState.OK


@STREAMED
async def test_the_first_step_may_still_win_and_has_answered_then(*, stream: bool) -> None:
    """The hedge was in vain, is closed and paid, and the outcome is that of a first step that answers."""
    async with race(Laid(stream)) as at:
        await at.slow()
        at.providers["first"].answer(stream=stream)
        result = await at.run
        await at.providers["second"].left.wait()
        if isinstance(result, Stream):
            at.providers["first"].say(b"%x\r\n%s\r\n" % (14, b"data: [DONE]\n\n"))
            while await result.next():
                pass
            result.close()
        assert [each[0] for each in at.told] == ["first", "second"], "in the order in which they began"
        assert at.told[1] == ("second", Failure.CANCELLED, SpendKind.HEDGE, True)
        assert at.exchange.model is not None
        assert at.exchange.model.name == "first"
        if not stream:
            assert at.exchange.outcome is Outcome.ANSWERED
            assert at.told[0] == ("first", None, SpendKind.ANSWER, False)


@STREAMED
async def test_a_step_that_fails_before_the_delay_is_fallen_back_from(*, stream: bool) -> None:
    async with race(Laid(stream)) as at:
        await at.asked("first")
        at.providers["first"].say(BROKEN)
        await at.asked("second")
        at.providers["second"].answer(stream=stream)
        await at.run
        assert at.told[0] == ("first", Failure.SERVER_ERROR, SpendKind.FAILED, False)
        assert not any(hedged for *_, hedged in at.told)


@STREAMED
@pytest.mark.parametrize("fails", ["first", "second"])
async def test_where_one_of_the_two_fails_the_other_is_waited_for_and_no_third_is_asked(
    fails: str, *, stream: bool
) -> None:
    """At most two at a time; a failure is that of its own model."""
    async with race(Laid(stream)) as at:
        await at.slow()
        at.providers[fails].say(BROKEN)
        await at.noted(fails)
        at.clock.advance(10)
        await settled()
        assert not at.providers["third"].asked.is_set()
        wins = "second" if fails == "first" else "first"
        at.providers[wins].answer(stream=stream)
        await at.run
        assert at.exchange.model is not None
        assert at.exchange.model.name == wins
        failures = {name: failure for name, failure, *_ in at.told}
        assert failures[fails] is Failure.SERVER_ERROR


@STREAMED
async def test_once_both_have_failed_the_chain_goes_on_after_the_second(*, stream: bool) -> None:
    async with race(Laid(stream)) as at:
        await at.slow()
        at.providers["second"].say(BROKEN)
        await at.noted("second")
        at.providers["first"].say(BROKEN)
        await at.asked("third")
        at.providers["third"].answer(stream=stream)
        await at.run
        assert [(name, failure) for name, failure, *_ in at.told][:2] == [
            ("first", Failure.SERVER_ERROR),
            ("second", Failure.SERVER_ERROR),
        ]


@STREAMED
async def test_a_failure_that_is_not_fallen_back_from_ends_it_once_the_other_has_failed_too(*, stream: bool) -> None:
    async with race(Laid(stream)) as at:
        await at.slow()
        at.providers["first"].say(TURNED_DOWN)
        await at.noted("first")
        at.providers["second"].say(BROKEN)
        result = await at.run
        assert isinstance(result, Exhausted)
        assert result.status == 400
        assert not at.providers["third"].asked.is_set()


@STREAMED
async def test_a_caller_who_leaves_ends_both(*, stream: bool) -> None:
    """U-35 U-36: both connections are closed, and neither model is blamed."""
    async with race(Laid(stream)) as at:
        await at.slow()
        at.run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at.run
        for name in ("first", "second"):
            await at.providers[name].left.wait()
        assert at.exchange.outcome is Outcome.CANCELLED
        assert [(name, failure, kind) for name, failure, kind, _ in at.told] == [
            ("first", Failure.CANCELLED, SpendKind.FAILED),
            ("second", Failure.CANCELLED, SpendKind.FAILED),
        ]
        assert at.exchange.cost_nano_usd == 0


async def test_the_deadline_ends_both() -> None:
    """U-22: and the third is not asked after it."""
    async with race(Laid(stream=False)) as at:
        await at.slow()
        at.clock.advance(58)
        result = await at.run
        assert isinstance(result, Exhausted)
        assert [failure for _, failure, *_ in at.told] == [Failure.TIMEOUT, Failure.TIMEOUT]
        assert at.exchange.waited_s == pytest.approx(60)
        assert {at.boards.health.state(name) for name in NAMES} == {HealthState.OK}


async def test_vectors_are_hedged_too() -> None:
    async with race(Laid(stream=False, dialect=EMBEDDINGS)) as at:
        await at.slow()
        at.providers["second"].say(whole(VECTOR))
        assert isinstance(await at.run, Answered)
        assert [kind for _, _, kind, _ in at.told] == [SpendKind.HEDGE, SpendKind.ANSWER]


async def test_a_model_that_rests_is_passed_over_by_the_hedge_and_named() -> None:
    async with race(Laid(stream=False, resting=("second",))) as at:
        await at.asked("first")
        at.clock.advance(DELAY_S)
        await at.asked("third")
        at.providers["third"].answer(stream=False)
        await at.run
        assert [event.model for event in at.exchange.history] == ["first", "second", "third"]
        assert isinstance(at.exchange.history[1], Skipped)


async def test_without_another_model_to_ask_the_slow_one_is_waited_for() -> None:
    async with race(Laid(stream=False, resting=("second", "third"))) as at:
        await at.asked("first")
        at.clock.advance(30)
        await settled()
        at.providers["first"].answer(stream=False)
        await at.run
        assert at.exchange.outcome is Outcome.ANSWERED
        assert len(at.exchange.history) == 1, "what was not needed is no event"
        assert at.refused == []


async def test_the_budget_that_is_used_up_refuses_a_hedge_and_never_a_fallback() -> None:
    more = "defaults: {retry_budget: {share: 0%, at_least: 1/min}}"
    async with race(Laid(stream=False, more=more)) as at:
        await at.slow()
        for name in ("first", "second"):
            at.providers[name].say(BROKEN)
        await at.asked("third")
        at.providers["third"].answer(stream=False)
        await at.run
        assert at.refused == []
    async with race(Laid(stream=False, more=more)) as at:
        await at.asked("first")
        at.providers["first"].say(BROKEN)  # the fallback takes what there is
        await at.asked("second")
        at.clock.advance(DELAY_S)
        await settled()
        assert not at.providers["third"].asked.is_set()
        assert at.refused == ["hedge"]
        at.providers["second"].say(BROKEN)
        await at.asked("third")
        at.providers["third"].answer(stream=False)
        await at.run
        assert at.exchange.outcome is Outcome.ANSWERED_AFTER_FALLBACK


@STREAMED
async def test_after_p95_a_hedge_waits_for_what_the_model_itself_usually_takes(*, stream: bool) -> None:
    """And a loss teaches no more than that it took longer: the usual time neither shrinks nor grows by it."""
    async with race(Laid(stream, after="p95", times_s=(3.0,) * 2 + (0.25,) * 48)) as at:
        await at.slow(3.0)
        at.clock.advance(5)
        at.providers["second"].answer(stream=stream)
        await at.run
        for _ in range(2):  # with one slow time fewer, quick ones would be what is usual
            at.boards.usual.add("first", stream, 0.25)
        assert at.boards.usual.usual_s("first", stream) == 3.0


async def test_with_too_few_times_nothing_is_hedged_after_p95() -> None:
    async with race(Laid(stream=False, after="p95", times_s=(0.1,) * 19)) as at:
        await at.asked("first")
        at.clock.advance(30)
        await settled()
        assert not at.providers["second"].asked.is_set()
        at.providers["first"].answer(stream=False)
        await at.run


class Held:
    """A transport whose replies come when the test lets them, any number of them in one moment."""

    def __init__(self) -> None:
        self.sent: dict[str, asyncio.Future[Reply]] = {}

    async def send(self, call: Call) -> Reply:
        self.sent[call.provider] = asyncio.get_running_loop().create_future()
        return await self.sent[call.provider]


class Ready:
    """A reply that is there whole."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, body: bytes) -> None:
        self._left = body
        self.closed = False

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    async def read(self) -> bytes:
        return self._left

    async def chunk(self) -> bytes:
        data, self._left = self._left, b""
        return data

    def close(self, *, finished: bool = False) -> None:
        self.closed = True


@STREAMED
@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
async def test_of_two_that_come_in_one_moment_one_is_given_and_both_are_paid(*, stream: bool, leaves: bool) -> None:
    """The one that was asked first; the other is let go of. A caller who leaves in that moment leaves neither."""
    held = Held()
    async with race(Laid(stream), transport=held) as at:
        await settled()
        at.clock.advance(DELAY_S)
        await settled()
        replies = [Ready(WORD if stream else SAYS % b"word") for _ in range(2)]
        for name, reply in zip(("second", "first"), replies, strict=True):
            held.sent[name].set_result(reply)
        if leaves:
            # after the tasks have ended, and before the race has heard of it
            await asyncio.sleep(0)
            at.run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await at.run
        else:
            result = await at.run
            if isinstance(result, Stream):
                result.close()
        assert all(reply.closed for reply in replies)
        kinds = [(name, kind) for name, _, kind, _ in at.told]
        assert kinds == (
            [("first", SpendKind.FAILED), ("second", SpendKind.FAILED)]
            if leaves
            else [("first", SpendKind.ANSWER), ("second", SpendKind.HEDGE)]
        )
        assert all(event.usage and event.usage.output_tokens for event in at.exchange.attempts)
        assert at.exchange.outcome is not None

"""A stream whose first content has come: from here on it belongs to one model, to its end."""

from math import inf

from gateway.dialects.base import Bad
from gateway.dialects.relay import Relay
from gateway.domain.attempt import ProviderError
from gateway.domain.chat import Stop
from gateway.domain.upstream import Reply, UpstreamError
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Outcome
from gateway.runtime.ports import Clock, Deadline
from gateway.runtime.running import CALLER_LEFT, Running, estimated_usage


class Stream:
    """The pieces for the caller, one at a time. It must be closed, however it ends; twice is as once.

    An end without the terminal marker, an error event and a silence past the idle limit all end it with an error event
    in the caller's dialect: never a clean end, never the words of another model. While there is nothing to give, signs
    of life are given, which no limit takes for a word of the provider's.
    """

    def __init__(
        self, running: Running, reply: Reply, relay: Relay, first: bytes, clock: Clock, deadline: Deadline
    ) -> None:
        self._running = running
        self._reply = reply
        self._relay = relay
        self._first = first
        self._clock = clock
        self._deadline = deadline
        chain = running.exchange.decision.chain
        self._timeouts = chain.steps[running.position].timeouts
        self._courtesy = chain.courtesy
        self._silent_s = 0.0

    def taken(self) -> "Stream":
        """Note that this is what the caller is given."""
        self._running.answering()
        self._running.waited(self._clock.monotonic())
        return self

    def overtaken(self) -> None:
        """Let go of the provider, and note that another stream began in the same moment, and was given."""
        self._let_go()
        self._running.gives_way(self._clock)

    def left(self) -> None:
        """Let go of the provider, and note that the caller left in the same moment."""
        self._let_go()
        self._running.leaves(self._clock, self._usage())

    async def next(self) -> bytes:
        """Give the next piece as soon as it comes, empty at the end."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        now_s = self._clock.monotonic()
        sign_s = now_s + self._courtesy.keepalive_s
        while not self._noted:
            if self._relay.closed or self._relay.bad is not None:
                return self._end(self._relay.bad)
            try:
                piece = await self._piece(now_s, sign_s)
            except UpstreamError as error:
                return self._end(Bad(error.failure, ProviderError(0, message=str(error))))
            except TimeoutError:
                return self._end(SILENT)
            if piece:
                return piece
            now_s = self._clock.monotonic()
        return b""

    @property
    def over(self) -> bool:
        """Whether the piece that was given last is the end of a whole answer."""
        return self._relay.closed and self._relay.bad is None and not self._first

    @property
    def drains(self) -> bool:
        """Whether it is to be read to its end where its caller leaves."""
        return self._courtesy.drains and not self._noted

    async def drain(self) -> None:
        """Read it to its end, for what it reports, within the same limits; nobody is given what it says."""
        while not (self._noted or self._relay.closed or self._relay.bad):
            try:
                await self._piece(self._clock.monotonic(), inf)
            except (UpstreamError, TimeoutError):
                return

    async def _piece(self, now_s: float, sign_s: float) -> bytes:
        """Give what comes next of the provider, or a sign of life where nothing has come by `sign_s`.

        Raises TimeoutError for a silence past the limit, which begins with the wait for a word and goes on over signs.
        """
        timeouts = self._timeouts
        silent_s = self._silent_s or min(now_s + timeouts.idle_s, self._running.started_s + timeouts.total_s)
        try:
            with self._deadline.until(min(silent_s, sign_s)):
                data = await self._reply.chunk()
        except TimeoutError:
            if silent_s <= sign_s:
                raise
            self._silent_s = silent_s
            return self._running.exchange.caller.keepalive
        self._silent_s = 0.0
        return self._relay.feed(data) if data else self._relay.end()

    def _end(self, bad: Bad | None) -> bytes:
        """Note the end; give the event that ends a stream which is not whole, else nothing."""
        self._note(bad)
        if bad is None:
            return b""
        exchange = self._running.exchange
        words, blame = self._running.said(bad.error), exchange.blame("provider")
        return exchange.caller.error_event(words, blame, exchange.id, self._relay.sent)

    def cut_short(self, words: str) -> bytes:
        """End it before its end, because the gateway does not go on; give the event that says so.

        A stream that has come to its end by then needs none.
        """
        if self._noted:
            return b""
        exchange, error = self._running.exchange, ProviderError(0, message=words)
        self._note(Bad(Failure.CANCELLED, error))
        exchange.outcome = Outcome.INTERRUPTED
        return exchange.caller.error_event(error, exchange.blame("gateway"), exchange.id, self._relay.sent)

    def close(self, *, caller_left: bool = False) -> None:
        """Let go of the provider where the stream was not read to its end, and note what was used until then."""
        if not self._noted:
            self._note(CALLER_LEFT if caller_left else None if self.over else UNREAD)

    @property
    def _noted(self) -> bool:
        return self._running.noted

    def _note(self, bad: Bad | None) -> None:
        exchange, relay = self._running.exchange, self._relay
        self._let_go()
        exchange.response_model = relay.model
        exchange.cut = relay.stop is Stop.LENGTH
        self._running.ended(self._usage(), bad, self._clock)

    def _let_go(self) -> None:
        self._deadline.close()
        self._reply.close(finished=self._relay.closed)
        self._running.garbage = self._relay.garbage

    def _usage(self) -> Usage:
        relay = self._relay
        reported = relay.usage
        whole = reported is not None and relay.closed and not reported.estimated
        return reported if reported and whole else estimated_usage(self._running.exchange, relay.characters, reported)


SILENT = Bad(Failure.TIMEOUT, ProviderError(0, message="the provider stopped sending in the middle of the answer"))
UNREAD = Bad(Failure.TRUNCATED, ProviderError(0, message="the stream was not read to its end"))

"""An attempt that is under way, and how its end is noted in its exchange."""

import re
from dataclasses import dataclass, replace

from msgspec import Struct, structs

from gateway.dialects.base import Bad, Outgoing
from gateway.dialects.relay import Relay
from gateway.domain.attempt import Attempt, ProviderError
from gateway.domain.pace import Took
from gateway.domain.registry import Model
from gateway.domain.upstream import Reply, UpstreamError
from gateway.domain.usage import Usage
from gateway.domain.words import Failure, Outcome
from gateway.engine.chain import outcome_of
from gateway.engine.effects import EFFECTS, Cools
from gateway.engine.pace import kind_of
from gateway.engine.pricing import cost_nano_usd, price_at
from gateway.runtime.account import Hold
from gateway.runtime.asking import Asked
from gateway.runtime.exchange import Exchange
from gateway.runtime.gates import Place
from gateway.runtime.health import HealthBoard
from gateway.runtime.ports import Clock
from gateway.runtime.usual import UsualTimes

HIDDEN = "***"
"""What stands in a provider's words where our credential stood."""
_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,100}")
"""An id that a provider gives may be this; anything else is not kept."""
CALLER_LEFT = Bad(Failure.CANCELLED, ProviderError(0, message="the caller left"))
OVERTAKEN = Bad(Failure.CANCELLED, ProviderError(0, message="another model was faster"))


@dataclass(frozen=True, slots=True)
class Boards:
    """What is learned from attempts: how models are doing, and how long they take."""

    health: HealthBoard
    usual: UsualTimes


class Running(Struct):
    """An attempt that is under way; `status` is that of the reply's head, 0 until one has come.

    Two of one request may be under way at a time: what is true of one alone stands here, and its exchange takes it
    over from the one whose content goes to the caller, else from the one that ended last. `nth` is where it belongs in
    the history, which is in the order of the beginnings, and `place` is held at its model until it ends. One that is
    `hedged` was begun beside another, and `lost` once the other one was faster. `last_s` is when it is given up at the
    latest, `content_s` when its content was there, both monotonic. `trial` says that it finds out whether a model
    answers again. `hurried` once the request's own deadline ended it, or a want of this machine's, which is not the
    model's fault. `again` once the provider turned down what can be left out.
    """

    exchange: Exchange
    position: int
    model: Model
    question: Asked
    boards: Boards
    hold: Hold
    started_s: float
    last_s: float
    nth: int
    place: Place | None = None
    hedged: bool = False
    trial: bool = False
    lost: bool = False
    noted: bool = False
    status: int = 0
    garbage: int = 0
    hurried: bool = False
    again: bool = False
    upstream_id: str = ""
    content_s: float = 0.0
    relay: Relay | None = None

    def began(self, reply: Reply) -> None:
        """Take in the head of the reply: its status, and the provider's own id of the request.

        Raises UpstreamError for an answer that is compressed: nobody asked for that, and it may unfold to anything.
        """
        self.status = reply.status
        given = reply.headers.get(self.question.endpoint.id_header, "")
        self.upstream_id = given if _ID.fullmatch(given) else ""
        if 200 <= reply.status < 300 and folded(reply):
            words = f"{self.model.provider} compressed its answer, which it was asked not to do"
            raise UpstreamError(Failure.MALFORMED, words)

    @property
    def reported(self) -> Usage | None:
        """What its stream has reported of usage by now, before any content."""
        return None if self.relay is None else self.relay.usage

    def waited(self, now_s: float) -> None:
        """Count the time since the start as time spent on the provider, but for what has been counted by now."""
        self.exchange.waited(self.started_s, now_s)

    def said(self, error: ProviderError) -> ProviderError:
        """Give a provider's words without our credential, which some providers quote."""
        return without(self.exchange.active.targets[self.model.provider].secret, error)

    def answering(self, output_tokens: int | None = None) -> None:
        """Note that its content is what the caller is given: the model is well, and the answer its own to the end.

        `output_tokens` is how long a whole answer is, None for a stream that begins.
        """
        exchange, seconds = self.exchange, self.content_s - self.started_s
        exchange.answered_by(self.model)
        exchange.first_content_s = self.content_s - exchange.started_s
        self._shown()
        self.boards.health.answered(self.model.name, trial=self.trial, took=self._took(seconds, output_tokens))
        self.boards.usual.add(self.model.name, exchange.request.stream, seconds)

    def failed(self, bad: Bad, clock: Clock) -> None:
        """Note that it failed before anything reached the caller; what it used all the same is paid."""
        self._note(clock, bad, bad.usage, committed=False)

    def gives_way(self, clock: Clock, usage: Usage | None = None) -> None:
        """Note that the other one was faster; what it has used is paid: what is reported, else what we guess."""
        if usage is None:
            relay = self.relay
            usage = estimated_usage(self.exchange, relay.characters if relay else 0, relay.usage if relay else None)
        self._note(clock, OVERTAKEN, usage, committed=False)

    def leaves(self, clock: Clock, usage: Usage | None = None) -> None:
        """Note that the caller left before anything of it reached them."""
        self.exchange.outcome = Outcome.CANCELLED
        self._note(clock, CALLER_LEFT, usage, committed=False)

    def mends(self, mended: Outgoing | None) -> bool:
        """Say whether the same step is asked once more, with a request that leaves something out; no third time."""
        before = (each.again for each in self.exchange.attempts if each.position == self.position)
        return mended is not None and not any(before)

    def ended(self, usage: Usage, bad: Bad | None, clock: Clock) -> None:
        """Note how an attempt ended whose content reached the caller, what that cost, and how the request ends so."""
        exchange = self.exchange
        exchange.usage = usage
        exchange.outcome = outcome_of(exchange.history, self._note(clock, bad, usage, committed=True))

    def _note(self, clock: Clock, bad: Bad | None, usage: Usage | None, *, committed: bool) -> Attempt:
        exchange, now_s = self.exchange, clock.monotonic()
        self.waited(now_s)
        if not self.lost:
            self._shown()
        self.noted = True
        own = None if bad is None else bad.failure
        if exchange.left and not self.lost:
            bad = CALLER_LEFT  # however it ends: nobody is there for its answer, nor for another model's
        cost = 0 if usage is None else cost_nano_usd(usage, price_at(self.model.price, exchange.at.date()))
        attempt = Attempt(
            position=self.position,
            model=self.model.name,
            provider=self.model.provider,
            failure=bad.failure if bad else None,
            committed=committed,
            error=self.said(bad.error) if bad else None,
            status=self.status,
            duration_s=now_s - self.started_s,
            usage=usage,
            cost_nano_usd=cost,
            garbage=self.garbage,
            again=self.again,
            upstream_id=self.upstream_id,
            began_s=self.started_s - exchange.started_s,
            hedged=self.hedged,
            lost=self.lost,
        )
        exchange.history.insert(len(exchange.history) if self.hedged else self.nth, attempt)
        self.hold.settle(cost)
        if self.place is not None:
            self.place.leave()
        if self.lost:
            took = self._took(attempt.duration_s, None) if exchange.request.stream else None
            self.boards.health.overtaken(attempt, took, trial=self.trial)
        elif own is not None:
            judged = Failure.CANCELLED if self.hurried else own
            self.boards.health.failed(attempt, judged, trial=self.trial and not committed)
            if EFFECTS[judged].cools is not Cools.NEVER:
                exchange.failed_by(self.model)
        return attempt

    def _took(self, seconds: float, output_tokens: int | None) -> Took:
        features = self.exchange.features
        return Took(kind_of(features["estimated_tokens"], output_tokens, thinks="thinking" in features["has"]), seconds)

    def _shown(self) -> None:
        """Have the exchange say of this attempt what it says of one."""
        exchange, question = self.exchange, self.question
        exchange.lost, exchange.defaulted = question.lost, question.defaulted
        if self.status:
            exchange.upstream_id = self.upstream_id


def folded(reply: Reply) -> bool:
    """Say whether the body of a reply is compressed."""
    return reply.headers.get("content-encoding", "").strip().lower() not in ("", "identity")


def without(secret: str | None, error: ProviderError) -> ProviderError:
    """Give a provider's words with a mark where they quote a secret."""
    if not secret or secret not in f"{error.type}{error.code}{error.message}":
        return error
    words = [text.replace(secret, HIDDEN) for text in (error.type, error.code, error.message)]
    return replace(error, type=words[0], code=words[1], message=words[2])


CALLER_LEFT = Bad(Failure.CANCELLED, ProviderError(0, message="the caller left"))
CHARACTERS_PER_TOKEN = 4


def estimated_usage(exchange: Exchange, characters: int, reported: Usage | None = None) -> Usage:
    """Give our own guess of what was used, flagged as one; what the provider has reported of the input is kept."""
    output_tokens = -(-characters // CHARACTERS_PER_TOKEN)
    if reported is None or not reported.input_tokens:
        return Usage(
            fresh_input_tokens=exchange.features["estimated_tokens"], output_tokens=output_tokens, estimated=True
        )
    most = max(reported.output_tokens, output_tokens)
    return structs.replace(reported, output_tokens=most, estimated=True)

"""A whole answer that has come: it is given to the caller, or let go of."""

from msgspec import Struct

from gateway.dialects.base import Answer
from gateway.domain.chat import Stop
from gateway.domain.usage import Usage
from gateway.runtime.asking import Spoken
from gateway.runtime.ports import Clock
from gateway.runtime.running import Running, estimated_usage


class Answered(Struct, frozen=True, gc=False):
    """A whole answer in the caller's dialect."""

    body: bytes


class Whole(Struct, frozen=True):
    """An answer as its provider gave it; one of `taken`, `overtaken` and `left` must follow."""

    running: Running
    answer: Answer
    body: bytes
    spoken: Spoken
    clock: Clock

    def taken(self) -> Answered:
        """Give it in the caller's dialect, and note that it is the answer."""
        running, answer, exchange = self.running, self.answer, self.running.exchange
        exchange.response_model = answer.model
        usage = self._usage()
        running.answering(usage.output_tokens)
        running.ended(usage, None, self.clock)
        native = running.question.native
        if native and exchange.defaulted is None:
            return Answered(self.body)
        kind = exchange.active.snapshot.providers[running.model.provider].kind
        reply = self.spoken.dialects[kind].reply(answer)
        exchange.cut = reply.stop is Stop.LENGTH
        if native:
            return Answered(self.body)
        # the caller is told what the provider reported: a guess of ours would look like that
        return Answered(exchange.caller.write_answer(reply, answer.usage, exchange.about, exchange.request.fields))

    def overtaken(self) -> None:
        """Note that another answer came in the same moment, and was given."""
        self.running.gives_way(self.clock, self._usage())

    def left(self) -> None:
        """Note that the caller left in the same moment."""
        self.running.leaves(self.clock, self._usage())

    def _usage(self) -> Usage:
        usage = self.answer.usage
        if usage is None or usage.estimated:
            return estimated_usage(self.running.exchange, self.answer.characters, usage)
        return usage

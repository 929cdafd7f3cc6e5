"""Plans: all that a simulated provider will do with one request, decided before the first byte is sent.

Pure functions from a question and a script to a Plan; the server only carries it out.
"""

import gzip
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from gateway.simulator.faults import Fault, Script
from gateway.simulator.wire import Reply, Whole, Wire
from gateway.simulator.world import Answer, Finish, Latency, Question, Telling, answer, cached, estimate_tokens, pieces

SLOW_PER_TOKEN_S = 1.0
PIECES_BEFORE_CUT = 3

LARGE_BYTES = 256 * 1024
BOMB_BYTES = 10_000_000

_STATUS_FAULTS = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.QUOTA,
        Fault.SERVER_ERROR,
        Fault.OVERLOADED,
        Fault.AUTH,
        Fault.NOT_FOUND,
        Fault.BAD_REQUEST,
        Fault.CONTEXT_LENGTH,
    }
)


class Ending(StrEnum):
    """How a response ends: as HTTP says, by a connection that is closed, closed on one side or reset, or not at all.

    What is held says nothing more until the client goes; what is repeated says the same again and again.
    """

    COMPLETE = "complete"
    CUT = "cut"
    HALF_CLOSED = "half_closed"
    RESET = "reset"
    HELD = "held"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers; `length` is the promised size of the body in bytes, or None for a stream."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None


@dataclass(frozen=True, slots=True)
class Portion:
    """Bytes to send after a wait in seconds."""

    wait_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """A response: a wait in seconds, the head, the body in portions, the ending, and what is repeated.

    Without a head there is no response at all, or where something is repeated, one whose head has no end.
    """

    wait_s: float
    head: Head | None
    portions: tuple[Portion, ...]
    ending: Ending
    again: bytes = b""


def plan(wire: Wire, question: Question, script: Script | None, latency: Latency, speed: float) -> Plan:
    """Decide what happens to a question; delays are multiplied by `speed`, but for a pace that the script gives."""
    if not question.stream:
        return plan_whole(wire, question, script, latency, speed)
    fault = None if script is None else script.fault
    pace = _pace(script, latency, speed)
    failed = _failed(wire, question, script, pace)
    return failed or _streamed(wire, question, _bent(answer(question), fault), fault, pace)


def plan_whole(wire: Whole, question: Question, script: Script | None, latency: Latency, speed: float) -> Plan:
    """Decide the same for a question whose answer is not streamed."""
    fault = None if script is None else script.fault
    pace = _pace(script, latency, speed)
    failed = _failed(wire, question, script, pace)
    return failed or _at_once(wire, question, _bent(answer(question), fault), fault, pace)


def _failed(wire: Whole, question: Question, script: Script | None, pace: Latency) -> Plan | None:
    """Plan the end of a question that is not answered; None for one that is."""
    fault = None if script is None else script.fault
    match fault:
        case Fault.REFUSE:
            return Plan(pace.connect_s, None, (), Ending.RESET)
        case Fault.STALL:
            return Plan(0.0, None, (), Ending.HELD)
        case Fault.HEADERS_SLOWLY:
            return Plan(pace.connect_s, None, (), Ending.REPEATED, b"x")
        case Fault.GZIP_BOMB:
            headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
            return planned(Reply(200, headers, _bomb()), pace.connect_s)
        case Fault.ERROR_IN_200:
            return planned(replace(wire.failure(Fault.SERVER_ERROR, question, None), status=200), pace.connect_s)
        case _ if fault in _STATUS_FAULTS or (fault is Fault.ERROR_IN_STREAM and not question.stream):
            hint = None if script is None else script.retry_after_s
            return planned(wire.failure(fault or Fault.OVERLOADED, question, hint), pace.connect_s)
        case _:
            return None


def planned(reply: Reply, wait_s: float = 0.0) -> Plan:
    """Plan to give a whole reply."""
    return Plan(
        wait_s, Head(reply.status, reply.headers, len(reply.body)), (Portion(0.0, reply.body),), Ending.COMPLETE
    )


def _pace(script: Script | None, latency: Latency, speed: float) -> Latency:
    pace = latency.scaled(speed)
    if script is None or script.fault is not Fault.SLOW:
        return pace
    if script.first_content_s is not None:
        pace = replace(pace, first_content_s=script.first_content_s)
        return pace if script.per_token_s is None else replace(pace, per_token_s=script.per_token_s)
    given = script.per_token_s
    return replace(pace, per_token_s=SLOW_PER_TOKEN_S * speed if given is None else given)


def _bent(straight: Answer, fault: Fault | None) -> Answer:
    """Change an answer as the fault says."""
    usage = straight.usage
    match fault:
        case Fault.EMPTY:
            nothing = None if usage is None else replace(usage, output_tokens=0)
            return Answer("", Finish.COMPLETE, None, nothing)
        case Fault.CONTENT_FILTER:
            return replace(straight, finish=Finish.FILTERED, stop_sequence=None)
        case Fault.USAGE_MISSING:
            return replace(straight, usage=None)
        case Fault.USAGE_CACHED:
            return replace(straight, usage=None if usage is None else cached(usage))
        case Fault.USAGE_WRONG:
            return replace(straight, telling=Telling.WRONG)
        case Fault.USAGE_SPLIT:
            return replace(straight, telling=Telling.SPLIT)
        case _:
            return straight


def _at_once(wire: Whole, question: Question, given: Answer, fault: Fault | None, pace: Latency) -> Plan:
    """Plan an answer that is not streamed: everything is thought out before the headers."""
    reply = wire.whole(question, given)
    thinking_s = pace.first_content_s + pace.per_token_s * estimate_tokens(len(given.text))
    whole = planned(reply, pace.connect_s + thinking_s)
    half = reply.body[: len(reply.body) // 2]
    match fault:
        case Fault.CUT | Fault.HALF_CLOSED:
            ending = Ending.CUT if fault is Fault.CUT else Ending.HALF_CLOSED
            return replace(whole, portions=(Portion(0.0, half),), ending=ending)
        case Fault.PINGS_ONLY | Fault.ENDLESS | Fault.ENDLESS_EVENT:
            head = Head(200, reply.headers, None)
            space = b" " if fault is Fault.PINGS_ONLY else b" " * LARGE_BYTES
            return Plan(pace.connect_s, head, (), Ending.REPEATED, space)
        case Fault.STALL_AFTER_HEADERS:
            return replace(whole, wait_s=pace.connect_s, portions=(), ending=Ending.HELD)
        case Fault.MALFORMED_LINE:
            return planned(replace(reply, body=half + b"<garbage>"), whole.wait_s)
        case _:
            return whole


def _streamed(wire: Wire, question: Question, given: Answer, fault: Fault | None, pace: Latency) -> Plan:
    """Plan a streamed answer, event by event."""
    head = Head(200, wire.stream_headers(question), None)
    start = tuple(Portion(0.0, event) for event in wire.opening(question, given))
    if fault is Fault.STALL_AFTER_HEADERS:
        return Plan(pace.connect_s, head, start, Ending.HELD)
    if fault is Fault.ERROR_IN_STREAM:
        error = Portion(pace.first_content_s, wire.error_event())
        return Plan(pace.connect_s, head, (*start, error), Ending.COMPLETE)
    if fault is Fault.MALFORMED_LINE:
        start = (*start, Portion(0.0, wire.garbage_event()))
    content = tuple(
        Portion(
            pace.first_content_s if index == 0 else pace.per_token_s * estimate_tokens(len(text)),
            wire.piece(question, text, index),
        )
        for index, text in enumerate(pieces(given.text))
    )
    match fault:
        case Fault.CUT | Fault.HALF_CLOSED:
            ending = Ending.CUT if fault is Fault.CUT else Ending.HALF_CLOSED
            return Plan(pace.connect_s, head, start + content[:PIECES_BEFORE_CUT], ending)
        case Fault.PINGS_ONLY:
            return Plan(pace.connect_s, head, start, Ending.REPEATED, wire.ping())
        case Fault.ENDLESS:
            return Plan(
                pace.connect_s, head, start + content, Ending.REPEATED, wire.piece(question, " and", len(content))
            )
        case Fault.ENDLESS_EVENT:
            return Plan(pace.connect_s, head, (*start, Portion(0.0, b"data: ")), Ending.REPEATED, b"x" * LARGE_BYTES)
        case _:
            pass
    last = tuple(Portion(0.0, event) for event in (*wire.closing(question, given), wire.marker(question, given)))
    if fault is Fault.NO_TERMINAL:
        last = ()
    elif fault is Fault.NO_MARKER:
        last = last[:-1]
    return Plan(pace.connect_s, head, start + content + last, Ending.COMPLETE)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(BOMB_BYTES), mtime=0)

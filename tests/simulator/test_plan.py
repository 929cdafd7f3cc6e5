from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator import anthropic, openai, responses
from gateway.simulator.faults import Fault, Script
from gateway.simulator.plan import Ending, Plan, plan
from gateway.simulator.wire import Wire
from gateway.simulator.world import Latency, Question, answer, digest_of, estimate_tokens, pieces

LATENCY = Latency(first_content_s=1.0, per_token_s=0.01, connect_s=0.1)
WIRES: tuple[Wire, ...] = (openai, responses, anthropic)
ANY_SCRIPT = st.none() | st.builds(Script, st.sampled_from(Fault))
ASKED = Question("m", "hello", 5, None, (), stream=True, stream_usage=True, digest=digest_of({}))


def body_of(planned: Plan) -> bytes:
    return b"".join(portion.data for portion in planned.portions)


@given(wire=st.sampled_from(WIRES), script=ANY_SCRIPT, stream=st.booleans())
def test_without_speed_nothing_waits(*, wire: Wire, script: Script | None, stream: bool) -> None:
    decided = plan(wire, replace(ASKED, stream=stream), script, LATENCY, 0)
    assert decided.wait_s == 0
    assert all(portion.wait_s == 0 for portion in decided.portions)


@given(wire=st.sampled_from(WIRES), script=ANY_SCRIPT, stream=st.booleans())
def test_the_promised_length_is_kept_unless_the_fault_is_to_break_it(
    *,
    wire: Wire,
    script: Script | None,
    stream: bool,
) -> None:
    decided = plan(wire, replace(ASKED, stream=stream), script, LATENCY, 1)
    assert bool(decided.again) == (decided.ending is Ending.REPEATED)
    if decided.head is None:
        assert decided.ending in {Ending.RESET, Ending.HELD, Ending.REPEATED}
        assert decided.portions == ()
    elif decided.head.length is None:
        assert stream or decided.ending is Ending.REPEATED
    else:
        kept = len(body_of(decided)) == decided.head.length
        assert kept == (decided.ending is Ending.COMPLETE)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.NAME)
def test_a_streamed_answer_takes_as_long_as_a_whole_one_but_for_its_first_word(wire: Wire, question: Question) -> None:
    streamed = plan(wire, replace(question, stream=True), None, LATENCY, 2)
    whole = plan(wire, question, None, LATENCY, 2)
    text = answer(question).text
    assert streamed.wait_s == pytest.approx(0.2)
    assert whole.wait_s == pytest.approx(0.2 + 2.0 + 0.02 * estimate_tokens(len(text)))
    waits = [portion.wait_s for portion in streamed.portions if portion.wait_s]
    assert waits[0] == pytest.approx(2.0)
    assert waits[1:] == [pytest.approx(0.02 * estimate_tokens(len(piece))) for piece in pieces(text)[1:]]


@pytest.mark.parametrize(("given_s", "expected_s"), [(None, 0.5), (0.25, 0.25)])
def test_a_slow_model_takes_a_second_for_a_token_or_exactly_what_the_script_says(
    given_s: float | None, expected_s: float, question: Question
) -> None:
    script = Script(Fault.SLOW, per_token_s=given_s)
    decided = plan(openai, replace(question, stream=True), script, LATENCY, 0.5)
    waits = [portion.wait_s for portion in decided.portions if portion.wait_s]
    tokens = [estimate_tokens(len(piece)) for piece in pieces(answer(question).text)]
    assert waits[0] == 0.5
    assert waits[1:] == [count * expected_s for count in tokens[1:]]


@pytest.mark.parametrize(("given_s", "expected_s"), [(None, 0.005), (0.25, 0.25)])
def test_a_model_may_be_slow_to_begin_alone(given_s: float | None, expected_s: float, question: Question) -> None:
    script = Script(Fault.SLOW, per_token_s=given_s, first_content_s=7.0)
    decided = plan(openai, replace(question, stream=True), script, LATENCY, 0.5)
    waits = [portion.wait_s for portion in decided.portions if portion.wait_s]
    tokens = [estimate_tokens(len(piece)) for piece in pieces(answer(question).text)]
    assert waits == [7.0, *(count * expected_s for count in tokens[1:])]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.NAME)
def test_a_faulty_stream_is_the_start_of_a_whole_one(wire: Wire, question: Question) -> None:
    asked = replace(question, stream=True)
    whole = body_of(plan(wire, asked, None, LATENCY, 0))
    sizes = []
    for fault in (Fault.PINGS_ONLY, Fault.HALF_CLOSED, Fault.ENDLESS, Fault.NO_MARKER):
        assert whole.startswith(body_of(plan(wire, asked, Script(fault), LATENCY, 0)))
    for fault in (Fault.STALL_AFTER_HEADERS, Fault.CUT, Fault.NO_TERMINAL, Fault.NO_MARKER):
        part = body_of(plan(wire, asked, Script(fault), LATENCY, 0))
        assert whole.startswith(part)
        sizes.append(len(part))
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == len(whole) - len(wire.marker(asked, answer(asked)))


def test_a_stream_of_one_word_is_still_cut_after_content(question: Question) -> None:
    asked = replace(question, stream=True, output_limit=1)
    decided = plan(openai, asked, Script(Fault.CUT), LATENCY, 0)
    assert decided.ending is Ending.CUT
    assert b'"content":"(sim"' in body_of(decided)
    assert b'"finish_reason":"length"' not in body_of(decided)

"""The streams that the gateway writes: each item is opened, filled and closed, whatever the provider sends how."""

import json
from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.dialects.responses.answers import response_of
from gateway.dialects.responses.stream import Writer
from gateway.domain.chat import Stop
from gateway.domain.message import (
    CallPiece,
    Citation,
    CitationPiece,
    Declined,
    Part,
    Piece,
    Reply,
    Text,
    TextPiece,
    Thinking,
    ThoughtPiece,
    ToolCall,
)
from gateway.domain.usage import Usage
from tests.dialects.exchanges import CREATED, ID
from tests.dialects.responses.asking import arguments, events_in, parts, pieces_of

FIELDS = {"model": "auto", "input": "Hi", "stream": True, "instructions": "Be brief."}
USED = Usage(fresh_input_tokens=5, output_tokens=5)
STRICT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def stream_of(pieces: list[Piece], stop: Stop = Stop.END) -> list[dict[str, Any]]:
    writer = Writer(FIELDS, ID, CREATED)
    return events_in(writer.start("x", "up") + b"".join(map(writer.piece, pieces)) + writer.finish(stop, USED))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def joined(said: list[Part]) -> tuple[Part, ...]:
    """Join thoughts that a stream cannot tell apart: nothing but a seal ends one before another."""
    out: list[Part] = []
    for part in said:
        last = out[-1] if out else None
        if isinstance(part, Thinking) and isinstance(last, Thinking) and not (last.signature or last.redacted):
            out[-1] = Thinking(last.text + part.text, part.signature, part.redacted)
        else:
            out.append(part)
    return tuple(out)


@given(st.lists(parts, max_size=6), st.sampled_from(Stop))
def test_a_stream_ends_with_the_response_that_a_whole_answer_is(said: list[Part], stop: Stop) -> None:
    """U-33, U-45: the same items, arguments, statuses and usage."""
    told = [part for part in said if not (isinstance(part, Thinking) and part.redacted)]
    events = stream_of(list(pieces_of(tuple(told))), stop)
    assert events[-1]["response"] == response_of(Reply("x", "up", joined(told), stop), USED, FIELDS, ID, CREATED)


@given(st.lists(parts, max_size=6), st.sampled_from(Stop))
def test_the_client_puts_every_stream_together(said: list[Part], stop: Stop) -> None:
    """Each event fits the client's types strictly, and its own accumulator finds nothing out of order."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=[], text_format=omit)
    each = [
        ToolCall(f"call_{place}", part.name, part.arguments) if isinstance(part, ToolCall) else part
        for place, part in enumerate(said)
    ]
    for event in stream_of(list(pieces_of(tuple(each))), stop):
        state.handle_event(STRICT.validate_json(json.dumps(event), strict=True))
    declined = stop is Stop.REFUSAL and any(isinstance(part, Declined) for part in said)
    assert (state._completed_response is None) == (stop in (Stop.LENGTH, Stop.REFUSAL) and not declined)


@given(st.lists(arguments, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_calls_that_come_side_by_side_keep_their_arguments(written: list[str], random: Any) -> None:  # noqa: ANN401 - hypothesis has no name for it
    """U-43, U-45: in whatever order their pieces come; each is opened and closed once, and named once."""
    waiting = {place: list(text) for place, text in enumerate(written)}
    pieces: list[Piece] = [CallPiece(place, f"call_{place}", "f") for place in waiting]
    while left := [place for place, rest in waiting.items() if rest]:
        place = random.choice(left)
        pieces.append(CallPiece(place, arguments=waiting[place].pop(0)))
    events = stream_of(pieces, Stop.TOOL_USE)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    seen: dict[int, list[str]] = defaultdict(list)
    for event in events:
        if "output_index" in event:
            seen[event["output_index"]].append(event["type"])
    for place, text in enumerate(written):
        assert seen[place][0] == "response.output_item.added"
        assert seen[place][-2:] == ["response.function_call_arguments.done", "response.output_item.done"]
        deltas = [
            e["delta"] for e in events if e.get("output_index") == place and e["type"].endswith("arguments.delta")
        ]
        assert "".join(deltas) == text == events[-1]["response"]["output"][place]["arguments"]
        assert events[-1]["response"]["output"][place]["call_id"] == f"call_{place}"


def test_a_thought_a_text_and_two_calls_come_in_openais_order() -> None:
    """Each item ends before the next begins."""
    pieces: list[Piece] = [
        *(ThoughtPiece("H"), ThoughtPiece("m"), ThoughtPiece(signature="sig"), TextPiece("Hé"), TextPiece("llo")),
        *(CallPiece(1, "c1", "f"), CallPiece(1, arguments='{"a"'), CallPiece(1, arguments=":1}")),
        *(CallPiece(2, "c2", "g"), CallPiece(2, arguments="{}")),
    ]
    events = stream_of(pieces, Stop.TOOL_USE)
    call = ["output_item.added", "function_call_arguments.delta"]
    done = ["function_call_arguments.done", "output_item.done"]
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *(*call, "function_call_arguments.delta", *done, *call, *done, "completed"),
    ]
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == events[-1][
        "response"
    ]["output"]
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["instructions"] == "Be brief."


def test_a_call_without_arguments_is_one_with_none() -> None:
    events = stream_of([CallPiece(0, "c", "f")], Stop.TOOL_USE)
    assert [event["delta"] for event in events if "delta" in event] == ["{}"]
    assert events[-1]["response"]["output"][0]["arguments"] == "{}"


def test_a_call_that_came_without_an_id_can_be_answered_all_the_same() -> None:
    """Some servers give none; the client tells calls apart by it, and names it in the result."""
    events = stream_of([CallPiece(0, "", "f"), CallPiece(0, arguments="{}"), CallPiece(1, "", "f")], Stop.TOOL_USE)
    ids = [item["call_id"] for item in events[-1]["response"]["output"]]
    assert len(set(ids)) == 2
    assert all(ids)
    assert {event["item"]["call_id"] for event in events if "item" in event} == set(ids)


def test_a_hidden_thought_ends_at_once_and_another_begins_a_new_item() -> None:
    events = stream_of(
        [ThoughtPiece(redacted="data"), ThoughtPiece("Hm"), ThoughtPiece(signature="s"), ThoughtPiece("x")]
    )
    thoughts = events[-1]["response"]["output"]
    assert [thought.get("encrypted_content") for thought in thoughts] == [
        *("rulegate.anthropic.redacted.data", "rulegate.anthropic.signed.s", None)
    ]
    assert [thought["summary"] for thought in thoughts[1:]] == [
        [{"type": "summary_text", "text": "Hm"}],
        [{"type": "summary_text", "text": "x"}],
    ]


def test_what_a_text_rests_on_is_counted_within_its_own_part() -> None:
    """A provider counts from the beginning of the answer; what rests on a part that has ended is left out."""
    page = CitationPiece(Citation("https://x", "X"), 3, 5)
    early = CitationPiece(Citation("https://y"), 0, 3)
    pieces: list[Piece] = [TextPiece("abc"), CallPiece(0, "c", "f"), CallPiece(0, arguments="{}"), TextPiece("de")]
    events = stream_of([*pieces, page, early])
    [added] = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    expected = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    assert (added["annotation"], added["output_index"], added["annotation_index"]) == (expected, 2, 0)
    assert events[-1]["response"]["output"][2]["content"][0]["annotations"] == [expected]


def test_an_incomplete_response_ends_with_an_incomplete_item() -> None:
    events = stream_of([CallPiece(0, "c", "f"), CallPiece(0, arguments="{}"), TextPiece("x")], Stop.LENGTH)
    assert events[-1]["type"] == "response.incomplete"
    assert [item["status"] for item in events[-1]["response"]["output"]] == ["completed", "incomplete"]


def test_a_call_that_waited_for_arguments_is_complete_where_others_came_after_it() -> None:
    events = stream_of([CallPiece(0, "c", "f"), CallPiece(1, "d", "f"), CallPiece(1, arguments='{"a')], Stop.LENGTH)
    items = [(item["arguments"], item["status"]) for item in events[-1]["response"]["output"]]
    assert items == [("{}", "completed"), ('{"a', "incomplete")]


def test_logprobs_come_with_the_text() -> None:
    told = [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]
    events = stream_of([TextPiece("x", {"content": told}), TextPiece("y")])
    deltas = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas == [told, []]
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == told
    assert Text("xy").text == events[-1]["response"]["output"][0]["content"][0]["text"]

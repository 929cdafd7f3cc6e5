"""A provider that can do a little of everything: it thinks, asks for tools side by side, sees images, keeps to schemas.

It speaks chat completions, messages and responses, streamed and not, and refuses a thought that it did not sign.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web

CITIES = ("Paris", "Rome")
THOUGHT = "Two cities: I ask for both."
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a request asks for, in no dialect; `forged` where a thought in it was not signed here."""

    tools: bool
    results: Sequence[str]
    images: int
    schema: bool
    thinks: bool
    forged: bool
    parallel: bool


@dataclass(frozen=True)
class Call:
    """The call of the tool."""

    id: str
    arguments: str


@dataclass(frozen=True)
class Said:
    """An answer in no dialect."""

    thought: str
    text: str
    calls: tuple[Call, ...]


def sign(thought: str) -> str:
    """Sign a thought."""
    return "sig-" + sha256(thought.encode()).hexdigest()[:16]


def answer(asked: Asked) -> Said:
    """Answer."""
    if asked.schema:
        return Said("", '{"city":"Paris","degrees":21}', ())
    if asked.images:
        return Said("", f"I see {asked.images} images.", ())
    if asked.results:
        return Said("", "It is " + " and ".join(asked.results) + ".", ())
    if asked.tools:
        cities = CITIES if asked.parallel else CITIES[:1]
        calls = (Call(f"call_{city}", json.dumps({"city": city, "note": 'so "hot" là'})) for city in cities)
        return Said(THOUGHT if asked.thinks else "", "Let me see.", tuple(calls))
    return Said("", "Hello, it is Paris here: 21 °C.", ())


@dataclass
class Weather:
    """The address of its three endpoints, and every body that came by the name of the endpoint."""

    url: str = ""
    seen: list[tuple[str, Json]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request at any of the endpoints."""
        name, body = request.path.rpartition("/")[2], await request.json()
        self.seen.append((name, body))
        dialect = DIALECTS[name]
        asked = dialect.read(body)
        if asked.forged:
            return web.json_response({"error": {"type": "invalid_request_error", "message": "forged"}}, status=400)
        said = answer(asked)
        if not body.get("stream"):
            return web.json_response(dialect.whole(said))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in dialect.events(said):
            await response.write(event)
        await response.write_eof()
        return response


def parts_of(messages: Sequence[Json], name: str = "content") -> Iterator[Json]:
    """Give all parts of all messages that have a list of them."""
    for message in messages:
        if isinstance(message.get(name), list):
            yield from message[name]


def event(fields: Mapping[str, Any], *, named: bool = True) -> bytes:
    """Give an event on the wire."""
    name = f"event: {fields['type']}\n" if named else ""
    return f"{name}data: {json.dumps(fields)}\n\n".encode()


def halves(text: str) -> Iterator[str]:
    """Cut a text in two."""
    middle = len(text) // 2
    yield from filter(None, (text[:middle], text[middle:]))


class ChatCompletions:
    """As a server in the manner of OpenAI."""

    @staticmethod
    def read(body: Json) -> Asked:
        messages = body["messages"]
        return Asked(
            tools=bool(body.get("tools")),
            results=[message["content"] for message in messages if message["role"] == "tool"],
            images=sum(part["type"] == "image_url" for part in parts_of(messages)),
            schema="response_format" in body,
            thinks=False,
            forged=any("reasoning" in message for message in messages),
            parallel=body.get("parallel_tool_calls") is not False,
        )

    @staticmethod
    def whole(said: Said) -> Json:
        calls = [ChatCompletions._call(call) for call in said.calls]
        message = {"role": "assistant", "content": said.text, **({"tool_calls": calls} if calls else {})}
        finish = "tool_calls" if calls else "stop"
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "weather-chat",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }

    @staticmethod
    def _call(call: Call) -> Json:
        return {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.arguments}}

    @staticmethod
    def events(said: Said) -> Iterator[bytes]:
        frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "weather-chat"}

        def chunk(delta: Json, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return event({**frame, "choices": [choice]}, named=False)

        yield chunk({"role": "assistant", "content": ""})
        for text in halves(said.text):
            yield chunk({"content": text})
        for place, call in enumerate(said.calls):
            yield chunk({"tool_calls": [{"index": place, **ChatCompletions._call(Call(call.id, ""))}]})
            for text in halves(call.arguments):
                yield chunk({"tool_calls": [{"index": place, "function": {"arguments": text}}]})
        yield chunk({}, "tool_calls" if said.calls else "stop")
        yield event({**frame, "choices": [], "usage": ChatCompletions.whole(said)["usage"]}, named=False)
        yield b"data: [DONE]\n\n"


class Messages:
    """As Anthropic."""

    @staticmethod
    def read(body: Json) -> Asked:
        messages = body["messages"]
        blocks = list(parts_of(messages))
        thoughts = [block for block in blocks if block["type"] == "thinking"]
        return Asked(
            tools=bool(body.get("tools")),
            results=[block["content"] for block in blocks if block["type"] == "tool_result"],
            images=sum(block["type"] == "image" for block in blocks),
            schema="format" in body.get("output_config", {}),
            thinks="thinking" in body,
            forged=any(thought["signature"] != sign(thought["thinking"]) for thought in thoughts),
            parallel=not body.get("tool_choice", {}).get("disable_parallel_tool_use"),
        )

    @staticmethod
    def whole(said: Said) -> Json:
        content: list[Json] = []
        if said.thought:
            content.append({"type": "thinking", "thinking": said.thought, "signature": sign(said.thought)})
        if said.text:
            content.append({"type": "text", "text": said.text})
        tool = {"type": "tool_use", "name": "weather"}
        content += [{**tool, "id": call.id, "input": json.loads(call.arguments)} for call in said.calls]
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "weather-messages",
            "content": content,
            "stop_reason": "tool_use" if said.calls else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 7},
        }

    @staticmethod
    def events(said: Said) -> Iterator[bytes]:
        whole = Messages.whole(said)
        yield event({"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}})
        for index, block in enumerate(whole["content"]):
            kind, names = block["type"], {"thinking": "thinking", "text": "text", "tool_use": "partial_json"}
            empty: Mapping[str, Json] = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}}
            started = {**block, **empty.get(kind, {"input": {}})}
            yield event({"type": "content_block_start", "index": index, "content_block": started})
            text = json.dumps(block["input"]) if kind == "tool_use" else block[kind]
            delta_type = "input_json_delta" if kind == "tool_use" else f"{kind}_delta"
            for half in halves(text):
                delta = {"type": delta_type, names[kind]: half}
                yield event({"type": "content_block_delta", "index": index, "delta": delta})
            if kind == "thinking":
                delta = {"type": "signature_delta", "signature": block["signature"]}
                yield event({"type": "content_block_delta", "index": index, "delta": delta})
            yield event({"type": "content_block_stop", "index": index})
        end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        yield event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 7}})
        yield event({"type": "message_stop"})


class Responses:
    """As OpenAI's own responses."""

    @staticmethod
    def read(body: Json) -> Asked:
        items = body["input"] if isinstance(body["input"], list) else []
        seals = [item.get("encrypted_content") for item in items if item.get("type") == "reasoning"]
        return Asked(
            tools=bool(body.get("tools")),
            results=[item["output"] for item in items if item.get("type") == "function_call_output"],
            images=sum(part["type"] == "input_image" for part in parts_of(items)),
            schema="format" in body.get("text", {}),
            thinks=True,
            forged=any(seal != "own-seal" for seal in seals) or body.get("store") is not False,
            parallel=body.get("parallel_tool_calls") is not False,
        )

    @staticmethod
    def whole(said: Said) -> Json:
        output: list[Json] = []
        if said.thought:
            output.append({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "own-seal"})
        text = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
        output.append(message)
        for place, call in enumerate(said.calls):
            item = {"id": f"fc_{place}", "type": "function_call", "status": "completed", "call_id": call.id}
            output.append({**item, "name": "weather", "arguments": call.arguments})
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "model": "weather-responses",
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": 11,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 18,
            },
        }

    @staticmethod
    def events(said: Said) -> Iterator[bytes]:
        whole = Responses.whole(said)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        for number, fields in enumerate(Responses._events(whole, begun)):
            yield event({**fields, "sequence_number": number})

    @staticmethod
    def _events(whole: Json, begun: Json) -> Iterator[Json]:
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        for index, item in enumerate(whole["output"]):
            place = {"item_id": item["id"], "output_index": index}
            empty: Mapping[str, Json] = {"message": {"content": []}, "function_call": {"arguments": ""}}
            begun_item = {**item, **empty.get(item["type"], {})}
            yield {"type": "response.output_item.added", "output_index": index, "item": begun_item}
            if item["type"] == "message":
                part = item["content"][0]
                within = {**place, "content_index": 0}
                yield {"type": "response.content_part.added", **within, "part": {**part, "text": ""}}
                for half in halves(part["text"]):
                    yield {"type": "response.output_text.delta", **within, "delta": half, "logprobs": []}
                yield {"type": "response.output_text.done", **within, "text": part["text"], "logprobs": []}
                yield {"type": "response.content_part.done", **within, "part": part}
            if item["type"] == "function_call":
                for half in halves(item["arguments"]):
                    yield {"type": "response.function_call_arguments.delta", **place, "delta": half}
                done = {"name": "weather", "arguments": item["arguments"]}
                yield {"type": "response.function_call_arguments.done", **place, **done}
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": "response.completed", "response": whole}


DIALECTS: Mapping[str, type[ChatCompletions] | type[Messages] | type[Responses]] = {
    "completions": ChatCompletions,
    "messages": Messages,
    "responses": Responses,
}


@asynccontextmanager
async def forecasting() -> AsyncIterator[Weather]:
    """Serve it on a port that the system chose."""
    weather = Weather()
    app = web.Application()
    app.router.add_post("/v1/{path:.*}", weather.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        weather.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield weather
    finally:
        await runner.cleanup()

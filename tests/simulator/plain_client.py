"""A client of a running simulator that speaks plain HTTP and knows no dialect's SDK."""

from dataclasses import dataclass

import aiohttp

from gateway.simulator.faults import Fault, Faults, Script

MODEL_OF = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
PATH_OF = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


@dataclass(frozen=True)
class Simulated:
    """A running simulator: its address, its board and a client that speaks plain HTTP."""

    url: str
    faults: Faults
    client: aiohttp.ClientSession

    def script(self, dialect: str, fault: Fault, *, per_token_s: float | None = None) -> None:
        self.faults.put(MODEL_OF[dialect], Script(fault, 1, per_token_s=per_token_s))

    async def ask(
        self, dialect: str, *, stream: bool, prompt: str = "Why is the sky blue?", prefix: str = ""
    ) -> aiohttp.ClientResponse:
        body: dict[str, object] = {
            "model": MODEL_OF[dialect],
            "max_tokens": 500,
            "stream": stream,
            "messages": [{"role": "user", "content": prompt}],
        }
        if dialect == "openai" and stream:
            body["stream_options"] = {"include_usage": True}
        return await self.post(prefix + PATH_OF[dialect], body)

    async def post(self, path: str, body: object) -> aiohttp.ClientResponse:
        return await self.client.post(self.url + path, json=body, headers={"anthropic-version": "2023-06-01"})

    async def requests(self) -> dict[str, object]:
        """Give the journal once nothing is under way any more."""
        async with self.client.get(f"{self.url}/requests?settle=5") as response:
            document: dict[str, object] = await response.json()
            return document

    async def last(self) -> dict[str, object]:
        requests = (await self.requests())["requests"]
        assert isinstance(requests, list)
        last: dict[str, object] = requests[-1]
        return last

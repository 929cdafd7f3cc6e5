"""OpenAI's client library: providers of its dialect, and Azure OpenAI. A body goes out as it is, byte for byte."""

from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec
import openai

from gateway.adapters.aside import Aside
from gateway.adapters.sdk import WRITING, Faults, below, options_of, unwritten, without_credentials
from gateway.domain.registry import Azure
from gateway.domain.upstream import Call, Library, Reply, UpstreamError

FAULTS: Final[Faults] = (openai.OpenAIError, *WRITING)
OF_AZURE: Final = "https://cognitiveservices.azure.com/.default"
"""What a token for Azure OpenAI is good for."""
NO_KEY: Final = "none"
"""Stands where the library must have a key, and never leaves: each call brings its own, or none."""


class OpenAIAccount:
    """Any provider of the dialect; who we are stands in each call."""

    faults = FAULTS

    def __init__(self, library: Library, wire: httpx2.AsyncClient, _: Aside) -> None:
        self._client = openai.AsyncOpenAI(
            api_key=NO_KEY, base_url=library.base_url, http_client=wire, max_retries=0, organization="", project=""
        )

    async def post(self, call: Call) -> object:
        """Have the library send a call."""
        headers: dict[str, object] = {"Authorization": openai.Omit(), **call.headers}
        options = options_of(headers, openai.Omit())
        return await self._client.post(call.url, content=call.body, cast_to=httpx2.Response, options=options)

    def reply(self, reply: Reply) -> Reply:
        """Give a reply as it is."""
        return reply


class _Named(msgspec.Struct):
    """The part of a request that an address needs."""

    model: str


class AzureAccount(OpenAIAccount):
    """A resource of Azure OpenAI, by its key or by the gateway's own identity in Azure."""

    def __init__(self, library: Library, wire: httpx2.AsyncClient, aside: Aside) -> None:
        if not isinstance(library.cloud, Azure):
            raise TypeError("not a resource of Azure")
        self._library = library
        self._aside = aside
        self._deployment = library.cloud.deployment
        key = library.credentials.api_key
        self._identity: Any = None if key is not None else import_module("azure.identity").DefaultAzureCredential()
        self._client = openai.AsyncAzureOpenAI(
            base_url=f"{library.base_url}/openai",
            api_version=library.cloud.api_version,
            api_key=key,
            azure_ad_token_provider=None if key is not None else self._token,
            http_client=wire,
            max_retries=0,
            organization="",
            project="",
        )

    async def post(self, call: Call) -> object:
        """Have the library send a call to the deployment that is asked for."""
        deployment = self._deployment or msgspec.json.decode(call.body, type=_Named).model
        if deployment in {"", ".", ".."}:
            raise unwritten(call.provider)
        path = f"/deployments/{quote(deployment, safe='')}{below(call, self._library)}"
        options = options_of(call.headers, openai.Omit())
        return await self._client.post(path, content=call.body, cast_to=httpx2.Response, options=options)

    async def _token(self) -> str:
        """Get a token; the library of the identity keeps those that still hold."""
        return await self._aside.run(self._got)

    def _got(self) -> str | UpstreamError:
        try:
            return str(self._identity.get_token(OF_AZURE).token)
        except import_module("azure.core.exceptions").AzureError:
            return without_credentials("Azure")


def prepare(library: Library) -> None:
    """Do what takes long, before there are requests that would wait for it."""
    if isinstance(library.cloud, Azure) and library.credentials.api_key is None:
        import_module("azure.identity")

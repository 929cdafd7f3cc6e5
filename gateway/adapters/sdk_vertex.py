"""Anthropic's models at Google's Vertex AI, by its client library; it has the extra `vertex`."""

import asyncio
from importlib import import_module
from typing import Any, Final

import anthropic
import httpx2

from gateway.adapters.aside import Aside
from gateway.adapters.sdk import options_of, without_credentials
from gateway.adapters.sdk_anthropic import FAULTS
from gateway.adapters.sdk_clouds import body_of, headers_of, path_of
from gateway.domain.registry import Vertex
from gateway.domain.upstream import Call, Library, Reply

FIRST_VERSION: Final = "vertex-2023-10-16"
MODULES: Final = ("google.auth", "google.oauth2.service_account", "google.auth.transport.requests")
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


class VertexAccount:
    """A project at Vertex AI, by an access token or by credentials that tokens are got with."""

    faults = FAULTS

    def __init__(self, library: Library, wire: httpx2.AsyncClient, aside: Aside) -> None:
        if not isinstance(library.cloud, Vertex):
            raise TypeError("not a project at Vertex AI")
        self._library = library
        self._cloud = library.cloud
        self._aside = aside
        self._one_at_a_time = asyncio.Lock()
        self._credentials: Any = None
        self._client = anthropic.AsyncAnthropicVertex(
            region=library.cloud.region,
            project_id=library.cloud.project,
            base_url=library.base_url,
            http_client=wire,
            max_retries=0,
            open_telemetry=False,
        )

    async def post(self, call: Call) -> object:
        """Have the library send a call, with a token that still holds."""
        token = self._library.credentials.api_key or await self._token(call.provider)
        options = options_of({"Authorization": f"Bearer {token}", **headers_of(call)}, anthropic.Omit())
        path, body = path_of(call, self._library), body_of(call, FIRST_VERSION)
        return await self._client.post(path, body=body, cast_to=httpx2.Response, options=options)

    def reply(self, reply: Reply) -> Reply:
        """Give a reply as it is."""
        return reply

    async def _token(self, provider: str) -> str:
        async with self._one_at_a_time:
            if self._credentials is None or not self._credentials.valid:
                self._credentials = await self._aside.run(lambda: self._refreshed(provider))
            return str(self._credentials.token)

    def _refreshed(self, provider: str) -> Any:  # noqa: ANN401 - Google's library has no types
        """Find credentials, and get a token with them: over the network, by Google's own library."""
        auth, account, requests = map(import_module, MODULES)
        try:
            credentials = self._credentials
            if credentials is None and self._cloud.credentials_file:
                file = self._cloud.credentials_file
                credentials = account.Credentials.from_service_account_file(file, scopes=[SCOPE])
            elif credentials is None:
                credentials, _ = auth.default(scopes=[SCOPE])
            credentials.refresh(requests.Request())
        except (auth.exceptions.GoogleAuthError, OSError, ValueError):
            return without_credentials(provider)
        return credentials


def prepare(library: Library) -> None:
    """Do what takes long, before there are requests that would wait for it."""
    if library.credentials.api_key is None:
        for name in MODULES:
            import_module(name)

"""The edge of the handlers that answer operators and questions: a bug there is a 500 without what it met."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.runtime import bugs
from gateway.web.answers import answer
from gateway.web.connections import SlowBodyError

BROKEN = "the gateway failed with a mistake of its own; its log says where"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def edge(handler: Handler) -> Handler:
    """Give a handler that answers a bug like an error."""

    async def guarded(http: web.Request) -> web.StreamResponse:
        try:
            return await handler(http)
        except web.HTTPException:
            raise
        except SlowBodyError:
            return answer({"error": {"message": "the request body did not come in time: send it again"}}, 408)
        except Exception as error:  # noqa: BLE001 - the edge
            resource = http.match_info.route.resource
            bugs.say(f"{http.method} {resource.canonical if resource else ''}", error)
            return answer({"error": {"message": BROKEN}}, 500)

    return guarded

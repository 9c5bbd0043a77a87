"""`/rest/v1`: requests handed on to PostgREST and answers handed back, unread.

Only what the platform's database refuses on connections of the API (pg-safeupdate), and this one
cannot, is refused here: to change or delete the rows of a table without saying which.
"""

from __future__ import annotations

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from local_supabase.context import Context

ROOT = "/rest/v1"

# Headers between two neighbours on the wire, not for the one behind.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "host",
}


# What a request may say besides which rows it means.
_NO_FILTERS = {"select", "columns", "order", "limit", "offset", "on_conflict"}
_REFUSED_WITHOUT_WHERE = {"PATCH": "UPDATE", "DELETE": "DELETE"}


class RestApi:
    """Serves `/rest/v1`.

    Args:
        context: the stack's shared parts.
    """

    def __init__(self, context: Context) -> None:
        self._client = httpx.AsyncClient(
            base_url=context.postgrest_url,
            timeout=httpx.Timeout(130, connect=5),
            limits=httpx.Limits(max_connections=None),
        )
        self.routes: list[BaseRoute] = [
            Route(f"{ROOT}/{{rest:path}}", endpoint=_Proxy(self._client))
        ]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Close the connections to PostgREST."""
        await self._client.aclose()


class _Proxy:
    """An ASGI application, so that it takes every method."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode().removeprefix(ROOT)
        statement = _REFUSED_WITHOUT_WHERE.get(request.method)
        if statement is not None and not request.query_params.keys() - _NO_FILTERS:
            return _without_where(statement)
        handed_on = self._client.build_request(
            request.method,
            httpx.URL(path, query=request.scope["query_string"]),
            headers=[(k, v) for k, v in request.headers.items() if k not in _HOP_BY_HOP],
            content=await request.body(),
        )
        try:
            answer = await self._client.send(handed_on, stream=True)
        except httpx.TransportError:
            return _not_there()
        return _StreamedAnswer(answer)


def _without_where(statement: str) -> Response:
    message = f"{statement} requires a WHERE clause"
    return JSONResponse(
        {"code": "21000", "details": None, "hint": None, "message": message}, status_code=400
    )


def _not_there() -> Response:
    message = "An invalid response was received from the upstream server"
    return JSONResponse({"message": message}, 502)


class _StreamedAnswer(StreamingResponse):
    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.aiter_raw(), answer.status_code)
        self.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode() not in _HOP_BY_HOP
        ]
        self._upstream = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._upstream.aclose()

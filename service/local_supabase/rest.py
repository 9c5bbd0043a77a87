"""`/rest/v1`: requests handed on to PostgREST and answers handed back, unread.

Only what the platform's database refuses on connections of the API (pg-safeupdate), and this one
cannot, is refused here: to change or delete the rows of a table without saying which. What it
refuses inside a function goes unnoticed.
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
_NO_FILTERS = {"select", "columns", "order", "limit", "offset", "on_conflict", "apikey"}
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
        if statement is not None and not _has_filter(request):
            return await self._refuse(request, path, statement)
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

    async def _refuse(self, request: Request, path: str, statement: str) -> Response:
        """Refuse what has no condition, unless PostgREST refuses it before it asks the database."""
        headers = {
            name: request.headers[name]
            for name in ("authorization", "apikey")
            if name in request.headers
        }
        if "content-profile" in request.headers:
            headers["accept-profile"] = request.headers["content-profile"]
        try:
            tried = await self._client.get(path, params={"limit": 0}, headers=headers)
        except httpx.TransportError:
            return _not_there()
        if tried.status_code == 404 or b'"PGRST' in tried.content:
            return Response(tried.content, tried.status_code, media_type="application/json")
        message = f"{statement} requires a WHERE clause"
        refusal = {"code": "21000", "details": None, "hint": None, "message": message}
        return JSONResponse(refusal, status_code=400)


def _has_filter(request: Request) -> bool:
    """Whether a parameter names a condition; those of embedded tables, `logs.order`, do not."""
    return any(name.rpartition(".")[2] not in _NO_FILTERS for name in request.query_params)


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

"""The one port of the embedded Supabase: checks the key, says yes to browsers, finds the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Generator, Sequence
from typing import Protocol

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from local_supabase.auth.rejections import AuthRejectedError, answer_refused
from local_supabase.callers import CallerCheck
from local_supabase.keys import Keys
from local_supabase.ports import listen

_LOG = logging.getLogger(__name__)

# On the platform, too, these check the caller themselves, or let everybody in.
_OPEN = ("/storage/v1/", "/realtime/v1/", "/auth/v1/health", "/auth/v1/.well-known/")
_NOT_SERVED = {
    "functions": "Edge functions are",
    "graphql": "GraphQL is",
    "pg": "The database management API is",
}


class Api(Protocol):
    """One of the APIs behind the gateway."""

    routes: list[BaseRoute]

    async def start(self) -> None:
        """Get ready; requests may come when this returns."""

    async def stop(self) -> None:
        """Let go of everything."""


def application(apis: Sequence[Api], keys: Keys) -> Starlette:
    """The gateway as an ASGI application."""
    routes = [route for api in apis for route in api.routes]
    return Starlette(
        routes=[
            *routes,
            Route("/{rest:path}", _elsewhere, methods=["GET", "POST", "PUT", "DELETE"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["*"],
            ),
            Middleware(_KeyCheck, keys=keys),
        ],
        exception_handlers={AuthRejectedError: answer_refused, Exception: _failed},
    )


class _KeyCheck:
    """Asks for the project's key and puts a token in the place of an `sb_…` key."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            refusal = self._check(request)
            if refusal is not None and not scope["path"].startswith(_OPEN):
                await refusal(scope, receive, send)
                return
            key_in_url = request.query_params.get("apikey")
            # Last, because whoever reads the headers afterwards must meet this very list.
            self._exchange(MutableHeaders(scope=scope), key_in_url)
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> Response | None:
        key = request.headers.get("apikey") or request.query_params.get("apikey")
        if not key:
            message = "No API key found in request"
            hint = "No `apikey` request header or url param was found."
            return JSONResponse({"message": message, "hint": hint}, 401)
        if self._is_known(key):
            return None
        hint = "Double check your Supabase `anon` or `service_role` API key."
        return JSONResponse({"message": "Invalid API key", "hint": hint}, 401)

    def _is_known(self, key: str) -> bool:
        if self._keys.legacy(key) is not None:
            return True
        try:
            return self._keys.verify(key).get("role") in ("anon", "service_role")
        except jwt.InvalidTokenError:
            return False

    def _exchange(self, headers: MutableHeaders, key_in_url: str | None) -> None:
        key = headers.get("apikey") or key_in_url or ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not bearer and not key:
            return
        token = self._keys.legacy(bearer) or bearer or self._keys.legacy(key) or key
        headers["authorization"] = f"Bearer {token}"


async def _elsewhere(request: Request) -> Response:
    first = request.url.path.strip("/").partition("/")[0]
    if first in _NOT_SERVED:
        message = f"{_NOT_SERVED[first]} not served by the embedded stack; use a Supabase project."
        return JSONResponse({"message": message}, 501)
    return JSONResponse({"message": "no Route matched with those values"}, 404)


async def _failed(request: Request, error: Exception) -> Response:
    """Say on the log what nobody expected, without query and details, which may be secret."""
    first = str(error).partition("\n")[0]
    kind = type(error).__name__
    _LOG.error("%s %s failed: %s: %s", request.method, request.url.path, kind, first)
    return JSONResponse({"message": "The embedded stack failed; its log says at what."}, 500)


class _PingTelling(WebSocketsSansIOProtocol):
    """Tells the application, through its scope's state, when the client last sent a ping."""

    def handle_ping(self) -> None:
        """Answer it and note the time."""
        super().handle_ping()
        self.scope["state"]["pinged_at"] = time.monotonic()


class Server:
    """Serves one application on one port of 127.0.0.1, in this process.

    Args:
        app: the application.
        port: its TCP port.
        part: what the port is for, in messages.
        names: by which it may be called besides those of this machine.
    """

    def __init__(self, app: ASGIApp, port: int, part: str, *, names: Collection[str] = ()) -> None:
        config = uvicorn.Config(
            CallerCheck(app, names),
            log_level="critical",  # what the other side breaks off is its own affair
            lifespan="off",
            timeout_graceful_shutdown=2,
            ws=_PingTelling,
            server_header=False,
        )
        self._server = _QuietServer(config)
        self._port = port
        self._part = part
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises SetupError when the port is taken."""
        listener = listen(self._port, self._part)
        self._serving = asyncio.create_task(
            self._server.serve([listener]), name=f"serve {self._part}"
        )
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Finish what is being answered, for two seconds at most, and stop; safe to call twice."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None


class _QuietServer(uvicorn.Server):
    """A server whose signals are its owner's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield

"""The routes of `/realtime/v1`."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from local_supabase.context import Context
from local_supabase.realtime.broadcasts import Broadcast, Broadcasts
from local_supabase.realtime.changes import Changes
from local_supabase.realtime.frames import VERSIONS
from local_supabase.realtime.policies import Policies
from local_supabase.realtime.socket import Socket
from local_supabase.realtime.tokens import BadTokenError, claims_of

ROOT = "/realtime/v1"
SERVICE_RESTART = 1012
_LOG = logging.getLogger(__name__)


class RealtimeApi:
    """Serves `/realtime/v1/websocket`.

    Args:
        context: the stack's shared parts.
    """

    def __init__(self, context: Context) -> None:
        self._faults = context.faults.realtime
        self._changes = Changes(context.database, context.times, self._faults)
        self._policies = Policies(context.database, self._faults)
        self._context = context
        self._broadcasts = Broadcasts(context.database, context.times, self._deliver)
        self._sockets: set[Socket] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._faults.dropping_by(self._close_sockets)
        self.routes: list[BaseRoute] = [
            WebSocketRoute(f"{ROOT}/websocket", self._serve),
            Route(f"{ROOT}/{{rest:path}}", _not_served, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    async def start(self) -> None:
        """Begin to listen; broadcasts committed from now on are delivered."""
        self._tasks = [
            asyncio.create_task(self._broadcasts.run(), name="realtime broadcasts"),
            asyncio.create_task(self._changes.run(), name="realtime changes"),
        ]
        await self._broadcasts.listening.wait()

    async def stop(self) -> None:
        """Close every socket (1012) and listen no more; safe to call twice."""
        self._close_sockets()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _close_sockets(self) -> None:
        for socket in tuple(self._sockets):
            socket.end(SERVICE_RESTART)

    def _deliver(self, message: Broadcast) -> None:
        if not (self._faults.swallow_broadcasts or self._faults.is_lost()):
            for socket in tuple(self._sockets):
                try:
                    socket.broadcast(message)
                except ValueError as error:
                    _LOG.warning("A broadcast was not delivered: %s", error)

    async def _serve(self, websocket: WebSocket) -> None:
        if self._faults.refuse_sockets:
            await websocket.send_denial_response(Response(status_code=503))
            return
        version = websocket.query_params.get("vsn", "1.0.0")
        if version not in VERSIONS:
            await websocket.send_denial_response(Response(status_code=403))
            return
        key = websocket.query_params.get("apikey", websocket.headers.get("x-api-key"))
        refusal = self._refusal(key)
        if refusal is not None or key is None:
            await asyncio.sleep(self._context.times.refused_upgrade_seconds)
            await websocket.send_denial_response(JSONResponse({"error": refusal}, 401))
            return
        await websocket.accept()
        socket = Socket(
            websocket,
            version=version,
            api_key=key,
            context=self._context,
            changes=self._changes,
            policies=self._policies,
        )
        self._sockets.add(socket)
        if self._faults.refuse_sockets:  # since its handshake began
            socket.end(SERVICE_RESTART)
        try:
            await socket.serve()
        finally:
            self._sockets.discard(socket)

    def _refusal(self, key: str | None) -> str | None:
        if key is None:
            return "API key is missing"
        try:
            claims_of(self._context.keys, key)
        except BadTokenError as error:
            expired = error.message.startswith("Token has expired")
            return "Token has expired" if expired else error.message
        return None


async def _not_served(_: Request) -> Response:
    message = "Only the WebSocket of Realtime is served by the embedded stack."
    return JSONResponse({"message": message}, 501)

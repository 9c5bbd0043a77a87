"""The routes of `/realtime/v1`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from service.embedded.context import Context
from service.embedded.database import Database
from service.embedded.realtime.broadcasts import Broadcast, Broadcasts
from service.embedded.realtime.changes import Changes
from service.embedded.realtime.frames import VERSIONS
from service.embedded.realtime.socket import Socket
from service.embedded.realtime.tokens import BadTokenError, claims_of

ROOT = "/realtime/v1"


class Faults:
    """What goes wrong on request, for tests."""

    def __init__(self, api: RealtimeApi) -> None:
        self._api = api
        self.refuse_private = False
        self.swallow_broadcasts = False

    def drop_all(self) -> None:
        """Close every socket, as a restart of the server does."""
        self._api.close_sockets(1012)

    def swallow(self, *, on: bool) -> None:
        """Deliver nothing while everything looks well, or deliver again."""
        self.swallow_broadcasts = on
        self._api.changes.swallow = on

    def clear(self) -> None:
        """Let everything be well again."""
        self.refuse_private = False
        self.swallow(on=False)


class RealtimeApi:
    """Serves `/realtime/v1/websocket`.

    Args:
        context: the stack's shared parts.
    """

    def __init__(self, context: Context) -> None:
        self.changes = Changes(context.database)
        self.faults = Faults(self)
        self._context = context
        self._policies = _Policies(context.database, self.faults)
        self._broadcasts = Broadcasts(context.database, self._deliver)
        self._sockets: set[Socket] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.routes: list[BaseRoute] = [
            WebSocketRoute(f"{ROOT}/websocket", self._serve),
            Route(f"{ROOT}/{{rest:path}}", _not_served, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    async def start(self) -> None:
        """Begin to listen; broadcasts committed from now on are delivered."""
        self._tasks = [
            asyncio.create_task(self._broadcasts.run(), name="realtime broadcasts"),
            asyncio.create_task(self.changes.run(), name="realtime changes"),
        ]
        await self._broadcasts.listening.wait()

    async def stop(self) -> None:
        """Close every socket (1012) and listen no more; safe to call twice."""
        self.close_sockets(1012)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def close_sockets(self, code: int) -> None:
        """Close every socket with a code."""
        for socket in tuple(self._sockets):
            socket.end(code)

    def _deliver(self, message: Broadcast) -> None:
        if not self.faults.swallow_broadcasts:
            for socket in tuple(self._sockets):
                socket.broadcast(message)

    async def _serve(self, websocket: WebSocket) -> None:
        version = websocket.query_params.get("vsn", "1.0.0")
        if version not in VERSIONS:
            await websocket.send_denial_response(Response(status_code=403))
            return
        key = websocket.query_params.get("apikey") or websocket.headers.get("x-api-key")
        refusal = self._refusal(key)
        if refusal is not None or key is None:
            await websocket.send_denial_response(JSONResponse({"error": refusal}, 401))
            return
        await websocket.accept()
        socket = Socket(
            websocket,
            version=version,
            api_key=key,
            context=self._context,
            changes=self.changes,
            policies=self._policies,
        )
        self._sockets.add(socket)
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


class _Policies:
    """Asks the policies on `realtime.messages`, as the platform does."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults

    async def may_read(self, topic: str, claims: dict[str, Any]) -> bool:
        """Whether a message of this topic would be visible to the bearer."""
        if self._faults.refuse_private:
            return False
        async with (
            self._database.administrator() as connection,
            connection.transaction(force_rollback=True),
        ):
            cursor = await connection.execute(
                "insert into realtime.messages (topic, extension) values (%s, 'broadcast')"
                " returning id",
                (topic,),
            )
            row = await cursor.fetchone()
            await connection.execute(
                "select set_config('realtime.topic', %s, true),"
                " set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
                (topic, json.dumps(claims), str(claims["role"])),
            )
            with contextlib.suppress(Exception):
                cursor = await connection.execute(
                    "select 1 as seen from realtime.messages where id = %s", ((row or {})["id"],)
                )
                return await cursor.fetchone() is not None
        return False


async def _not_served(_: Request) -> Response:
    message = "Only the WebSocket of Realtime is served by the embedded stack."
    return JSONResponse({"message": message}, 501)

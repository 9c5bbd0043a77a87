"""Raw sockets of Realtime in both versions of the protocol, and what is asked for on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from psycopg import sql
from websockets.asyncio.client import ClientConnection, connect

from tests.support.contract import Project

PATIENCE_SECONDS = 15
EVERYONE = "anon, authenticated, service_role"


def socket_url(project: Project, **parameters: str) -> str:
    """Where the socket is opened; without an argument there is no key."""
    root = project.url.replace("http", "ws", 1)
    return f"{root}/realtime/v1/websocket?{urlencode(parameters)}"


@dataclass(frozen=True)
class Frame:
    """A message of the server; `keys` are those of the frame itself, in version 1.0.0."""

    topic: str
    event: str
    payload: Any
    ref: Any
    join_ref: Any
    keys: frozenset[str]
    raw: str | bytes

    @property
    def data(self) -> dict[str, Any]:
        """The change in a `postgres_changes` frame."""
        assert self.event == "postgres_changes", self
        found: dict[str, Any] = self.payload["data"]
        return found


class Wire:
    """One raw socket in either version of the protocol."""

    def __init__(self, socket: ClientConnection, version: str, project: Project) -> None:
        self.socket = socket
        self.version = version
        self._project = project
        self._ref = 0

    async def send(
        self, topic: str, event: str, payload: Any, *, ref: Any = None, join_ref: Any = None
    ) -> None:
        """Send one message."""
        message: Any = [join_ref, ref, topic, event, payload]
        if self.version != "2.0.0":
            names = ("join_ref", "ref", "topic", "event", "payload")
            message = dict(zip(names, message, strict=True))
        await self.socket.send(json.dumps(message))

    async def next(self) -> Frame:
        """The next message of the server, whatever it is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            raw = await self.socket.recv()
        if isinstance(raw, bytes):
            return self._broadcast(raw)
        value = json.loads(raw)
        if self.version == "2.0.0":
            join_ref, ref, topic, event, payload = value
            return Frame(topic, event, payload, ref, join_ref, frozenset(), raw)
        return Frame(
            value["topic"],
            value["event"],
            value["payload"],
            value["ref"],
            value.get("join_ref"),
            frozenset(value),
            raw,
        )

    def _broadcast(self, raw: bytes) -> Frame:
        kind, topic_size, event_size, meta_size, encoding = raw[:5]
        assert (kind, encoding) == (4, 1)
        rest = raw[5:]
        topic, rest = rest[:topic_size].decode(), rest[topic_size:]
        event, rest = rest[:event_size].decode(), rest[event_size:]
        meta, rest = rest[:meta_size].decode(), rest[meta_size:]
        payload = {
            "event": event,
            "meta": json.loads(meta) if meta else None,
            "payload": json.loads(rest),
            "type": "broadcast",
        }
        return Frame(topic, "broadcast", payload, None, None, frozenset(), raw)

    async def heartbeat(self) -> None:
        """Assert that the next thing to arrive is the answer to a heartbeat sent now."""
        self._ref += 1
        ref = f"beat {self._ref}"
        await self.send("phoenix", "heartbeat", {}, ref=ref)
        frame = await self.next()
        assert (frame.topic, frame.event, frame.ref) == ("phoenix", "phx_reply", ref), frame

    async def join(
        self,
        topic: str,
        *bindings: Any,
        token: Any = ...,
        ref: str = "1",
        **config: Any,
    ) -> Frame:
        """Join `realtime:<topic>`; answers the reply. Without a token the key's rights are used."""
        payload = {"config": {"postgres_changes": list(bindings), **config}}
        if token is not ...:
            payload["access_token"] = token
        await self.send(f"realtime:{topic}", "phx_join", payload, ref=ref, join_ref=ref)
        frame = await self.next()
        assert (frame.event, frame.ref) == ("phx_reply", ref), frame
        return frame

    async def subscribe(self, topic: str, *bindings: Any, **options: Any) -> list[int]:
        """Join and wait until no change will be missed; answers the ids of the bindings."""
        reply = await self.join(topic, *bindings, **options)
        assert reply.payload["status"] == "ok", reply
        system = await self.next()
        assert system.payload["message"] == "Subscribed to PostgreSQL", system
        return [entry["id"] for entry in reply.payload["response"]["postgres_changes"]]

    async def changes(self, count: int) -> list[Frame]:
        """The next frames, all of which are changes."""
        frames = [await self.next() for _ in range(count)]
        assert {frame.event for frame in frames} <= {"postgres_changes"}, frames
        return frames

    async def refused_binding(self, topic: str, *bindings: Any, **options: Any) -> str:
        """Join with bindings of which one is bad; answers what the system message says."""
        reply = await self.join(topic, *bindings, **options)
        assert reply.payload["status"] == "ok", reply
        system = await self.next()
        assert (system.event, system.payload["status"]) == ("system", "error"), system
        assert system.payload["extension"] == "postgres_changes"
        return str(system.payload["message"])


Connect = Callable[..., Awaitable[Wire]]


async def open_wire(
    project: Project, stack: contextlib.AsyncExitStack, version: str, key: str, **options: Any
) -> Wire:
    """Open a socket that is closed with the stack."""
    url = socket_url(project, apikey=key, vsn=version)
    socket = await stack.enter_async_context(connect(url, max_size=None, **options))
    return Wire(socket, version, project)


Sql = Callable[..., Awaitable[list[dict[str, Any]]]]


MakeTable = Callable[..., Awaitable[str]]


def topic_name() -> str:
    """A topic that no other test uses."""
    return f"topic-{uuid.uuid4().hex[:12]}"


def everything(table: str, **more: Any) -> dict[str, Any]:
    """A binding to all changes of a table."""
    return {"event": "*", "schema": "public", "table": table, **more}


def literal(value: str) -> str:
    """A value as an SQL literal, for statements that take no parameters."""
    return sql.Literal(value).as_string(None)

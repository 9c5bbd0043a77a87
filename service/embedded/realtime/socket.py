"""One client's WebSocket: its channels, what it says and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any, Protocol

import psycopg
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.embedded.context import Context
from service.embedded.realtime.bindings import BadBindingError, Binding, parse
from service.embedded.realtime.broadcasts import Broadcast
from service.embedded.realtime.changes import Changes
from service.embedded.realtime.frames import Message, decode, encode, encode_broadcast
from service.embedded.realtime.tokens import BadTokenError, claims_of

SILENCE_SECONDS = 63
REFUSAL_SECONDS = 0.5  # the real server takes five, to slow down those who guess
_QUEUE_FRAMES = 5000
_PREFIX = "realtime:"


class Policies(Protocol):
    """Decides who may join a private topic."""

    async def may_read(self, topic: str, claims: dict[str, Any]) -> bool:
        """Whether the bearer may read the topic."""


class Channel:
    """One joined topic of one socket."""

    def __init__(self, socket: Socket, topic: str, join_ref: str | None, *, private: bool) -> None:
        self.topic = topic
        self.join_ref = join_ref
        self.private = private
        self.claims: dict[str, Any] = {}
        self.bindings: list[Binding] = []
        self.expiry: asyncio.TimerHandle | None = None
        self.subscribing: asyncio.Task[None] | None = None
        self._socket = socket

    def deliver_change(self, payload: str) -> None:
        """Send a change."""
        self._socket.send(self.topic, "postgres_changes", payload)

    def close(self) -> None:
        """Forget timers and tasks."""
        if self.expiry is not None:
            self.expiry.cancel()
        if self.subscribing is not None:
            self.subscribing.cancel()


class Socket:
    """One connection, from `serve` until it returns.

    Args:
        websocket: accepted already.
        version: of the protocol.
        api_key: what the connection was opened with.
        context, changes, policies: the stack's shared parts.
    """

    def __init__(
        self,
        websocket: WebSocket,
        *,
        version: str,
        api_key: str,
        context: Context,
        changes: Changes,
        policies: Policies,
    ) -> None:
        self._websocket = websocket
        self._version = version
        self._api_key = api_key
        self._context = context
        self._changes = changes
        self._policies = policies
        self._channels: dict[str, Channel] = {}
        self._outgoing: asyncio.Queue[str | bytes | None] = asyncio.Queue(_QUEUE_FRAMES)
        self._close_code = 1000

    async def serve(self) -> None:
        """Talk until either side has had enough."""
        writer = asyncio.create_task(self._write(), name="realtime writer")
        reader = asyncio.create_task(self._read(), name="realtime reader")
        try:
            await asyncio.wait([writer, reader], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for channel in self._channels.values():
                self._drop(channel)
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close(self._close_code)

    def end(self, code: int) -> None:
        """Close the connection from our side."""
        self._close_code = code
        while self._outgoing.full():
            self._outgoing.get_nowait()
        self._outgoing.put_nowait(None)

    def broadcast(self, message: Broadcast) -> None:
        """Tell the client of a broadcast if it has joined the topic in the same privacy."""
        channel = self._channels.get(_PREFIX + message.topic)
        if channel is not None and channel.private == message.private:
            self._put(
                encode_broadcast(
                    self._version, channel.topic, message.event, message.id, message.payload
                )
            )

    def send(
        self,
        topic: str,
        event: str,
        payload: str,
        *,
        ref: str | None = None,
        join_ref: str | None = None,
    ) -> None:
        """Send a message; `payload` is JSON already."""
        self._put(encode(self._version, topic, event, payload, ref=ref, join_ref=join_ref))

    def _put(self, frame: str | bytes) -> None:
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:  # the client does not keep up
            self.end(1008)

    async def _write(self) -> None:
        while (frame := await self._outgoing.get()) is not None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                if isinstance(frame, bytes):
                    await self._websocket.send_bytes(frame)
                else:
                    await self._websocket.send_text(frame)

    async def _read(self) -> None:
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    received = await self._websocket.receive()
                if received["type"] == "websocket.disconnect":
                    return
                message = decode(received.get("text") or "", self._version)
                if message is not None:
                    await self._handle(message)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return

    async def _handle(self, message: Message) -> None:
        channel = self._channels.get(message.topic)
        match message.event:
            case "heartbeat" if message.topic == "phoenix":
                self._reply(message, "ok", {})
            case "phx_join":
                await self._join(message)
            case "phx_leave":
                self._leave(message, channel)
            case "access_token" if channel is not None:
                await self._new_token(channel, message.payload.get("access_token"))
            case "broadcast" | "presence" if channel is None:
                self._reply(message, "error", {"reason": "unmatched topic"})
            case "broadcast" | "presence":
                self._reply(message, "ok", {})

    async def _join(self, message: Message) -> None:
        topic = message.topic.removeprefix(_PREFIX)
        if not message.topic.startswith(_PREFIX):
            self._reply(message, "error", {"reason": "unmatched topic"})
            return
        config = message.payload.get("config")
        config = config if isinstance(config, dict) else {}
        channel = Channel(
            self, message.topic, message.join_ref, private=config.get("private") is True
        )
        refusal = await self._refusal(channel, topic, message.payload.get("access_token"))
        if refusal is not None:
            await asyncio.sleep(REFUSAL_SECONDS)
            self._reply(message, "error", {"reason": refusal})
            return
        former = self._channels.get(message.topic)
        wanted = config.get("postgres_changes")
        wanted = wanted if isinstance(wanted, list) else []
        self._answer_join(message, channel, wanted)
        if former is not None:
            self._drop(former)
            self.send(
                former.topic, "phx_close", "{}", ref=former.join_ref, join_ref=former.join_ref
            )
        self._channels[message.topic] = channel
        self._watch_expiry(channel)
        if (config.get("presence") or {}).get("enabled"):
            self.send(channel.topic, "presence_state", "{}", join_ref=channel.join_ref)
        if wanted:
            channel.subscribing = asyncio.create_task(
                self._subscribe(channel, wanted), name="realtime subscribe"
            )

    async def _refusal(self, channel: Channel, topic: str, token: Any) -> str | None:
        """Why a join is refused, or None; takes over the claims."""
        if not topic:
            return "TopicNameRequired: You must provide a topic name"
        usable = isinstance(token, str) and token and not token.startswith("sb_")
        try:
            channel.claims = claims_of(self._context.keys, token if usable else self._api_key)
            if channel.private and not await self._policies.may_read(topic, channel.claims):
                return (
                    "Unauthorized: You do not have permissions to read from this "
                    f"Channel topic: {topic}"
                )
        except BadTokenError as error:
            return error.reason
        except (psycopg.OperationalError, TimeoutError):
            return (
                "UnableToConnectToProject: Realtime was unable to connect to the project database"
            )
        return None

    def _answer_join(self, message: Message, channel: Channel, wanted: list[Any]) -> None:
        echoed = []
        for params in wanted:
            with contextlib.suppress(BadBindingError):
                channel.bindings.append(parse(params))
            entry = dict(params) if isinstance(params, dict) else {}
            echoed.append(entry | {"id": _id_of(params)})
        self._reply(message, "ok", {"postgres_changes": echoed})

    async def _subscribe(self, channel: Channel, wanted: list[Any]) -> None:
        try:
            for params in wanted:
                await self._changes.check(parse(params))
        except BadBindingError as error:
            channel.bindings = []
            self._system(channel, "postgres_changes", "error", str(error))
            return
        except psycopg.Error as error:
            self._system(channel, "postgres_changes", "error", str(error))
            return
        await self._changes.add(channel)
        self._system(channel, "postgres_changes", "ok", "Subscribed to PostgreSQL")

    def _leave(self, message: Message, channel: Channel | None) -> None:
        if channel is None:
            self._reply(message, "ok", {})
            return
        if message.join_ref is not None and message.join_ref != channel.join_ref:
            return
        self._drop(channel)
        del self._channels[message.topic]
        self._reply(message, "ok", {})
        self.send(channel.topic, "phx_close", "{}", ref=channel.join_ref, join_ref=channel.join_ref)

    async def _new_token(self, channel: Channel, token: Any) -> None:
        if not isinstance(token, str) or token.startswith("sb_"):
            return
        try:
            claims = claims_of(self._context.keys, token)
        except BadTokenError as error:
            self._expel(channel, error.message)
            return
        changed = claims != channel.claims
        channel.claims = claims
        self._watch_expiry(channel)
        if changed and channel.bindings:
            self._system(channel, "postgres_changes", "ok", "Subscribed to PostgreSQL")

    def _watch_expiry(self, channel: Channel) -> None:
        if channel.expiry is not None:
            channel.expiry.cancel()
        left = max(float(channel.claims["exp"]) - time.time(), 0)
        channel.expiry = asyncio.get_running_loop().call_later(
            left, self._expel, channel, "Token has expired 0 seconds ago"
        )

    def _expel(self, channel: Channel, reason: str) -> None:
        self._system(channel, "system", "error", reason)
        self._drop(channel)
        self._channels.pop(channel.topic, None)
        self.send(channel.topic, "phx_close", "{}", ref=channel.join_ref, join_ref=channel.join_ref)

    def _drop(self, channel: Channel) -> None:
        channel.close()
        self._changes.remove(channel)

    def _system(self, channel: Channel, extension: str, status: str, message: str) -> None:
        payload = {
            "channel": channel.topic.removeprefix(_PREFIX),
            "extension": extension,
            "message": message,
            "status": status,
        }
        self.send(channel.topic, "system", json.dumps(payload), join_ref=channel.join_ref)

    def _reply(self, message: Message, status: str, response: dict[str, Any]) -> None:
        payload = json.dumps({"response": response, "status": status})
        self.send(message.topic, "phx_reply", payload, ref=message.ref, join_ref=message.join_ref)


def _id_of(params: Any) -> int:
    try:
        return parse(params).id
    except BadBindingError:
        return 0

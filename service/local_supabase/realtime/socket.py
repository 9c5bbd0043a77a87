"""One client's WebSocket: its channels, what it says and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from typing import Any

import psycopg
from starlette.websockets import WebSocket, WebSocketDisconnect

from local_supabase.context import Context
from local_supabase.realtime.broadcasts import Broadcast
from local_supabase.realtime.changes import Changes
from local_supabase.realtime.channel import PREFIX, Channel
from local_supabase.realtime.frames import (
    Message,
    decode,
    decode_binary,
    encode,
    encode_broadcast,
)
from local_supabase.realtime.policies import Policies
from local_supabase.realtime.tokens import BadTokenError, claims_of

_CLOSE_SECONDS = 1
_QUEUE_FRAMES = 5000
_LOG = logging.getLogger(__name__)


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
        self._times = context.times
        self._silence_seconds = random.uniform(*context.times.silence_seconds)  # noqa: S311
        self._changes = changes
        self._policies = policies
        self._channels: dict[str, Channel] = {}
        self._outgoing: asyncio.Queue[str | bytes | None] = asyncio.Queue(_QUEUE_FRAMES)
        self._overrun = asyncio.Event()
        self._close_code = 1000

    async def serve(self) -> None:
        """Talk until either side has had enough."""
        tasks = [
            asyncio.create_task(self._write(), name="realtime writer"),
            asyncio.create_task(self._read(), name="realtime reader"),
            asyncio.create_task(self._overrun.wait(), name="realtime overrun"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for channel in self._channels.values():
                channel.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._websocket.close(self._close_code)

    def end(self, code: int) -> None:
        """Close the connection from our side, after what is waiting to be sent."""
        self._close_code = code
        try:
            self._outgoing.put_nowait(None)
        except asyncio.QueueFull:
            self._overrun.set()

    def broadcast(self, message: Broadcast) -> None:
        """Tell the client of a broadcast if it has joined the topic in the same privacy.

        Raises:
            ValueError: the message cannot be said in this version of the protocol.
        """
        channel = self._channels.get(PREFIX + message.topic)
        if channel is not None and channel.private == message.private:
            self._put(
                encode_broadcast(
                    self._version, channel.topic, message.event, message.id, message.payload
                )
            )

    def send(
        self, topic: str, event: str, payload: str, *, ref: Any = None, join_ref: Any = None
    ) -> None:
        """Send a message; `payload` is JSON already."""
        self._put(encode(self._version, topic, event, payload, ref=ref, join_ref=join_ref))

    def forget(self, channel: Channel) -> None:
        """The channel has ended by itself."""
        if self._channels.get(channel.topic) is channel:
            del self._channels[channel.topic]

    def _put(self, frame: str | bytes) -> None:
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:  # the client does not keep up
            self.end(1008)

    async def _write(self) -> None:
        while (frame := await self._outgoing.get()) is not None:
            if isinstance(frame, bytes):
                await self._websocket.send_bytes(frame)
            else:
                await self._websocket.send_text(frame)

    async def _read(self) -> None:
        """Handle what comes until nothing more does."""
        heard = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds - (time.monotonic() - heard)):
                    received = await self._websocket.receive()
            except TimeoutError:
                # A ping of the WebSocket itself is not told to applications, but it counts.
                pinged = self._websocket.scope.get("state", {}).get("pinged_at", heard)
                if pinged <= heard:
                    return
                heard = pinged
                continue
            heard = time.monotonic()
            if received["type"] == "websocket.disconnect":
                return
            message = self._decoded(received)
            if message is not None:
                await self._handle(message)

    def _decoded(self, received: Any) -> Message | None:
        text, data = received.get("text"), received.get("bytes")
        if text is not None:
            return decode(text, self._version)
        return decode_binary(data) if data and self._version == "2.0.0" else None

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
            case "broadcast" if channel is not None:
                self._send_back(message, channel)
            case "presence":
                self._reply(message, "ok", {})

    async def _join(self, message: Message) -> None:
        if not message.topic.startswith(PREFIX):
            self._reply(message, "error", {"reason": "unmatched topic"})
            return
        came_at = time.monotonic()
        try:
            channel = await self._admit(message)
        except _JoinRefusedError as refusal:
            taken_seconds = time.monotonic() - came_at
            await asyncio.sleep(self._times.refused_join_seconds - taken_seconds)
            self._reply(message, "error", {"reason": str(refusal)})
            return
        self._reply(message, "ok", channel.join_response())
        former = self._channels.get(message.topic)
        if former is not None:
            former.close()
            former.send_closed()
        self._channels[message.topic] = channel
        if channel.wants_presence:
            self.send(channel.topic, "presence_state", "{}", join_ref=channel.join_ref)
        channel.begin()

    async def _admit(self, message: Message) -> Channel:
        """The channel that a join asks for; raises _JoinRefusedError."""
        if message.topic == PREFIX:
            raise _JoinRefusedError("TopicNameRequired: You must provide a topic name")
        token = message.payload.get("access_token")
        if not isinstance(token, str) or token.startswith("sb_"):
            token = self._api_key
        try:
            claims = claims_of(self._context.keys, token)
            channel = Channel(self, self._changes, self._times, message, claims)
            if not await self._may_read(channel, claims):
                raise _JoinRefusedError(f"Unauthorized: {_not_permitted(channel)}")
        except BadTokenError as error:
            raise _JoinRefusedError(error.reason) from error
        except (psycopg.OperationalError, TimeoutError) as error:
            raise _JoinRefusedError(
                "UnableToConnectToProject: Realtime was unable to connect to the project database"
            ) from error
        return channel

    async def _may_read(self, channel: Channel, claims: dict[str, Any]) -> bool:
        """Ask the database, which has to be there even where there is nothing to ask."""
        async with asyncio.timeout(self._times.unreachable_database_seconds):
            if channel.private:
                return await self._policies.may_read(channel.name, claims)
            async with self._context.database.administrator():
                return True

    def _leave(self, message: Message, channel: Channel | None) -> None:
        if channel is None:
            self._reply(message, "ok", {})
            return
        if message.join_ref is not None and message.join_ref != channel.join_ref:
            return
        channel.close()
        del self._channels[message.topic]
        self._reply(message, "ok", {})
        channel.send_closed()

    async def _new_token(self, channel: Channel, token: Any) -> None:
        if not isinstance(token, str) or token.startswith("sb_"):
            return
        try:
            claims = claims_of(self._context.keys, token)
        except BadTokenError as error:
            channel.expel(error.closing_message)
            return
        if claims == channel.claims:
            return
        try:
            allowed = await self._may_read(channel, claims)
        except (psycopg.OperationalError, TimeoutError) as error:
            _LOG.warning("A new token could not be checked: %s", error)
            allowed = False
        if not allowed:
            channel.expel(_not_permitted(channel))
            return
        channel.begin_again(claims)

    def _send_back(self, message: Message, channel: Channel) -> None:
        """Clients hear themselves; broadcasts between clients are not served."""
        if channel.wants_answers:
            self._reply(message, "ok", {})
        event = message.payload.get("event")
        if channel.hears_itself and isinstance(event, str):
            payload = json.dumps(message.payload.get("payload"))
            with contextlib.suppress(ValueError, UnicodeError):  # no binary frame can say it
                self._put(encode_broadcast(self._version, channel.topic, event, None, payload))

    def _reply(self, message: Message, status: str, response: dict[str, Any]) -> None:
        payload = json.dumps({"response": response, "status": status}, separators=(",", ":"))
        self.send(message.topic, "phx_reply", payload, ref=message.ref, join_ref=message.join_ref)


class _JoinRefusedError(Exception):
    """A join that is refused, with the reason the client is told."""


def _not_permitted(channel: Channel) -> str:
    return f"You do not have permissions to read from this Channel topic: {channel.name}"

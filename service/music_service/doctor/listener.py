"""Ears on Realtime for one question: does what the database says arrive, and after how long?"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates

from music_service.errors import TransientError

_JOIN_SECONDS = 10


class Listener:
    """One joined channel: says whether it was let in, and when it heard something.

    Args:
        client: a connected client; its owner closes it.
        topic: the channel's name.
        private: whether the channel asks for rights.
    """

    def __init__(self, client: AsyncRealtimeClient, topic: str, *, private: bool) -> None:
        config: Any = {"config": {"private": private}}
        self._channel: AsyncRealtimeChannel = client.channel(topic, config)
        self._joined: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._listens: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._heard: dict[str, asyncio.Future[float]] = {}

    def hear_broadcasts(self, event: str, field: str) -> None:
        """Listen to broadcasts; one is recognised by this field of its payload."""
        self._channel.on_broadcast(event, lambda message: self._hear(message, "payload", field))

    def hear_inserts(self, table: str, row_id: str) -> None:
        """Listen to one row of a table."""
        self._channel.on_postgres_changes(
            "INSERT",  # type: ignore[arg-type]  # an enum of strings
            lambda message: self._hear(message, "data", "record", "id"),
            table=table,
            schema="public",
            filter=f"id=eq.{row_id}",
            select=["id"],
        )
        self._channel.on_system(self._on_system)

    async def join(self) -> str | None:
        """Join; answers why it was refused, or None when it was let in."""
        await self._channel.subscribe(self._on_state)
        return await self._joined

    async def listens(self, seconds: float) -> str | None:
        """Wait until the server follows the table; answers why it cannot, or None.

        Raises:
            TimeoutError: it did not say.
        """
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._listens)

    def expect(self, name: str) -> asyncio.Future[float]:
        """The time, by the loop's clock, at which a name is heard."""
        return self._heard.setdefault(name, asyncio.get_running_loop().create_future())

    # An exception in one of these would end the client's listening for good, silently.

    def _hear(self, message: Any, *path: str) -> None:
        with contextlib.suppress(Exception):
            for step in path:
                message = message[step]
            future = self.expect(str(message))
            if not future.done():
                future.set_result(asyncio.get_running_loop().time())

    def _on_system(self, message: Any) -> None:
        with contextlib.suppress(Exception):
            if message.extension == "postgres_changes":
                _settle(self._listens, None)

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        with contextlib.suppress(Exception):
            is_in = state == RealtimeSubscribeStates.SUBSCRIBED
            reason = None if is_in else _words(error) or state.value
            if not self._joined.done():
                self._joined.set_result(reason)
            elif reason is not None:
                _settle(self._listens, reason)


@asynccontextmanager
async def listening(url: str, key: str) -> AsyncIterator[AsyncRealtimeClient]:
    """A connected client of the project's Realtime.

    Raises:
        TransientError: the socket cannot be opened.
    """
    client = AsyncRealtimeClient(
        f"{url}/realtime/v1", key, auto_reconnect=False, timeout=_JOIN_SECONDS
    )
    try:
        await client.connect()
    except Exception as error:  # noqa: BLE001  the client passes on whatever its socket raised
        reason = f"{type(error).__name__}: {error}".replace(key, "…")
        raise TransientError(reason) from None
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            await client.close()


def _settle(future: asyncio.Future[str | None], value: str | None) -> None:
    if not future.done():
        future.set_result(value)


def _words(error: Exception | None) -> str:
    """What the server said, out of the JSON around it."""
    text = str(error or "")
    try:
        said = json.loads(text)
    except ValueError:
        return text
    if isinstance(said, dict):
        return str(said.get("message") or said.get("reason") or text)
    return str(said)

"""What the database broadcasts through `realtime.send`, delivered as soon as it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from service.embedded.database import Database

_RECONNECT_SECONDS = 0.5
_KEPT = "3 days"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One message; `payload` is JSON as Postgres wrote it."""

    id: str
    topic: str
    event: str
    private: bool
    payload: str


class Broadcasts:
    """Listens for messages.

    Args:
        database: its superuser reads the messages.
        deliver: called for each, in the order of commits; must not block.
    """

    def __init__(self, database: Database, deliver: Callable[[Broadcast], None]) -> None:
        self._database = database
        self._deliver = deliver
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen, and anew when the connection is lost; returns only when cancelled."""
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError:
                self.listening.clear()
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._database.conninfo, autocommit=True
        ) as connection:
            await connection.execute("listen realtime_messages")
            await connection.execute(
                "delete from realtime.messages where inserted_at < now() - %s::interval", (_KEPT,)
            )
            self.listening.set()
            async for notice in connection.notifies():
                message = await self._read(notice.payload)
                if message is not None:
                    self._deliver(message)

    async def _read(self, message_id: str) -> Broadcast | None:
        async with self._database.administrator() as connection:
            cursor = await connection.execute(
                "select topic, event, private, payload::text as payload"
                " from realtime.messages where id = %s",
                (message_id,),
            )
            row = await cursor.fetchone()
        if row is None:
            return None
        return Broadcast(
            message_id, row["topic"], row["event"], bool(row["private"]), row["payload"] or "{}"
        )

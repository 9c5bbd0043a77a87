"""What the database broadcasts through `realtime.send`, delivered as soon as it is committed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from local_supabase.database import Connection, Database
from local_supabase.times import Times

_KEPT = "3 days"
_MESSAGE = """
delete from realtime.unsent where id = %s
returning id::text, topic, event, private, payload::text
"""
_LOG = logging.getLogger(__name__)


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
        times: of the attempts to reach a database that was lost.
        deliver: called for each, in the order of commits; must not block.
    """

    def __init__(
        self, database: Database, times: Times, deliver: Callable[[Broadcast], None]
    ) -> None:
        self._database = database
        self._times = times
        self._failures = 0
        self._deliver = deliver
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen, and again when the connection is lost; returns only when cancelled."""
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError as error:  # Postgres is away, and others say so
                _LOG.info("Broadcasts are interrupted: %s", error)
            except psycopg.Error as error:
                _LOG.warning("Broadcasts are interrupted: %s", error)
            finally:
                self.listening.clear()
            self._failures += 1
            await asyncio.sleep(self._times.reconnect_seconds(self._failures))

    async def _listen(self) -> None:
        # Reading needs a connection beside the listening one, of its own because the pool
        # takes long to believe that Postgres is back.
        async with await self._connect() as listener, await self._connect() as reader:
            await self._forget_old(reader)
            # Which message was told need not outlive a crash, nor any message wait for a disk.
            await reader.execute("set synchronous_commit = off")
            await listener.execute("listen realtime_messages")
            self._failures = 0
            self.listening.set()
            async for notice in listener.notifies():
                await self._tell(reader, notice.payload)

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection[DictRow].connect(
            self._database.conninfo, autocommit=True, row_factory=dict_row
        )

    async def _forget_old(self, reader: Connection) -> None:
        try:
            await reader.execute(
                "delete from realtime.messages where inserted_at < now() - %s::interval", (_KEPT,)
            )
            await reader.execute("delete from realtime.unsent")
        except psycopg.ProgrammingError as error:
            _LOG.warning("Old broadcasts cannot be deleted: %s", error)

    async def _tell(self, reader: Connection, told: str) -> None:
        """Deliver one message; one that cannot be read or delivered is left out."""
        try:
            message = json.loads(told) if told.startswith("{") else await _kept(reader, told)
            if message is not None:
                self._deliver(Broadcast(**message))
        except Exception:  # whatever is wrong with one message, the next ones must arrive
            if reader.closed:
                raise
            _LOG.exception("A broadcast was lost")


async def _kept(reader: Connection, message_id: str) -> dict[str, Any] | None:
    """A message that was too long for its notification; None where it has gone."""
    return await (await reader.execute(_MESSAGE, (message_id,))).fetchone()

"""A stack of one's own for each module, and workers as processes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from service.embedded.ports import Ports
from service.embedded.stack import Stack
from tests.chaos.fleet import Fleet, fleet_of, until
from tests.integration.conftest import start_worker

__all__ = ["start_worker"]


class Tracks:
    """The tracks of a stack, asked for and looked at by an operator.

    Args:
        stack: where they are.
        connection: as the owner of the tables.
    """

    def __init__(self, stack: Stack, connection: psycopg.AsyncConnection[DictRow]) -> None:
        self._stack = stack
        self._connection = connection

    async def reconnect(self) -> None:
        """Use a new connection: the database was restarted."""
        await self._connection.close()
        self._connection = await psycopg.AsyncConnection[DictRow].connect(
            self._stack.database_url, autocommit=True, row_factory=dict_row
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def sql(self, query: str, *args: Any) -> list[DictRow]:
        """Run one statement; answers its rows."""
        cursor = await self._connection.execute(query.encode(), args or None)
        return await cursor.fetchall() if cursor.description else []

    async def ask(self, prompt: str | None = None) -> uuid.UUID:
        """Ask for one track."""
        query = "insert into public.music_tracks (prompt) values (%s) returning id"
        [row] = await self.sql(query, prompt or f"chaos {uuid.uuid4().hex}")
        return uuid.UUID(str(row["id"]))

    async def row(self, track_id: uuid.UUID) -> DictRow:
        """The track's row."""
        return (await self.sql("select * from public.music_tracks where id = %s", track_id))[0]

    async def ends(self, track_id: uuid.UUID) -> DictRow:
        """Wait until it is completed or in error; answers the row."""

        async def has_ended() -> bool:
            return (await self.row(track_id))["status"] in ("completed", "error")

        await until(has_ended, f"track {track_id} has ended")
        return await self.row(track_id)

    async def leaves_error(self, track_id: uuid.UUID) -> None:
        """Wait until it is not in error any more."""

        async def has_left() -> bool:
            return bool((await self.row(track_id))["status"] != "error")

        await until(has_left, f"track {track_id} is back at work")

    async def paid(self, track_id: uuid.UUID) -> int:
        """How many orders Mureka accepted for it."""
        return len(self._stack.simulator.orders_for((await self.row(track_id))["prompt"]))

    async def events(self, track_id: uuid.UUID, kind: str) -> list[DictRow]:
        """Its history, one kind of event."""
        query = "select * from music.events where track_id = %s and kind = %s order by id"
        return await self.sql(query, track_id, kind)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """An embedded Supabase that the tests of one module may shake."""
    data_dir = tmp_path_factory.mktemp("chaos")
    async with Stack(data_dir, Ports.free(), simulator_seconds=0.5) as running:
        running.simulator.music_seconds = 5
        running.simulator.account.concurrent_request_limit = 1000
        yield running


@pytest.fixture
async def tracks(stack: Stack) -> AsyncIterator[Tracks]:
    """The tracks of the stack; none of an earlier test, and no limit of the fleet."""
    connection = await psycopg.AsyncConnection[DictRow].connect(
        stack.database_url, autocommit=True, row_factory=dict_row
    )
    stack.realtime.faults.clear()
    stack.storage.faults.clear()
    tracks = Tracks(stack, connection)
    await tracks.sql("delete from public.music_tracks")
    await tracks.sql("update music.settings set max_concurrent = null, paused = false")
    yield tracks
    await tracks.close()


@pytest.fixture
async def fleet(stack: Stack) -> AsyncIterator[Fleet]:
    """Starts workers as processes; none outlives the test."""
    async with fleet_of(stack) as running:
        yield running

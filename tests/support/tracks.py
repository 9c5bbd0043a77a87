"""The tracks of a stack as an operator asks for them and looks at them."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from local_supabase.stack import Stack
from tests.support.fleet import until


class Tracks:
    """The tracks of a stack, asked for and looked at by an operator.

    Args:
        stack: where they are.
        connection: as the owner of the tables.
    """

    def __init__(self, stack: Stack, connection: psycopg.AsyncConnection[DictRow]) -> None:
        self._stack = stack
        self._connection = connection

    @classmethod
    async def of(cls, stack: Stack, **settings: Any) -> Tracks:
        """The tracks of a stack, over a connection of their own, under these `music.settings`."""
        connection = await psycopg.AsyncConnection[DictRow].connect(
            stack.database_url, autocommit=True, row_factory=dict_row
        )
        tracks = cls(stack, connection)
        changes = ", ".join(f"{name} = %s" for name in settings)
        await tracks.sql(f"update music.settings set {changes} where id", *settings.values())
        return tracks

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
        """How many paid calls Mureka accepted for it."""
        return len(self._stack.simulator.tasks_for((await self.row(track_id))["prompt"]))

    async def events(self, track_id: uuid.UUID, kind: str) -> list[DictRow]:
        """Its history, one kind of event."""
        query = "select * from music.events where track_id = %s and kind = %s order by id"
        return await self.sql(query, track_id, kind)

"""Somebody who follows tracks in the background of a test, and what they have seen so far."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from supabase import AsyncClient

from local_supabase.stack import Stack
from music_service.client import TrackRow
from music_service.client.access import access_of
from music_service.client.follow import TrackId, follow_tracks
from music_service.client.hearing import Pace
from tests.support.fleet import until

# No read but the first one and those that Realtime leads to.
BY_EVENTS = Pace(
    while_live_seconds=36_000,
    while_not_seconds=36_000,
    first_pause_seconds=0.2,
    longest_pause_seconds=0.5,
)


class Watching:
    """Follows tracks until they have ended.

    Args:
        rows: what `watch_tracks` and its like answer.
    """

    def __init__(self, rows: AsyncIterator[TrackRow]) -> None:
        self.seen: list[TrackRow] = []
        self._rows = rows
        self.task = asyncio.create_task(self._follow(), name="follow of the test")

    async def _follow(self) -> None:
        async for row in self._rows:
            self.seen.append(row)

    def of(self, column: str) -> list[Any]:
        """What a column was, row by row."""
        return [dict(row)[column] for row in self.seen]

    async def sees(self, is_seen: Callable[[], Any], what: str) -> None:
        """Wait until something is true of what was seen; fails where the following does."""

        async def is_true() -> bool:
            if self.task.done():
                self.task.result()
            return bool(is_seen())

        await until(is_true, what)

    async def shows(self, column: str, value: Any) -> None:
        """Wait until a row is seen with this value."""
        await self.sees(lambda: value in self.of(column), f"{column} is {value}")

    async def ended(self) -> list[TrackRow]:
        """Wait for the end; answers all that was seen, or raises what it ended with."""
        async with asyncio.timeout(60):
            await self.task
        return self.seen

    async def stop(self) -> None:
        """Cancel it."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.task


@asynccontextmanager
async def watching(
    client: AsyncClient, track_ids: Iterable[TrackId], pace: Pace = BY_EVENTS
) -> AsyncIterator[Watching]:
    """Somebody who follows tracks with the official client, for the length of a block."""
    access = access_of(client)
    watched = Watching(follow_tracks(client.table, access, track_ids, pace=pace))
    try:
        yield watched
    finally:
        await watched.stop()


async def settled(stack: Stack, sockets: int = 1) -> None:
    """Wait until so many sockets are open and the server tells them of changes of tracks."""

    async def is_open() -> bool:
        is_told = bool(stack.realtime._changes._subscribers)
        return len(stack.realtime._sockets) == sockets and is_told

    await until(is_open, f"{sockets} sockets are told of changes")

"""For Python clients: wait for a track, told by Realtime and, where that is silent, by looking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
from postgrest.exceptions import APIError
from realtime import AsyncRealtimeClient
from supabase import AsyncClient

from music_service.errors import ConfigurationError, TransientError
from music_service.store import failures

LOOK_SECONDS = 2.0
ENDED = ("completed", "error")


async def watch_track(
    client: AsyncClient, track_id: UUID, *, look_seconds: float = LOOK_SECONDS
) -> AsyncIterator[dict[str, Any]]:
    """The track's row now and after each change, until it is completed or in error.

    The row is read again on every event, on every subscription and every `look_seconds`, so that
    a lost event costs no more than that.

    Raises:
        ConfigurationError: there is no such track, or it is not visible to this client.
        TransientError: the project could not be reached at the start; later it is waited for.
    """
    changed = asyncio.Event()
    listening = asyncio.create_task(_listen(client, track_id, changed), name="watch")
    last: dict[str, Any] | None = None
    try:
        while True:
            changed.clear()
            row = await _read(client, track_id, before=last)
            if row != last:
                yield row
                last = row
            if row["status"] in ENDED:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_seconds):
                    await changed.wait()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def wait_for_track(client: AsyncClient, track_id: UUID) -> dict[str, Any]:
    """The track's row once it is completed or in error; raises as `watch_track` does."""
    last: dict[str, Any] = {}
    async for row in watch_track(client, track_id):
        last = row
    return last


async def _read(
    client: AsyncClient, track_id: UUID, *, before: dict[str, Any] | None
) -> dict[str, Any]:
    """The row; while the project cannot be reached, the row as it was `before`."""
    query = client.table("music_tracks").select("*").eq("id", str(track_id))
    try:
        rows: Any = (await query.execute()).data
    except (APIError, httpx.HTTPError) as error:
        if before is not None:
            return before
        raise failures.of_database(error) from error
    if not isinstance(rows, list):
        if before is not None:
            return before
        raise TransientError("The project answered something else than rows.")
    if not rows:
        raise ConfigurationError(f"There is no track {track_id}, or it is not yours to see.")
    row: dict[str, Any] = rows[0]
    return row


async def _listen(client: AsyncClient, track_id: UUID, changed: asyncio.Event) -> None:
    """Set `changed` on events; one connection, thrown away with the watch."""
    realtime = AsyncRealtimeClient(
        str(client.realtime_url), client.supabase_key, auto_reconnect=False, timeout=10
    )
    session = await client.auth.get_session()
    if session is not None:
        realtime.access_token = session.access_token
    channel = realtime.channel(f"watch-{track_id}")
    channel.on_postgres_changes(
        "UPDATE",  # type: ignore[arg-type]  # an enum of strings
        lambda _: changed.set(),
        table="music_tracks",
        schema="public",
        filter=f"id=eq.{track_id}",
    )
    channel.on_system(lambda _: changed.set())
    try:
        await realtime.connect()
        await channel.subscribe(lambda *_: changed.set())
        await asyncio.Event().wait()
    finally:
        with contextlib.suppress(Exception):
            await realtime.close()

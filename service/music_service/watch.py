"""For Python clients: wait for a track, told by Realtime and, where that is silent, by polling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from music_service.errors import ConfigurationError, MusicServiceError, TransientError
from music_service.store import failures
from music_service.store.realtime import Channel
from music_service.tracks import Status

if TYPE_CHECKING:
    from supabase import AsyncClient

POLL_SECONDS = 2.0
_TABLE = "music_tracks"
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


def watch_track(
    client: AsyncClient, track_id: UUID, *, poll_seconds: float = POLL_SECONDS
) -> AsyncIterator[dict[str, Any]]:
    """The track's row now and after each change, until it is completed or in error.

    The row is read again on every event, on every subscription and every `poll_seconds`, so that
    a lost event costs no more than that.

    Args:
        client: of `supabase`, signed in as the track's owner or with the secret key.
        track_id: the track's id.
        poll_seconds: the longest time between two reads.

    Raises:
        ConfigurationError: there is no such track, or it is not visible to this client.
        TransientError: the project could not be reached at the start; later it is waited for.
    """

    async def channel() -> Channel:
        session = await client.auth.get_session()
        return Channel(
            str(client.supabase_url),
            client.supabase_key,
            f"watch-{track_id}",
            access_token=None if session is None else session.access_token,
        )

    return follow_track(client.table, channel, track_id, poll_seconds=poll_seconds)


async def wait_for_track(client: AsyncClient, track_id: UUID) -> dict[str, Any]:
    """The track's row once it is completed or in error; raises as `watch_track` does."""
    last: dict[str, Any] = {}
    async for row in watch_track(client, track_id):
        last = row
    return last


async def follow_track(
    table: Callable[[str], Any],
    channel: Callable[[], Awaitable[Channel]],
    track_id: UUID,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> AsyncIterator[dict[str, Any]]:
    """As `watch_track`, for any client.

    Args:
        table: begins a query of a table, by its name.
        channel: makes the channel on which changes are heard.
        track_id: the track's id.
        poll_seconds: the longest time between two reads.
    """
    changed = asyncio.Event()
    listening = _begin_to_listen(channel, track_id, changed)
    last: dict[str, Any] | None = None
    was_away = False
    try:
        while True:
            changed.clear()
            row, is_away = await _read(table, track_id, before=last)
            if was_away and not is_away:  # Realtime may have given up on the database, silently
                await _end(listening)
                listening = _begin_to_listen(channel, track_id, changed)
            was_away = is_away
            if row != last:
                yield row
                last = row
            if row["status"] in (Status.COMPLETED, Status.ERROR):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll_seconds):
                    await changed.wait()
    finally:
        await _end(listening)


async def _read(
    table: Callable[[str], Any], track_id: UUID, *, before: dict[str, Any] | None
) -> tuple[dict[str, Any], bool]:
    """The row; while the project cannot be reached, the row as it was `before` and True."""
    query = table(_TABLE).select("*").eq("id", str(track_id))
    try:
        with failures.calling_database():
            rows: Any = (await query.execute()).data
        if not isinstance(rows, list):
            raise TransientError("The project answered something else than rows.")
    except MusicServiceError:
        if before is not None:
            return before, True
        raise
    if not rows:
        raise ConfigurationError(f"There is no track {track_id}, or it is not yours to see.")
    row: dict[str, Any] = rows[0]
    return row, False


def _begin_to_listen(
    channel: Callable[[], Awaitable[Channel]], track_id: UUID, changed: asyncio.Event
) -> asyncio.Task[None]:
    return asyncio.create_task(_listen(channel, track_id, changed), name="watch")


async def _end(listening: asyncio.Task[None]) -> None:
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _listen(
    make: Callable[[], Awaitable[Channel]], track_id: UUID, changed: asyncio.Event
) -> None:
    """Set `changed` on events, over one connection after the other; returns when cancelled."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        channel = await make()
        channel.hear_changes("UPDATE", _TABLE, lambda _: changed.set(), where=f"id=eq.{track_id}")
        channel.hear_subscribed(changed.set)
        with contextlib.suppress(TransientError):
            async with channel.opened():
                await channel.wait_ended()
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

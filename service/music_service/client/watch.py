"""Tracks of the official client, followed to their end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

from music_service.client.access import access_of, access_of_sync
from music_service.client.follow import (
    TrackId,
    checked,
    follow_tracks,
    not_there,
    rows_of,
    too_late,
)
from music_service.client.rows import TrackRow, has_ended
from music_service.errors import ConfigurationError, MusicServiceError, TrackDeletedError
from music_service.store import failures

if TYPE_CHECKING:
    from supabase import AsyncClient, Client

POLL_SECONDS = 3.0


def watch_track(
    client: AsyncClient,
    track_id: TrackId,
    *,
    timeout: float | None = None,
) -> AsyncGenerator[TrackRow, None]:
    """The track's row now and after each change, until it is completed or in error.

    The row is read when an event tells of a change, on each (re)join, each minute while events are
    to be expected and each 3 seconds while they are not.

    Args:
        client: of `supabase`, signed in as the track's owner or with the secret key.
        track_id: the track's id.
        timeout: seconds until it is given up; never where None.

    Raises:
        ConfigurationError: there is no such track, or it is not visible to this client; or its
            user has signed out.
        TransientError: the project could not be reached at the start; later it is waited for.
        TrackDeletedError: the row was deleted meanwhile.
        TimeoutError: it has not ended in time.
    """
    return watch_tracks(client, [track_id], timeout=timeout)


def watch_tracks(
    client: AsyncClient,
    track_ids: Iterable[TrackId],
    *,
    timeout: float | None = None,
) -> AsyncGenerator[TrackRow, None]:
    """The row of each track now, and each row that has changed, until all of them have ended.

    They share one channel and each read. Arguments and errors are those of `watch_track`; rows that
    were deleted are named once the others have ended.
    """
    return follow_tracks(client.table, access_of(client), track_ids, timeout=timeout)


async def wait_for_track(
    client: AsyncClient,
    track_id: TrackId,
    *,
    timeout: float | None = None,  # noqa: ASYNC109  of the whole, not of one wait
) -> TrackRow:
    """The track's row once it is completed or in error; raises as `watch_track` does."""
    last: TrackRow | None = None
    async with contextlib.aclosing(watch_track(client, track_id, timeout=timeout)) as watching:
        async for row in watching:
            last = row
    assert last is not None  # noqa: S101  it raises where there is none
    return last


def wait_for_track_sync(
    client: Client,
    track_id: TrackId,
    *,
    timeout: float | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> TrackRow:
    """The same for the client that blocks, by polling alone.

    Args:
        client: as for `watch_track`.
        track_id: the track's id.
        timeout: seconds until it is given up; never where None.
        poll_seconds: between two reads.

    Raises:
        ConfigurationError: as `watch_track` does, and so the others.
    """
    began_at = time.monotonic()
    wanted = checked(track_id)
    user_id = access_of_sync(client).user_id
    row = _read(client, wanted)
    if row is None:
        raise not_there([wanted])
    while not has_ended(row):
        left = None if timeout is None else began_at + timeout - time.monotonic()
        if left is not None and left <= 0:
            raise too_late([wanted], timeout or 0)
        time.sleep(poll_seconds if left is None else min(poll_seconds, left))
        row = _read_again(client, row, user_id)
    return row


def _read_again(client: Client, row: TrackRow, user_id: str | None) -> TrackRow:
    """The row as it is now; as it was while the project cannot be reached."""
    try:
        is_same_user = access_of_sync(client).user_id == user_id
        found = _read(client, row["id"]) if is_same_user else None
    except MusicServiceError:
        return row
    if not is_same_user:
        raise ConfigurationError("The user who follows this track has signed out.")
    if found is None:
        raise TrackDeletedError([row["id"]])
    return found


def _read(client: Client, track_id: str) -> TrackRow | None:
    query = client.table("music_tracks").select("*").eq("id", track_id)
    with failures.calling_database():
        found = rows_of(query.execute())
    return found[0] if found else None

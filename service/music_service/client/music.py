"""What an app does with tracks: ask for one, retry, cancel, ask for another take."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from music_service.client.access import access_of
from music_service.client.follow import TrackId, checked, not_there, rows_of
from music_service.client.rows import NewTrack, TrackRow, has_ended
from music_service.errors import RefusedError, TransientError
from music_service.store import failures

if TYPE_CHECKING:
    from supabase import AsyncClient

_TABLE = "music_tracks"
_PAUSES_SECONDS = (0.5, 1.0)

_Result = TypeVar("_Result")


class MusicClient:
    """The tracks of an app, through its own client.

    Every method raises RefusedError with the database's own words where it refuses,
    ConfigurationError where there is no such track or the project lacks something, and
    TransientError where the project cannot be reached.

    Args:
        client: of `supabase`, signed in as a user or with the secret key.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._access = access_of(client)

    async def create(self, **wishes: Unpack[NewTrack]) -> TrackRow:
        """Ask for a track; answers its row.

        The `id` is chosen here where none is given. To repeat a call with the same one is harmless.
        """
        track_id = checked(wishes.get("id") or uuid.uuid4())

        async def insert() -> list[TrackRow]:
            track: dict[str, Any] = {**wishes, "id": track_id}
            table = await self._table()
            return await self._rows(table.upsert(track, ignore_duplicates=True))

        inserted = await _insist(insert)
        return inserted[0] if inserted else await self._row(track_id)

    async def another_take(self, track_id: TrackId, *, new_id: TrackId | None = None) -> TrackRow:
        """Ask for the same music once more, which is paid for; answers the row of the new track.

        Args:
            track_id: the track of which it is another take.
            new_id: the id of the new one; to repeat a call with the same one is harmless.
        """
        take = {"p_track_id": checked(track_id), "p_id": checked(new_id or uuid.uuid4())}

        async def call() -> list[TrackRow]:
            await self._access()
            return await self._rows(self._client.rpc("music_another_take", take))

        made = await _insist(call)
        return made[0] if made else await self._row(take["p_id"])

    async def retry(self, track_id: TrackId) -> TrackRow:
        """Let a failed track be tried again; answers the row, as it is where that goes on already.

        It is sent once: whoever repeats it after a TransientError may retry once more.
        """
        row = await self._turn(checked(track_id), "pending", ("error",))
        if row["status"] == "completed":
            raise RefusedError(
                "A track that is completed is not retried.",
                code="MU001",
                hint="Ask for another take, or insert a new track.",
            )
        return row

    async def cancel(self, track_id: TrackId) -> TrackRow:
        """End a track that waits or is being made; answers the row, as it is where it has ended."""
        wanted = checked(track_id)
        row = await _insist(lambda: self._turn(wanted, "error", ("pending", "generating")))
        if has_ended(row):
            return row
        return await self._turn(wanted, "error", ("pending", "generating"))

    async def _turn(self, track_id: str, status: str, only_from: Collection[str]) -> TrackRow:
        """Set a track's status if it is one of some; answers the row in any case."""
        query = (await self._table()).update({"status": status})
        changed = await self._rows(query.eq("id", track_id).in_("status", only_from))
        return changed[0] if changed else await self._row(track_id)

    async def _row(self, track_id: str) -> TrackRow:
        found = await self._rows((await self._table()).select("*").eq("id", track_id))
        if not found:
            raise not_there([track_id])
        return found[0]

    async def _table(self) -> Any:
        await self._access()  # renews a session that has run out
        return self._client.table(_TABLE)

    async def _rows(self, query: Any) -> list[TrackRow]:
        with failures.calling_as_app():
            return rows_of(await query.execute())


async def _insist(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Call what may be called twice until it is answered, three times at most."""
    for pause_seconds in _PAUSES_SECONDS:
        try:
            return await call()
        except TransientError:
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311
    return await call()

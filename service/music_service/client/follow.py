"""Following tracks to their end: told by Realtime and, where that is silent, by the clock."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from music_service.client.access import GetAccess
from music_service.client.hearing import TABLE, Hearing, Pace, parts
from music_service.client.newest import Newest
from music_service.client.rows import TrackRow
from music_service.errors import (
    ConfigurationError,
    MusicServiceError,
    TrackDeletedError,
    TransientError,
)
from music_service.store import failures

PACE = Pace()

GetTable = Callable[[str], Any]
TrackId = uuid.UUID | str

_Result = TypeVar("_Result")


async def follow_tracks(
    table: GetTable,
    access: GetAccess,
    track_ids: Iterable[TrackId],
    *,
    timeout: float | None = None,  # noqa: ASYNC109  of the whole, not of one wait
    pace: Pace = PACE,
) -> AsyncGenerator[TrackRow, None]:
    """As `watch_tracks`, for any client.

    Args:
        table: begins a query of a table, by its name.
        access: with whose rights it is read and heard.
        track_ids: the tracks.
        timeout: seconds until it is given up; never where None.
        pace: how long is waited for what.
    """
    newest = Newest(dict.fromkeys(checked(track_id) for track_id in track_ids))
    limit = _Limit(timeout, newest)
    reader = Reader(table, access)
    if not newest.unfinished:
        return
    changed = await limit.within(reader.read_into(newest, newest.unfinished))
    if newest.gone:
        raise not_there(newest.gone)
    hearing = Hearing(access, newest, pace)
    following = _Following(reader, newest, hearing)
    try:
        if newest.unfinished:
            hearing.begin()
        for row in changed:
            yield row
        while newest.unfinished:
            for row in await limit.within(following.changes()):
                yield row
    finally:
        await hearing.end()
    if newest.gone:
        raise TrackDeletedError(newest.gone)


class Reader:
    """Reads rows for as long as the user is the same.

    Args:
        table: begins a query of a table, by its name.
        access: whose rights the queries have.
    """

    def __init__(self, table: GetTable, access: GetAccess) -> None:
        self._table = table
        self._access = access
        self._has_begun = False
        self._user_id: str | None = None

    async def read_into(self, newest: Newest, track_ids: Sequence[str]) -> list[TrackRow]:
        """Read the rows of these tracks; answers those that have changed.

        Raises:
            ConfigurationError: the project refuses it, or the user has signed out.
            TransientError: the project cannot be reached.
        """
        await self._check_user()
        rows: list[TrackRow] = []
        for some in parts(track_ids):
            query = self._table(TABLE).select("*").in_("id", some)
            with failures.calling_database():
                rows += rows_of(await query.execute())
        if len(rows) < len(track_ids):
            await self._check_user()  # what is hidden from another is not gone
        return newest.take(track_ids, rows)

    async def _check_user(self) -> None:
        user_id = (await self._access()).user_id
        if not self._has_begun:
            self._has_begun, self._user_id = True, user_id
        if user_id != self._user_id:
            raise SignedOutError("The user who follows these tracks has signed out.")


class SignedOutError(ConfigurationError):
    """Nothing more is to be read: the client acts for somebody else, or for nobody."""


class _Following:
    """What follows the first read: a read when something was heard, or when it is time.

    Args:
        reader: reads.
        newest: what is known of the tracks.
        hearing: says when.
    """

    def __init__(self, reader: Reader, newest: Newest, hearing: Hearing) -> None:
        self._reader = reader
        self._newest = newest
        self._hearing = hearing
        self._read_at = asyncio.get_running_loop().time()
        self._is_away = False

    async def changes(self) -> list[TrackRow]:
        """Wait until a read is due; answers what it has found changed, perhaps nothing."""
        marked = await self._hearing.wait_due(self._read_at, is_away=self._is_away)
        was_live = self._hearing.is_live
        track_ids = self._newest.unfinished if marked is None else marked
        if marked is None or len(track_ids) == len(self._newest.unfinished):
            self._read_at = asyncio.get_running_loop().time()
        try:
            changed = await self._reader.read_into(self._newest, track_ids)
        except SignedOutError:
            raise
        except MusicServiceError:
            self._is_away = True
            self._hearing.take_marked()  # the next read is of all
            return []
        if self._is_away:  # Realtime may have given up on the database, silently
            self._is_away = False
            self._hearing.distrust("the project was away")
        elif marked is None and was_live and self._is_unheard(changed):
            self._hearing.distrust("a change was not heard of")
        return changed

    def _is_unheard(self, changed: Sequence[TrackRow]) -> bool:
        return any(row["id"] not in self._hearing.marked for row in changed)


class _Limit:
    """The time until a track must have ended.

    Args:
        seconds: how long from now; None without end.
        newest: names the tracks that have not.
    """

    def __init__(self, seconds: float | None, newest: Newest) -> None:
        now = asyncio.get_running_loop().time()
        self._at = None if seconds is None else now + seconds
        self._seconds = seconds
        self._newest = newest

    async def within(self, doing: Coroutine[Any, Any, _Result]) -> _Result:
        """Wait for it; raises TimeoutError when the time has passed."""
        try:
            async with asyncio.timeout_at(self._at) as limit:
                return await doing
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise too_late(self._newest.unfinished, self._seconds or 0) from error


def checked(track_id: TrackId) -> str:
    """The id as rows have it; raises ConfigurationError for what is none."""
    try:
        return str(uuid.UUID(str(track_id)))
    except ValueError as error:
        raise ConfigurationError(f'"{track_id}" is not the id of a track.') from error


def rows_of(answer: Any) -> list[TrackRow]:
    """The rows of an answer; raises TransientError where something else came."""
    if not isinstance(answer.data, list):
        raise TransientError("The project answered something else than rows.")
    return cast("list[TrackRow]", answer.data)


def not_there(track_ids: Sequence[str]) -> ConfigurationError:
    """What is said of tracks that were never seen."""
    names = ", ".join(track_ids)
    if len(track_ids) == 1:
        return ConfigurationError(f"There is no track {names}, or it is not yours to see.")
    return ConfigurationError(f"There are no tracks {names}, or they are not yours to see.")


def too_late(track_ids: Sequence[str], seconds: float) -> TimeoutError:
    """What is said of tracks that have not ended in time."""
    names = ", ".join(track_ids)
    return TimeoutError(f"Not completed or in error within {seconds:g} s: {names}.")

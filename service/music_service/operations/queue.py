"""What operators do to many tracks or to the whole queue, and what they read of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from music_service.errors import ConfigurationError
from music_service.operations.queries import Queries

# The API answers at most 1000 rows at a time, and ids in an address must not be too many.
_ROWS_AT_ONCE = 1000
_IDS_AT_ONCE = 100


class QueueOperations(Queries):
    """The operators' functions and views with the service's rights."""

    async def pause(self, reason: str | None) -> str:
        """Take up nothing new; answers a sentence."""
        return str((await self.answer(self._call("pause_music_queue", p_reason=reason))).data)

    async def resume(self) -> str:
        """Take up tracks again; answers a sentence."""
        return str((await self.answer(self._call("resume_music_queue"))).data)

    async def retriable(
        self, track_ids: Sequence[UUID], error_code: str | None, since: datetime | None
    ) -> list[dict[str, Any]]:
        """The failed tracks that meet every condition, and what retrying each would cost.

        Each has `track_id`, `user_id`, `error_code`, `is_free` and `expected_cost_cents`, which
        is None where nothing was ever submitted.
        """
        conditions = {
            "p_track_ids": _texts(track_ids) or None,
            "p_error_code": error_code,
            "p_since": None if since is None else since.isoformat(),
            "p_dry_run": True,
        }
        found: list[dict[str, Any]] = []
        while True:
            query = self._call("retry_music_tracks", **conditions)
            page = await self.rows(query.range(len(found), len(found) + _ROWS_AT_ONCE - 1))
            found += page
            if len(page) < _ROWS_AT_ONCE:
                return found

    async def retry(self, track_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Retry these tracks; answers those that were still failed, as `retriable` does."""
        retried: list[dict[str, Any]] = []
        for ids in _portions(track_ids, _ROWS_AT_ONCE):
            query = self._call("retry_music_tracks", p_track_ids=_texts(ids), p_dry_run=False)
            retried += [row for row in await self.rows(query) if row["retried"]]
        return retried

    async def cancel(self, track_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Cancel those that wait or run; each has `track_id`, `user_id` and `status_before`."""
        cancelled: list[dict[str, Any]] = []
        for ids in _portions(track_ids, _ROWS_AT_ONCE):
            cancelled += await self.rows(self._call("cancel_music_tracks", p_track_ids=_texts(ids)))
        return cancelled

    async def statuses(self, track_ids: Sequence[UUID]) -> dict[UUID, str]:
        """The status of each of these tracks; of those that exist."""
        found: dict[UUID, str] = {}
        for ids in _portions(track_ids, _IDS_AT_ONCE):
            query = self.client.table("music_tracks").select("id,status").in_("id", _texts(ids))
            found |= {UUID(row["id"]): row["status"] for row in await self.rows(query)}
        return found

    async def check_known(self, track_ids: Sequence[UUID]) -> None:
        """Raise ConfigurationError for the first of these tracks that does not exist."""
        known = await self.statuses(track_ids)
        for track_id in track_ids:
            if track_id not in known:
                raise ConfigurationError(f"There is no track {track_id}; nothing was done.")

    async def health(self) -> dict[str, Any]:
        """How the queue is right now; see the view `music_queue_health`."""
        [row] = await self.rows(self.client.table("music_queue_health").select("*"))
        return row

    async def review(self) -> list[dict[str, Any]]:
        """What waits for a person, the newest first; see the view `music_review`."""
        query = self.client.table("music_review").select("*").order("since", desc=True)
        return await self.rows(query)

    async def history(self, track_id: UUID) -> list[dict[str, Any]]:
        """What happened to a track, in order; see the view `music_track_history`."""
        query = (
            self.client.table("music_track_history")
            .select("*")
            .eq("track_id", str(track_id))
            .order("event_id")
        )
        return await self.rows(query)

    def _call(self, function: str, **arguments: Any) -> Any:
        return self.client.rpc(function, arguments)


def _texts(ids: Sequence[UUID]) -> list[str]:
    return [str(each) for each in ids]


def _portions(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]

"""What operators do to many tracks or to the whole queue, and what they read of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from music_service.errors import ConfigurationError, ErrorCode
from music_service.operations.queries import Queries
from music_service.tracks import Status

# The API answers at most 1000 rows at a time, and ids in an address must not be too many.
_ROWS_AT_ONCE = 1000
_IDS_AT_ONCE = 100


class QueueOperations(Queries):
    """The operators' functions and views with the service's rights."""

    async def pause(self, reason: str | None) -> str:
        """Take up nothing new; answers a sentence."""
        await self.check_answers()
        return str((await self.answer(self._call("pause_music_queue", p_reason=reason))).data)

    async def resume(self) -> str:
        """Take up tracks again; answers a sentence."""
        await self.check_answers()
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

    async def regenerate(self, track_ids: Sequence[UUID], *, dry_run: bool) -> list[dict[str, Any]]:
        """Have those that are completed made once more, or say what it would cost.

        Each has `track_id`, `user_id`, `completed_at`, `is_free`, `expected_cost_cents` and
        `regenerated`.
        """
        found: list[dict[str, Any]] = []
        for ids in _portions(track_ids, _ROWS_AT_ONCE):
            query = self._call(
                "regenerate_music_tracks", p_track_ids=_texts(ids), p_dry_run=dry_run
            )
            found += await self.rows(query)
        return found

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

    async def known_statuses(self, track_ids: Sequence[UUID]) -> dict[UUID, str]:
        """The status of each of these tracks; ConfigurationError where one does not exist."""
        known = await self.statuses(track_ids)
        for track_id in track_ids:
            if track_id not in known:
                raise ConfigurationError(f"There is no track {track_id}; nothing was done.")
        return known

    async def dismiss(self, track_ids: Sequence[UUID]) -> list[UUID]:
        """Have done with those that failed, so that nobody reviews them; answers which."""
        dismissed: list[UUID] = []
        for ids in _portions(track_ids, _IDS_AT_ONCE):
            query = (
                self.client.table("music_tracks")
                .update({"error_code": ErrorCode.CANCELLED.value})
                .in_("id", _texts(ids))
                .eq("status", Status.ERROR.value)
            )
            dismissed += [UUID(row["id"]) for row in await self.rows(query)]
        return dismissed

    async def record_task(self, track_id: UUID, mureka_task_id: str) -> None:
        """Give a track's call that was never confirmed its receipt, so that it is resumed.

        Raises:
            ConfigurationError: no call of the track waits for a receipt.
        """
        query = self.client.table("music_review").select("generation_id")
        rows = await self.rows(query.eq("track_id", str(track_id)))
        generation_ids = [row["generation_id"] for row in rows if row["generation_id"]]
        if not generation_ids:
            raise ConfigurationError(
                f"No paid call of track {track_id} waits to be confirmed; nothing was recorded."
            )
        await self.rows(
            self._call(
                "record_music_task",
                p_generation_id=generation_ids[0],
                p_mureka_task_id=mureka_task_id,
                p_trace_id=None,
            )
        )

    async def health(self) -> dict[str, Any]:
        """How the queue is right now; see the view `music_queue_health`."""
        rows = await self.rows(self.client.table("music_queue_health").select("*"))
        if not rows:
            raise ConfigurationError(
                "The row of music.settings is missing; the next claim of a worker makes it again, "
                "or in the SQL editor: insert into music.settings default values;"
            )
        return rows[0]

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

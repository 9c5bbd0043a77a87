"""Tracks as a backend or an operator handles them: ask for one, read one, list them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from music_service.errors import ConfigurationError, ContractError
from music_service.operations.queries import Queries
from music_service.timed_lyrics import Sections, from_json


class TrackTable(Queries):
    """The table `music_tracks` with the service's rights."""

    async def insert(self, track: dict[str, Any]) -> dict[str, Any]:
        """Ask for a track; `track` holds columns and values. Answers the row."""
        await self.check_answers()  # an insert does not say what is missing
        [row] = await self.rows(self.client.table("music_tracks").insert(track))
        return row

    async def read(self, track_id: UUID) -> dict[str, Any]:
        """The row of a track; raises ConfigurationError when there is none."""
        query = self.client.table("music_tracks").select("*").eq("id", str(track_id))
        found = await self.rows(query)
        if not found:
            raise ConfigurationError(f"There is no track {track_id}.")
        return found[0]

    async def timed_lyrics(self, track_id: UUID) -> Sections:
        """The words of a track in time; none where it has none."""
        query = self.client.table("music_timed_lyrics").select("sections")
        found = await self.rows(query.eq("track_id", str(track_id)))
        try:
            return from_json(found[0]["sections"]) if found else ()
        except ValueError as error:
            raise ContractError(f"The words in time of track {track_id} cannot be read.") from error

    async def unfinished(self, limit: int) -> list[dict[str, Any]]:
        """Tracks that run or wait, in the order in which they will probably be ready."""
        query = (
            self.client.table("music_tracks")
            .select("*")
            .in_("status", ["generating", "pending"])
            .order("status")
            .order("priority", desc=True)
            .order("created_at")
            .limit(limit)
        )
        return await self.rows(query)

    async def completed(self, limit: int) -> list[dict[str, Any]]:
        """Tracks that are completed, the last one first."""
        query = (
            self.client.table("music_tracks")
            .select("*")
            .eq("status", "completed")
            .order("completed_at", desc=True, nullsfirst=False)
            .limit(limit)
        )
        return await self.rows(query)

    async def count(self, status: str) -> int:
        """How many tracks are in a status."""
        query = self.client.table("music_tracks").select(
            "id",
            count="exact",  # type: ignore[arg-type]  # an enum of strings
            head=True,
        )
        return int((await self.answer(query.eq("status", status))).count or 0)

"""`music-service history`: what happened to a track."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from music_service.cli.arguments import Json, TrackId, checked_id
from music_service.cli.output import answer, answer_json, short_time
from music_service.cli.project import project
from music_service.cli.signals import run_async


def history(track_id: TrackId, *, json: Json = False) -> None:
    """Show what happened to a track."""
    for row in run_async(_history(checked_id(track_id))):
        answer_json(row) if json else answer(event_line(row), hang=20)


async def _history(track_id: UUID) -> list[dict[str, Any]]:
    async with project() as opened:
        await opened.queue.known_statuses([track_id])
        return await opened.queue.history(track_id)


def event_line(row: dict[str, Any]) -> str:
    """A line of `music_track_history` for a person."""
    by = f" ({row['by_whom']})" if row["by_whom"] else ""
    return f"{short_time(row['at'])} {row['what_happened']}{by}"

"""`music-service watch`: follow a track to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import typer

from music_service.cli.arguments import Json, Karaoke, TrackId, checked_id
from music_service.cli.karaoke import can_be_drawn, print_words, sing_along
from music_service.cli.output import ExitCode, answer, answer_json, complain, say
from music_service.cli.progress import TrackProgress
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.client.access import Access
from music_service.client.follow import follow_tracks
from music_service.client.rows import TrackRow
from music_service.operations.tracks import TrackTable
from music_service.store.client import ProjectClient
from music_service.timed_lyrics import to_json
from music_service.tracks import Status


def watch(track_id: TrackId, *, karaoke: Karaoke = False, json: Json = False) -> None:
    """Follow a track until it is completed or in error, which exits 1."""
    raise typer.Exit(run_async(_watch(checked_id(track_id), karaoke=karaoke, json=json)))


async def _watch(track_id: UUID, *, karaoke: bool, json: bool) -> int:
    async with project() as opened:
        await opened.tracks.read(track_id)  # before a bar is drawn for one that does not exist
        return await follow(opened.client, track_id, karaoke=karaoke, json=json)


async def follow(
    client: ProjectClient, track_id: UUID, *, karaoke: bool = False, json: bool = False
) -> int:
    """Show a track until it has ended; the last line on stdout says how. Answers the exit code."""
    row: Mapping[str, Any] = {}
    if json:
        async for row in _rows(client, track_id):
            answer_json(row)
    else:
        with TrackProgress() as progress:
            async for row in _rows(client, track_id):
                progress.show(row)
    if row["status"] != Status.COMPLETED:
        complain(f"{row['error_code']}: {row['error_message']} (track {row['id']})")
        return ExitCode.FAILED
    if karaoke:
        await _sing(client, row, json=json)
    elif not json:
        _answer_completed(row)
    return ExitCode.OK


async def _sing(client: ProjectClient, row: Mapping[str, Any], *, json: bool) -> None:
    """Show the words of a completed track in time; where nothing can be drawn, all at once."""
    sections = await TrackTable(client).timed_lyrics(UUID(row["id"]))
    if json:
        answer_json({"track_id": row["id"], "sections": to_json(sections)})
        return
    is_live = bool(sections) and can_be_drawn()
    if not is_live:
        print_words(sections)
    _answer_completed(row)
    if is_live:
        await sing_along(sections, row["duration_ms"] or sections[-1].end_ms)
    elif not sections:
        say("This track has no words in time.")


def _answer_completed(row: Mapping[str, Any]) -> None:
    answer(f"completed {row['id']} {row['file_url'] or row['storage_path']}")


def _rows(client: ProjectClient, track_id: UUID) -> AsyncIterator[TrackRow]:
    async def access() -> Access:
        return Access(client.url, client.key)

    return follow_tracks(client.table, access, [track_id])

"""`music-service watch`: follow a track to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import typer

from music_service.cli.arguments import Json, TrackId, checked_id
from music_service.cli.output import ExitCode, answer, answer_json, complain
from music_service.cli.progress import TrackProgress
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.store.client import ProjectClient
from music_service.store.realtime import Channel
from music_service.tracks import Status
from music_service.watch import follow_track


def watch(track_id: TrackId, *, json: Json = False) -> None:
    """Follow a track until it is completed or in error, which exits 1."""
    raise typer.Exit(run_async(_watch(checked_id(track_id), json=json)))


async def _watch(track_id: UUID, *, json: bool) -> int:
    async with project() as opened:
        await opened.tracks.read(track_id)  # before a bar is drawn for one that does not exist
        return await follow(opened.client, track_id, json=json)


async def follow(client: ProjectClient, track_id: UUID, *, json: bool = False) -> int:
    """Show a track until it has ended; the last line on stdout says how. Answers the exit code."""
    row: dict[str, Any] = {}
    if json:
        async for row in _rows(client, track_id):
            answer_json(row)
    else:
        with TrackProgress() as progress:
            async for row in _rows(client, track_id):
                progress.show(row)
    if row["status"] == Status.COMPLETED:
        if not json:
            answer(f"completed {row['id']} {row['file_url'] or row['storage_path']}")
        return ExitCode.OK
    complain(f"{row['error_code']}: {row['error_message']} (track {row['id']})")
    return ExitCode.FAILED


def _rows(client: ProjectClient, track_id: UUID) -> AsyncIterator[dict[str, Any]]:
    async def channel() -> Channel:
        return Channel(client.url, client.key, f"watch-{track_id}")

    return follow_track(client.table, channel, track_id)

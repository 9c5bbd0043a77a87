"""`music-service queue`: what is being made, what waits, and how the queue is."""

from __future__ import annotations

from typing import Annotated

import typer

from music_service.cli.arguments import Json
from music_service.cli.output import answer, answer_json
from music_service.cli.project import project
from music_service.cli.queue_health import health_line
from music_service.cli.signals import run_async
from music_service.tracks import Status


def queue(
    *,
    limit: Annotated[
        int, typer.Option(metavar="NUMBER", help="How many tracks to list.", min=1, max=1000)
    ] = 20,
    completed: Annotated[
        bool, typer.Option("--completed", help="List what was completed lately, with its URL.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what is being made and what waits; with --completed what was completed lately."""
    run_async(_queue(limit, completed=completed, json=json))


async def _queue(limit: int, *, completed: bool, json: bool) -> None:
    async with project() as opened:
        list_tracks = opened.tracks.completed if completed else opened.tracks.unfinished
        rows = await list_tracks(limit)
        counts = {status.value: await opened.tracks.count(status) for status in Status}
        health = await opened.queue.health()
    if json:
        answer_json({"counts": counts, "health": health, "tracks": rows})
        return
    if rows:
        from music_service.cli import queue_table  # noqa: PLC0415  slow: it draws

        draw = queue_table.answer_completed if completed else queue_table.answer_queue
        draw(rows)
    answer(" · ".join(f"{count} {status}" for status, count in counts.items()))
    answer(health_line(health))

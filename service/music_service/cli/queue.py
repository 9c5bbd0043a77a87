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
    limit: Annotated[int, typer.Option(help="How many tracks to list.", min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """Show what is being made and what waits."""
    run_async(_queue(limit, json=json))


async def _queue(limit: int, *, json: bool) -> None:
    async with project() as opened:
        rows = await opened.tracks.unfinished(limit)
        counts = {status.value: await opened.tracks.count(status) for status in Status}
        health = await opened.queue.health()
    if json:
        answer_json({"counts": counts, "health": health, "tracks": rows})
        return
    if rows:
        from music_service.cli.queue_table import answer_queue  # noqa: PLC0415  slow: it draws

        answer_queue(rows)
    answer(" · ".join(f"{count} {status}" for status, count in counts.items()))
    answer(health_line(health))

"""`music-service record`: the receipt of a paid call that was never confirmed."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

import typer

from music_service.cli.arguments import TrackId, checked_id
from music_service.cli.output import answer
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.errors import ConfigurationError

_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def record(
    track_id: TrackId,
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="The id of Mureka's task, from its support.")
    ],
) -> None:
    """Record the task of a paid call that was never confirmed; the track resumes, at no cost."""
    if not _TASK_ID.fullmatch(task_id):
        raise ConfigurationError(
            f'"{task_id}" is not the id of a task; ids look like 1795669640482.'
        )
    run_async(_record(checked_id(track_id), task_id))


async def _record(track_id: UUID, task_id: str) -> None:
    async with project() as opened:
        await opened.queue.known_statuses([track_id])
        await opened.queue.record_task(track_id, task_id)
    answer(f"recorded task {task_id} of {track_id}; its music is fetched, which is free")

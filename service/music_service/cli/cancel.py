"""`music-service cancel`: tracks that wait or run are given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from music_service.cli.arguments import Json, checked_ids
from music_service.cli.output import ExitCode, answer, answer_json, complain
from music_service.cli.project import project
from music_service.cli.signals import run_async

Tracks = Annotated[list[str], typer.Argument(metavar="TRACK_ID", help="Ids of tracks.")]


def cancel(track_ids: Tracks, *, json: Json = False) -> None:
    """Cancel tracks that wait or run; what was submitted to Mureka is paid for all the same."""
    raise typer.Exit(run_async(_cancel(checked_ids(track_ids), json=json)))


async def _cancel(ids: Sequence[UUID], *, json: bool) -> int:
    async with project() as opened:
        await opened.queue.known_statuses(ids)
        cancelled = await opened.queue.cancel(ids)
    for row in cancelled:
        answer_json(row) if json else answer(
            f"cancelled {row['track_id']} (was {row['status_before']})"
        )
    late = set(ids) - {UUID(row["track_id"]) for row in cancelled}
    for track_id in sorted(late, key=str):
        complain(f"Track {track_id} has ended already; there is nothing to cancel.")
    return ExitCode.FAILED if late else ExitCode.OK

"""`music-service dismiss`: failed tracks that nobody has to review any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from music_service.cli.arguments import checked_ids
from music_service.cli.output import ExitCode, answer, complain
from music_service.cli.project import project
from music_service.cli.signals import run_async

Tracks = Annotated[list[str], typer.Argument(metavar="TRACK_ID", help="Ids of failed tracks.")]


def dismiss(track_ids: Tracks) -> None:
    """Have done with failed tracks: `review` shows them no more, and nothing is spent."""
    raise typer.Exit(run_async(_dismiss(checked_ids(track_ids))))


async def _dismiss(ids: Sequence[UUID]) -> int:
    async with project() as opened:
        await opened.queue.known_statuses(ids)
        dismissed = await opened.queue.dismiss(ids)
    for track_id in dismissed:
        answer(f"dismissed {track_id}")
    others = sorted(set(ids) - set(dismissed), key=str)
    for track_id in others:
        complain(f"Track {track_id} has not failed; there is nothing to dismiss.")
    return ExitCode.FAILED if others else ExitCode.OK

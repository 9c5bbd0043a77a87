"""`music-service pause`: nothing new is taken up."""

from __future__ import annotations

from typing import Annotated

import typer

from music_service.cli.arguments import checked_text
from music_service.cli.output import answer
from music_service.cli.project import project
from music_service.cli.signals import run_async

_MAX_REASON_CHARACTERS = 1000


def pause(
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why, for other operators.")
    ] = None,
) -> None:
    """Take up nothing new until `resume`; what runs is finished."""
    run_async(_pause(reason and checked_text("--reason", reason, _MAX_REASON_CHARACTERS)))


async def _pause(reason: str | None) -> None:
    async with project() as opened:
        answer(await opened.queue.pause(reason))

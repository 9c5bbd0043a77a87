"""`music-service resume`: tracks are taken up again."""

from __future__ import annotations

from music_service.cli.output import answer
from music_service.cli.project import project
from music_service.cli.signals import run_async


def resume() -> None:
    """Take up tracks again, at once."""
    run_async(_resume())


async def _resume() -> None:
    async with project() as opened:
        answer(await opened.queue.resume())

"""`music-service metrics`: the whole fleet as numbers for Prometheus, once."""

from __future__ import annotations

from music_service.cli.output import answer_text
from music_service.cli.project import project
from music_service.cli.signals import run_async


def metrics() -> None:
    """Print the fleet's gauges in Prometheus' text format, once.

    They come from the database, so that they are true where no worker is alive.
    """
    run_async(_metrics())


async def _metrics() -> None:
    from music_service.observe.fleet import in_text_format  # noqa: PLC0415  as `project` does

    async with project() as opened:
        health = await opened.queue.health()
    answer_text(in_text_format(health))

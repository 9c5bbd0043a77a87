"""`music-service run`: the worker, until a signal."""

from __future__ import annotations

from music_service import log
from music_service.cli.signals import run_async, stop_on_signal
from music_service.compose import run_worker
from music_service.settings import Settings


def run() -> None:
    """Make the music of a Supabase project until SIGTERM or Ctrl-C.

    Configured by the environment or a file .env; see .env.example.
    """
    settings = Settings.load()
    log.configure(settings.log_level, settings.log_format)
    run_async(_run(settings))


async def _run(settings: Settings) -> None:
    with stop_on_signal() as stop:
        await run_worker(settings, stop=stop)

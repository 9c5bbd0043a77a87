"""`music-service run`: the worker, until a signal."""

from __future__ import annotations

from service import log
from service.cli.signals import run_async, stop_on_signal
from service.compose import run_worker
from service.settings import Settings


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

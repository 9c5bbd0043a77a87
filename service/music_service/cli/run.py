"""`music-service run`: the worker, until a signal."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from music_service.cli.signals import run_async, stop_on_signal
from music_service.settings import Settings

# httpx has a command line that draws with these, and structlog tracebacks: a tenth of the memory.
_FOR_TERMINALS = ("click", "rich")
# Python's own choice since 3.13; the command line's, made for its start, lets garbage pile up.
_OBJECTS_BETWEEN_COLLECTIONS = 2_000


def run() -> None:
    """Make the music of a Supabase project until SIGTERM or Ctrl-C.

    Configured by the environment or a file .env; see .env.example.
    """
    settings = Settings.load()
    with _hidden(_FOR_TERMINALS):
        from music_service import log  # noqa: PLC0415  here, so that it does without them
        from music_service.compose import run_worker  # noqa: PLC0415

    log.configure(settings.log_level, settings.log_format)
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)

    async def until_stopped() -> None:
        with stop_on_signal() as stop:
            await run_worker(settings, stop=stop)

    run_async(until_stopped())


@contextmanager
def _hidden(packages: Sequence[str]) -> Iterator[None]:
    """Packages that look as if they were not installed, to whatever is imported meanwhile."""
    modules: dict[str, Any] = sys.modules
    hidden = [package for package in packages if package not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for package in hidden:
            del modules[package]

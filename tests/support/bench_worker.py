"""A worker process of its own for a measurement.

As a program: a worker whose polls come at one pause, whatever is due, in `FIXED_POLL_SECONDS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from local_supabase.stack import Stack

FIXED = "FIXED_POLL_SECONDS"


@asynccontextmanager
async def worker(stack: Stack, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `music-service run` on a stack, for the length of a block."""
    quiet = {"LOG_LEVEL": "warning"}
    program = __spec__.name if FIXED in settings else "music_service.cli.app"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, "run"),
        env=os.environ | stack.environment() | quiet | settings,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def cpu_seconds(process: asyncio.subprocess.Process) -> float:
    """The processor time that a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _run() -> None:
    from music_service.compose import options_of, run_worker  # noqa: PLC0415  only as a program
    from music_service.log import configure  # noqa: PLC0415
    from music_service.settings import Settings  # noqa: PLC0415
    from music_service.worker.cadence import Bounds  # noqa: PLC0415

    settings, seconds = Settings.load(), float(os.environ[FIXED])
    configure(settings.log_level, settings.log_format)
    options = replace(options_of(settings), poll_bounds=Bounds(seconds, seconds, seconds))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    await run_worker(settings, stop=stop, options=options)


if __name__ == "__main__":
    asyncio.run(_run())

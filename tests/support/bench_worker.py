"""A worker process of its own for a measurement."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local_supabase.stack import Stack


@asynccontextmanager
async def worker(stack: Stack, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `music-service run` on a stack, for the length of a block."""
    quiet = {"LOG_LEVEL": "warning"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "music_service.cli.app", "run"),
        env=os.environ | stack.environment() | quiet | settings,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

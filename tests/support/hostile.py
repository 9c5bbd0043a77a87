"""A worker that speaks to a provider that means harm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from local_supabase.stack import Stack
from music_service.compose import options_of, run_worker
from tests.support.workers import QUICK, settings_for


@contextlib.asynccontextmanager
async def working(stack: Stack, mureka_url: str, **options: Any) -> AsyncIterator[None]:
    """A worker for the length of a block; fails where it ended before."""
    settings = settings_for(stack, mureka_api_url=mureka_url)
    stop, ready = asyncio.Event(), asyncio.Event()
    quick = replace(options_of(settings), **(QUICK | options))
    running = asyncio.create_task(
        run_worker(settings, stop=stop, ready=ready, options=quick), name="worker"
    )
    is_ready = asyncio.create_task(ready.wait())
    await asyncio.wait([running, is_ready], return_when=asyncio.FIRST_COMPLETED)
    is_ready.cancel()
    try:
        yield
        assert not running.done(), "the worker ended"
    finally:
        stop.set()
        await running

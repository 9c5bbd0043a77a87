"""A worker in this process, quick where the product is patient."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from local_supabase.stack import Stack
from music_service.compose import options_of, run_worker
from music_service.settings import Settings

StartWorker = Callable[..., AbstractAsyncContextManager[None]]

QUICK = {
    "poll_seconds": 0.05,
    "sweep_seconds": 1.0,
    "lease_seconds": 3.0,
    "first_retry_seconds": 0.05,
    "longest_retry_seconds": 0.2,
    "rate_limited_pause_seconds": 0.1,
    "blocked_check_seconds": 0.3,
    "late_audio_seconds": 0.3,
    "drain_seconds": 5.0,
}


def settings_for(stack: Stack, **changes: Any) -> Settings:
    """The settings of a worker on a stack, whatever the environment of the tests says."""
    values = {name.lower(): value for name, value in stack.environment().items()}
    names = ("supabase_url", "supabase_secret_key", "mureka_api_url", "mureka_api_key")
    given = {name: values[name] for name in names}
    given["SUPABASE_SECRET_KEY"] = given.pop("supabase_secret_key")
    return Settings(_env_file=None, **(given | changes))


def starting_workers_on(stack: Stack) -> StartWorker:
    """Runs workers of this process on a stack, each for the length of a block.

    Options that differ from `QUICK` can be named.
    """

    @contextlib.asynccontextmanager
    async def start(
        url: str | None = None, public_url: str | None = None, **options: Any
    ) -> AsyncIterator[None]:
        given = {"supabase_url": url, "supabase_public_url": public_url}
        settings = settings_for(stack, **{name: value for name, value in given.items() if value})
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
        finally:
            stop.set()
            await running

    return start

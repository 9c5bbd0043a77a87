"""A worker in this process, quick where the product is patient."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.compose import options_of, run_worker
from service.embedded.stack import Stack
from service.settings import Settings
from tests.integration.programs import Command, Said, environment, run_program

StartWorker = Callable[..., AbstractAsyncContextManager[None]]

QUICK = {
    "poll": 0.05,
    "sweep": 1.0,
    "lease": 3.0,
    "first_retry": 0.05,
    "longest_retry": 0.2,
    "rate_limited_pause": 0.1,
    "blocked_check": 0.3,
    "drain": 5.0,
}


def settings_for(stack: Stack, **changes: Any) -> Settings:
    """The settings of a worker on a stack, whatever the environment of the tests says."""
    values = {name.lower(): value for name, value in stack.environment().items()}
    names = ("supabase_url", "supabase_secret_key", "mureka_api_url", "mureka_api_key")
    given = {name: values[name] for name in names}
    given["SUPABASE_SECRET_KEY"] = given.pop("supabase_secret_key")
    return Settings(_env_file=None, **(given | changes))


@pytest.fixture
def start_worker(stack: Stack) -> StartWorker:
    """Runs a worker for the length of a block; options that differ from `QUICK` can be named."""

    @contextlib.asynccontextmanager
    async def start(url: str | None = None, **options: Any) -> AsyncIterator[None]:
        settings = settings_for(stack, **({"supabase_url": url} if url else {}))
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


@pytest.fixture
async def worker(start_worker: StartWorker) -> AsyncIterator[None]:
    """A worker for the length of a test."""
    async with start_worker():
        yield


@pytest.fixture
def command(stack: Stack, tmp_path: Path) -> Command:
    """Runs `music-service` with the stack's variables, in a directory without a `.env`."""

    async def run(*arguments: str, **changes: str) -> Said:
        return await run_program(tmp_path, environment(stack, **changes), *arguments)

    return run

"""A stack with the page and the worker of `dev`, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from local_supabase.stack import Stack
from music_service.cli.dev_page import DevPage
from music_service.cli.dev_worker import DevWorker
from tests.support.fleet import QUICK


@dataclass(frozen=True)
class DevServer:
    """What a browser meets at `stack.url`."""

    stack: Stack
    worker: DevWorker


@asynccontextmanager
async def dev_server(stack: Stack, **variables: str) -> AsyncIterator[DevServer]:
    """Serve the calls under `/dev/` of a started stack and have a worker, for a block.

    Args:
        stack: made with `site=` where it is to have a page.
        variables: settings of the worker that differ from the quick ones.
    """
    worker = DevWorker(stack, stack.environment() | QUICK | variables)
    stack.serve_also(DevPage(stack, worker).answers)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(worker.run(stop=stop, ready=ready), name="worker")
    is_ready = asyncio.create_task(ready.wait(), name="ready")
    await asyncio.wait([running, is_ready], return_when=asyncio.FIRST_COMPLETED)
    is_ready.cancel()
    try:
        yield DevServer(stack, worker)
    finally:
        stop.set()
        await running

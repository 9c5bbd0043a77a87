"""Waiting for whichever of several things comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


async def first_of(*waits: Awaitable[Any]) -> int:
    """Wait for the first of them; answers its place among `waits`.

    Coroutines are cancelled when another was first. Tasks and futures are somebody's own: they
    go on.

    Raises:
        Exception: what one that has come raised.
    """
    futures = [asyncio.ensure_future(wait) for wait in waits]
    started = [future for future, wait in zip(futures, waits, strict=True) if future is not wait]
    try:
        come, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)
    for future in come:
        future.result()
    return next(place for place, future in enumerate(futures) if future in come)

"""Writes that must reach the database: receipts of paid calls, and how an attempt ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from music_service.errors import LostClaimError, TransientError

MOST_REFUSALS = 20


async def persist(
    write: Callable[[], Awaitable[object]],
    *,
    on_failure: Callable[[Exception], None],
    first_pause_seconds: float,
    longest_pause_seconds: float,
) -> None:
    """Write until the database takes it: without end while it is away, 20 times if it refuses.

    `on_failure` is told of each failure. The pauses double from the first to the longest.

    Raises:
        LostClaimError: at once.
        Exception: the last refusal.
    """
    pause, refusals = first_pause_seconds, 0
    while True:
        try:
            await write()
        except LostClaimError:
            raise
        except Exception as error:
            on_failure(error)
            refusals += not isinstance(error, TransientError)
            if refusals == MOST_REFUSALS:
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest_pause_seconds)
        else:
            return

"""A measurement as a program: it ends what it has started, however it is told to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

INTERRUPTED = 130


def run(measuring: Coroutine[Any, Any, int]) -> NoReturn:
    """Run it to its end and leave with its exit code; SIGTERM cancels it as Ctrl-C does."""
    try:
        sys.exit(asyncio.run(_cancelled_by_sigterm(measuring)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)


async def _cancelled_by_sigterm(measuring: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measuring

"""SIGINT and SIGTERM while a loop runs: the first one asks, a second one kills the process.

The system does the killing: a KeyboardInterrupt in whatever callback runs would be one more thing
to clean up after, and a loop may hang on it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's loop to its end; the first SIGINT cancels it.

    Raises:
        KeyboardInterrupt: it was cancelled.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(work if before is signal.SIG_IGN else _cancelled_by_sigint(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


async def _cancelled_by_sigint(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a loop runs it
    with _on_first_of([signal.SIGINT], task.cancel):
        return await work


@contextmanager
def stop_on_signal() -> Iterator[asyncio.Event]:
    """An event that the first SIGINT or SIGTERM sets."""
    stop = asyncio.Event()
    with _on_first_of([signal.SIGINT, signal.SIGTERM], stop.set):
        yield stop


@contextmanager
def _on_first_of(numbers: list[signal.Signals], do: Callable[[], object]) -> Iterator[None]:
    """Do something at the first of some signals; a second one kills, and one after the block."""
    loop = asyncio.get_running_loop()

    def forget() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def first() -> None:
        forget()
        do()

    for number in numbers:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        forget()

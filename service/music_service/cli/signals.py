"""SIGINT and SIGTERM while a loop runs: the first one asks, a second one kills the process.

The system does the killing: a KeyboardInterrupt in whatever callback runs would be one more thing
to clean up after, and a loop may hang on it. To the first process of a container the system passes
only signals that it handles, so that one ends itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


def end_on(number: signal.Signals) -> None:
    """Let a signal end the process at once, with nothing to clean up."""
    signal.signal(number, _end if os.getpid() == 1 else signal.SIG_DFL)


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


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
            end_on(number)

    def first() -> None:
        forget()
        do()

    for number in numbers:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        forget()

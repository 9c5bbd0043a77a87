"""So many at once, and no more: whoever comes later waits for a place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Places(Generic[Thing]):
    """Places with a thing each, such as a connection; the one used last is taken first.

    What a use of it failed with, or was cancelled in, is closed before the next place is taken, and
    another is made: a pool of connections whose request is cancelled at a bad moment believes for
    ever that its connection is in use.

    Args:
        at_once: how many there are.
        make: makes the thing of a place, when one is needed.
        close: closes it; None where things are somebody else's, and outlive whatever happens.
    """

    def __init__(
        self,
        at_once: int,
        make: Callable[[], Thing],
        close: Callable[[Thing], Awaitable[None]] | None = None,
    ) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._make = make
        self._close = close
        self._unused: list[Thing] = []
        self._spoilt: list[Thing] = []
        self._in_use: list[Thing] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Thing]:
        """Wait for a place and hold it for the length of a block."""
        async with self._room:
            await self._close_all(self._spoilt)
            thing = self._unused.pop() if self._unused else self._make()
            self._in_use.append(thing)
            then = self._unused
            try:
                yield thing
            except BaseException:
                then = self._spoilt if self._close else self._unused
                raise
            finally:
                self._in_use.remove(thing)
                then.append(thing)

    async def aclose(self) -> None:
        """Close all things that were made."""
        for things in (self._unused, self._spoilt, self._in_use):
            await self._close_all(things)

    async def _close_all(self, things: list[Thing]) -> None:
        while self._close and things:
            with contextlib.suppress(Exception):
                await self._close(things.pop())

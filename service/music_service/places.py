"""So many at once, and no more: whoever comes later waits for a place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Places(Generic[Thing]):
    """Places with a thing each, such as a connection; the one used last is taken first.

    Args:
        at_once: how many there are.
        make: makes the thing of a place, when it is taken for the first time.

    `made` are all that were made; whoever made them closes them.
    """

    def __init__(self, at_once: int, make: Callable[[], Thing]) -> None:
        self.made: list[Thing] = []
        self._room = asyncio.Semaphore(at_once)
        self._make = make
        self._unused: list[Thing] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Thing]:
        """Wait for a place and hold it for the length of a block."""
        async with self._room:
            thing = self._unused.pop() if self._unused else self._made()
            try:
                yield thing
            finally:
                self._unused.append(thing)

    def _made(self) -> Thing:
        self.made.append(self._make())
        return self.made[-1]

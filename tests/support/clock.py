"""An event loop whose time jumps: whatever sleeps is woken at once, in the right order.

Every unit test that is a coroutine runs on one (`tests/unit/conftest.py`). Where nothing could ever
happen any more, or nothing but the passing of time does, the test fails instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

LONGEST_SECONDS = 20_000.0

Result = TypeVar("Result")


class StuckError(AssertionError):
    """Everything waits for something that will not come."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits: its clock goes forward to the next thing that is due."""

    def __init__(self) -> None:
        self.now = 0.0
        self.complaints: list[str] = []
        super().__init__(_NeverWaits(self))
        self.set_exception_handler(self._complained)

    def time(self) -> float:
        """Seconds since the loop was made, as the sleepers see them."""
        return self.now

    def _complained(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")


class _NeverWaits(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise StuckError("every task waits and nothing is due")
        self._loop.now += max(timeout, 0)
        if self._loop.now > LONGEST_SECONDS:
            raise StuckError("only time passes; what the test waits for does not happen")
        return super().select(0)


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a test in virtual time; fails as well when a task's error was seen by nobody."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(coroutine)
    assert loop.complaints == []
    return result


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


async def settled() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(100):
        await asyncio.sleep(0)

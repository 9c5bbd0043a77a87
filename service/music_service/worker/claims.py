"""Claims that fail, told to operators from the second in a row on until one succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_TOLD_FROM = 2  # one alone is a moment without a network

log = structlog.get_logger(__name__)


class ClaimFailures:
    """Why nothing can be claimed, if so, and that operators hear of it.

    Args:
        pause_seconds: between two reports, however often claims fail.
        report: writes the worker's state, `failing` with the reason or `running`; answers whether
            the database took it.
    """

    def __init__(
        self, pause_seconds: float, *, report: Callable[[str, str | None], Awaitable[bool]]
    ) -> None:
        self.reason: str | None = None
        self._pause_seconds = pause_seconds
        self._report = report
        self._in_a_row = 0
        self._changed = asyncio.Event()

    def note(self, reason: str) -> None:
        """A claim has failed."""
        log.warning("claim_failed", reason=reason)
        self._in_a_row += 1
        if self._in_a_row >= _TOLD_FROM:
            self.reason = reason
            self._changed.set()

    def clear(self) -> None:
        """A claim has succeeded."""
        self._in_a_row = 0
        if self.reason is not None:
            self.reason = None
            log.info("claims_work_again")
            self._changed.set()

    async def run(self) -> None:
        """Tell operators until cancelled; what the database does not take is told again."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            state = "running" if self.reason is None else "failing"
            if not await self._report(state, self.reason):
                self._changed.set()
            await asyncio.sleep(self._pause_seconds)

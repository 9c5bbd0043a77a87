"""What operators have to hear of claims.

That they fail, from the second in a row on until one succeeds; and which tracks they pass over,
because a rule of the app's rejects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from music_service.errors import MusicServiceError
from music_service.worker.ports import Queue

_TOLD_FROM = 2  # one alone is a moment without a network

log = structlog.get_logger(__name__)


class ClaimFailures:
    """Why nothing can be claimed, if so, and that operators hear of it.

    Args:
        pause_seconds: between two reports, however often claims fail.
        report: writes the worker's state, `failing` with the reason or `running`; answers whether
            the database took it.
        on_restored: called when claims succeed after they were told to fail.
    """

    def __init__(
        self,
        pause_seconds: float,
        *,
        report: Callable[[str, str | None], Awaitable[bool]],
        on_restored: Callable[[], None],
    ) -> None:
        self.reason: str | None = None
        self._pause_seconds = pause_seconds
        self._report = report
        self._on_restored = on_restored
        self._in_a_row = 0
        self._changed = asyncio.Event()

    def note(self, reason: str) -> None:
        """A claim has failed."""
        log.debug("claim_failed", reason=reason)
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
            self._on_restored()

    async def run(self) -> None:
        """Tell operators until cancelled; what the database does not take is told again."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            state = "running" if self.reason is None else "failing"
            if not await self._report(state, self.reason):
                self._changed.set()
            await asyncio.sleep(self._pause_seconds)


async def keep_rejections_logged(queue: Queue, pause_seconds: float) -> None:
    """Log, until cancelled, each track that the app rejects, once for each thing that it says."""
    known: dict[UUID, str] = {}
    while True:
        await asyncio.sleep(pause_seconds)
        try:
            found = await queue.rejected()
        except MusicServiceError:
            continue  # claims fail for the same reason, and say so
        for track_id, reason in found.items():
            if known.get(track_id) != reason:
                log.warning("track_rejected", track_id=str(track_id), reason=reason)
        known = found

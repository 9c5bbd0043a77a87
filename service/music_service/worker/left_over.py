"""Tasks that no track waits for any more: asked after, at no cost, until Mureka is done with them.

A track that is cancelled, deleted or changed leaves its task behind, which Mureka finishes all the
same and which takes a place among the generations at once until then. Whichever worker looks first
tells the database when that place is free again. Nothing is downloaded.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from music_service.errors import MusicServiceError, PermanentError, ProviderBlockedError
from music_service.tracks import LeftOverTask
from music_service.waiting import first_of
from music_service.worker.ports import Provider, Queue

_TASKS_AT_ONCE = 5
_UNKNOWN_SECONDS = 60  # a fresh task may not have reached all of the provider's servers

log = structlog.get_logger(__name__)


class LeftOvers:
    """Looks after left-over tasks; `running` is how many there were when last looked.

    Args:
        queue, provider: the database's functions, Mureka.
        poll_seconds: between two looks while there are any.
        look_seconds: answers how long to wait between two looks for any.
        on_freed: called when Mureka is done with one.
    """

    def __init__(
        self,
        queue: Queue,
        provider: Provider,
        *,
        poll_seconds: float,
        look_seconds: Callable[[], float],
        on_freed: Callable[[], None],
    ) -> None:
        self.running = 0
        self._queue = queue
        self._provider = provider
        self._poll_seconds = poll_seconds
        self._look_seconds = look_seconds
        self._on_freed = on_freed
        self._expected = asyncio.Event()

    def expect(self) -> None:
        """One may have been left just now: look soon."""
        self._expected.set()

    async def run(self) -> None:
        """Look after them until cancelled; what fails is tried again."""
        while True:
            pause = self._poll_seconds if self.running else self._look_seconds()
            pause *= random.uniform(0.8, 1.2)  # noqa: S311
            await first_of(self._expected.wait(), asyncio.sleep(pause))
            self._expected.clear()
            try:
                await self._look()
            except MusicServiceError as error:
                log.debug("left_over_not_looked_after", reason=str(error))

    async def _look(self) -> None:
        found = await self._queue.take_left_over(_TASKS_AT_ONCE, self._poll_seconds)
        self.running = found.running
        ended = await asyncio.gather(*map(self._has_ended, found.tasks))
        if any(ended):
            log.info("left_over_ended", tasks=sum(ended))
            self.running -= sum(ended)
            self._on_freed()

    async def _has_ended(self, task: LeftOverTask) -> bool:
        """Ask Mureka, and tell the database where it is done."""
        try:
            status = await self._status_of(task)
            if status is None:
                return False
            await self._queue.close_left_over(task.generation_id, status)
        except MusicServiceError as error:
            reason = str(error)
            log.debug("left_over_not_looked_after", task_id=task.mureka_task_id, reason=reason)
            return False
        log.debug("left_over_closed", task_id=task.mureka_task_id, status=status)
        return True

    async def _status_of(self, task: LeftOverTask) -> str | None:
        """How it ended; None while it runs."""
        try:
            found = await self._provider.poll(task.kind, task.mureka_task_id)
        except ProviderBlockedError:
            raise
        except PermanentError:
            return "unknown" if task.age_seconds > _UNKNOWN_SECONDS else None
        return found.status if found.is_succeeded or found.is_failed else None

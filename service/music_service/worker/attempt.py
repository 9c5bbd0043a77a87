"""One claimed track, from the order to the playable file.

    order      announce the paid call, send it once, keep the receipt   at most once
    follow     look at the task until it ends or its deadline passes    as often as need be
    deliver    download, upload, complete                               as often as need be

What fails is settled: written to the row. A claim that is lost ends everything at once, except
that a call already sent still gets its receipt stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from music_service.errors import (
    LostClaimError,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    TransientError,
)
from music_service.tracks import Claim, ErrorCode, GenerationRequest
from music_service.worker.deliver import deliver
from music_service.worker.ports import AudioStore, FinishedAudio, Options, Provider, Queue, Task
from music_service.worker.retry import Settlement
from music_service.worker.submit import Ordered, order

UNKNOWN_TASK_LOOKS = 3


class Generation:
    """Runs one claim; `run` never raises but when it is cancelled.

    Args:
        claim: the track and the right to it.
        queue, provider, audio: the world.
        options: how this worker works.
        settlement: writes what goes wrong.
        start_order: starts a task that its owner does not abandon when this one is cancelled.
    """

    def __init__(
        self,
        claim: Claim,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        *,
        options: Options,
        settlement: Settlement,
        start_order: Callable[[Coroutine[Any, Any, Ordered]], asyncio.Task[Ordered]],
    ) -> None:
        self.claim = claim
        self.is_ending = False
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._settlement = settlement
        self._start_order = start_order
        self._ordered: Ordered | None = None
        self._must_finish = False
        self._stopping = False
        self._claimed_at = _now()
        self._log = structlog.get_logger(__name__).bind(
            track_id=str(claim.track.id), claim_id=str(claim.id)
        )

    async def run(self) -> None:
        """Bring the track to an end, or leave it where another attempt can go on."""
        try:
            await self._make()
        except LostClaimError as error:
            self._log.info("claim_lost", reason=str(error))
        except MusicServiceError as error:
            await self._settle(error)
        except Exception as error:  # noqa: BLE001  the track must not be left without a word
            self._log.exception("unexpected_error")
            sentence = f"Something unexpected happened ({type(error).__name__})."
            await self._settle(TransientError(sentence, code=ErrorCode.INTERNAL))

    def stop(self) -> bool:
        """Ask for an early end; False when it can be cancelled this moment without loss.

        True while a paid call is in the air or its fate is being written: that soon ends by itself.
        """
        self._stopping = True
        return self._must_finish

    async def _make(self) -> None:
        self._ordered = self._resumed() or await self._order()
        if self._stopping:
            return  # the receipt is stored; whoever claims the track next goes on from there
        music = await self._follow(self._ordered)
        key, url, duration_ms = await deliver(
            music,
            self.claim.track,
            self._ordered.id,
            provider=self._provider,
            audio=self._audio,
            options=self._options,
        )
        self.is_ending = True
        await self._queue.complete(self.claim.id, key, url, duration_ms)
        self._log.info("completed", storage_path=key, duration_ms=duration_ms)

    def _resumed(self) -> Ordered | None:
        found = self.claim.open_generation
        if found is None or found.mureka_task_id is None:
            return None
        self._log.info("resumed", generation_id=str(found.id), task_id=found.mureka_task_id)
        request = GenerationRequest.from_json(found.request)
        return Ordered(found.id, request, found.mureka_task_id, found.age_seconds)

    async def _order(self) -> Ordered:
        self._must_finish = True
        ordering = order(self.claim, self._queue, self._provider, self._options)
        ordered = await asyncio.shield(self._start_order(ordering))
        self._must_finish = False
        return ordered

    async def _follow(self, ordered: Ordered) -> FinishedAudio:
        """Wait for the task; a failing look costs nothing but time before the deadline."""
        deadline = self._claimed_at + self._options.deadline - ordered.age_seconds
        await self._sleep_before_first_look(ordered)
        shown: tuple[str, str | None] | None = None
        while True:
            task = await self._look(ordered)
            if task is not None:
                if task.is_succeeded:
                    return _music_of(task)
                if task.is_failed:
                    raise PermanentError(
                        f"The music could not be made: {task.failed_reason or task.status}."
                    )
                if (task.status, task.stream_url) != shown and await self._show(task):
                    shown = (task.status, task.stream_url)
            if _now() > deadline:
                raise PermanentError(
                    "The music was not ready in time; retry to look again at no cost.",
                    code=ErrorCode.GENERATION_TIMEOUT,
                )
            await asyncio.sleep(self._options.poll * random.uniform(0.8, 1.2))  # noqa: S311

    async def _look(self, ordered: Ordered) -> Task | None:
        """What the provider says now; None where it cannot say.

        A task that the provider does not know is asked for a few times: a fresh one may not have
        reached all of its servers.
        """
        for remaining in reversed(range(UNKNOWN_TASK_LOOKS)):
            try:
                return await self._provider.query(ordered.request.kind, ordered.task_id)
            except ProviderBlockedError:
                raise
            except PermanentError:
                if not remaining:
                    raise
                await asyncio.sleep(self._options.poll)
            except MusicServiceError as error:
                self._log.warning("look_failed", reason=str(error))
                break
        return None

    async def _show(self, task: Task) -> bool:
        """Write the stage to the row; False where that must wait for the next look."""
        try:
            await self._queue.report_stage(self.claim.id, task.status, task.stream_url)
        except LostClaimError:
            raise
        except MusicServiceError as error:
            self._log.warning("stage_not_shown", reason=str(error))
            return False
        return True

    async def _sleep_before_first_look(self, ordered: Ordered) -> None:
        expected, wait = self.claim.expected_seconds, self._options.poll
        if ordered.age_seconds > 0:
            return
        if expected is not None and self._options.stream:
            wait = min(wait, expected / 2)
        elif expected is not None:
            # Without a stream there is nothing to see earlier.
            wait = min(max(wait, expected / 2), self._options.deadline / 4)
        await asyncio.sleep(wait)

    async def _settle(self, error: MusicServiceError) -> None:
        self._must_finish = self.is_ending = True
        paid = None
        if self._ordered is not None:
            paid = self._ordered.age_seconds + _now() - self._claimed_at
        try:
            await self._settlement.settle(error, paid_seconds_ago=paid)
        except LostClaimError:
            self._log.info("claim_lost", reason="while writing why the track was not made")
        except Exception:  # noqa: BLE001  the lease runs out, and whoever claims it next goes on
            self._log.exception("end_not_written")


def _music_of(task: Task) -> FinishedAudio:
    if task.audio is None:
        raise PermanentError("Mureka finished without any music.")
    return task.audio


def _now() -> float:
    return asyncio.get_running_loop().time()

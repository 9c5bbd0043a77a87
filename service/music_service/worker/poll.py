"""A paid task asked for until its music is ready, or its deadline has passed."""

from __future__ import annotations

import asyncio
import random

import structlog

from music_service.errors import (
    ErrorCode,
    LostClaimError,
    MusicServiceError,
    OverdueError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    TransientError,
)
from music_service.observe.observer import TrackObserver
from music_service.tracks import Claim, Generation, Kind
from music_service.worker.cadence import Bounds, Cadence, Experience
from music_service.worker.outages import Outages
from music_service.worker.ports import FinishedAudio, Options, Provider, Queue, Task

UNKNOWN_TASK_POLLS = 3
_LAST_POLL_SECONDS = 0.1


class Poller:
    """Polls one task and shows its stages on the row.

    `late_until` is the moment of the loop's clock until which finished music may still be missing.

    Args:
        claim: the right to the track.
        generation: what is polled; it has a receipt.
        queue, provider: the database's functions, Mureka.
        options: how this worker works.
        observer: told when there is something to hear, and when the music is done.
        outages: told whether the provider answers.
        experience: how long such music took lately; what is seen here is added.
    """

    def __init__(
        self,
        claim: Claim,
        generation: Generation,
        queue: Queue,
        provider: Provider,
        options: Options,
        *,
        observer: TrackObserver,
        outages: Outages,
        experience: Experience | None = None,
    ) -> None:
        self._claim = claim
        self._generation = generation
        self._queue = queue
        self._provider = provider
        self._options = options
        self._observer = observer
        self._outages = outages
        self._shown: tuple[str, str | None] | None = None
        self.late_until = float("inf")
        self._paid_at = _now() - generation.age_seconds
        self._asked_to_wait_until = 0.0
        self._cadence = Cadence(
            options.poll_bounds or Bounds.around(options.poll_seconds),
            experience or Experience(),
            expected_seconds=claim.expected_seconds,
            stream=options.stream,
            resumed=generation.age_seconds > 0,
        )
        self._log = structlog.get_logger(__name__).bind(
            track_id=str(claim.track.id), claim_id=str(claim.id)
        )

    async def run(self, deadline: float) -> FinishedAudio:
        """Wait for the music until a moment of the loop's clock; a failed poll costs only time.

        A task that is finished without an address is asked again: it may come a little later. What
        the provider says of it then, or whether it answers, does not prolong the wait.

        Raises:
            OverdueError: it is not ready in time.
            PermanentError: the task yields nothing, or is not known any more.
            ProviderBlockedError: the key is refused.
            LostClaimError: a stage could not be written for that.
        """
        await self._sleep_before_first_poll()
        while True:
            task = await self._poll()
            if task is not None:
                if task.is_failed:
                    raise PermanentError(_why(task))
                if task.is_succeeded:
                    self._note_end(task)
                    if task.audio is not None:
                        return task.audio
                    if _now() >= self.late_until:
                        raise PermanentError("Mureka finished without any music.")
                else:
                    await self._show(task)
            has_ended = self.late_until < float("inf")
            until = max(deadline, self.late_until) if has_ended else deadline
            if _now() > until:
                raise OverdueError(
                    "The music was not ready in time; retry to ask for it again at no cost.",
                    code=ErrorCode.GENERATION_TIMEOUT,
                )
            await self._sleep(until)

    async def again(self) -> FinishedAudio | None:
        """Finished music as the provider names it now; None where it cannot say."""
        try:
            task = await self._provider.poll(*self._asked)
        except MusicServiceError as error:
            self._note_failure(error)
            return None
        return task.audio if task.is_succeeded else None

    @property
    def _asked(self) -> tuple[Kind, str]:
        return self._generation.request.kind, self._generation.mureka_task_id or ""

    def _note_end(self, task: Task) -> None:
        """From when the task was done, by its own times, its music may be late for so long.

        Not from now: a claim that is lost again and again would start that time over each time.
        """
        if self.late_until == float("inf"):
            told = task.ran_seconds
            self._observer.generated(
                str(self._generation.request.body.get("model")),
                self._age_seconds if told is None else told,
            )
            ran_seconds = self._options.deadline_seconds if told is None else told
            ended_at = min(_now(), self._paid_at + ran_seconds)
            self.late_until = ended_at + self._options.late_audio_seconds

    async def _poll(self) -> Task | None:
        """What the provider says now; None where it cannot say.

        A task that the provider does not know is asked for a few times: a fresh one may not have
        reached all of its servers.
        """
        for remaining in reversed(range(UNKNOWN_TASK_POLLS)):
            try:
                task = await self._provider.poll(*self._asked)
            except ProviderBlockedError:
                raise
            except PermanentError:
                if not remaining:
                    raise
                await asyncio.sleep(self._options.poll_seconds)
            except MusicServiceError as error:
                self._note_failure(error)
                break
            else:
                self._note(task)
                return task
        return None

    def _note(self, task: Task) -> None:
        self._outages.mureka.answered()
        self._cadence.note(
            self._age_seconds,
            task.status,
            streams=task.stream_url is not None,
            is_done=task.is_succeeded,
        )

    def _note_failure(self, error: MusicServiceError) -> None:
        self._outages.mureka.failed(error)
        self._log.debug("poll_failed", reason=str(error))
        if isinstance(error, RateLimitedError):
            self._cadence.note_refusal()
        if isinstance(error, TransientError) and error.retry_after_seconds is not None:
            self._asked_to_wait_until = _now() + error.retry_after_seconds

    async def _show(self, task: Task) -> None:
        """Write the stage to the row if it changed; where that fails, the next poll does it."""
        stage = (task.status, task.stream_url)
        if stage == self._shown:
            return
        try:
            await self._queue.report_stage(self._claim.id, *stage)
        except LostClaimError:
            raise
        except MusicServiceError as error:
            self._outages.database.failed(error)
            self._log.debug("stage_not_shown", reason=str(error))
        else:
            self._outages.database.answered()
            self._shown = stage
            if task.stream_url is not None:
                self._observer.sounded()

    async def _sleep_before_first_poll(self) -> None:
        expected, options = self._claim.expected_seconds, self._options
        if self._generation.age_seconds > 0:
            return
        if expected is not None and not options.stream:
            # Without a stream there is nothing to see earlier.
            wait = max(options.poll_seconds, expected / 2)
            await asyncio.sleep(min(wait, options.deadline_seconds / 4))
        else:
            await asyncio.sleep(_jittered(self._cadence.pause_seconds(0)))

    async def _sleep(self, until: float) -> None:
        """Sleep until the next poll; the last one is just after the time is over."""
        pause = _jittered(self._cadence.pause_seconds(self._age_seconds))
        pause = max(pause, self._asked_to_wait_until - _now())
        await asyncio.sleep(min(pause, max(until - _now(), 0) + _LAST_POLL_SECONDS))

    @property
    def _age_seconds(self) -> float:
        return _now() - self._paid_at


def _now() -> float:
    return asyncio.get_running_loop().time()


def _jittered(seconds: float) -> float:
    """Less by up to a fifth, so that what was paid for at once is not asked for at once."""
    return seconds * random.uniform(0.8, 1)  # noqa: S311


def _why(task: Task) -> str:
    return f"The music could not be made: {task.failed_reason or task.status}."

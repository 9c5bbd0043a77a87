"""One claimed track, from the order to the playable file.

    order      announce the paid call, send it once, keep the receipt   at most once
    follow     look at the task until it ends or its deadline passes    as often as need be
    deliver    download, upload, complete                               as often as need be

What fails is written to the row: put off, or ended with a reason. A claim that is lost ends
everything at once, except that a call already sent still gets its receipt stored.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from service.errors import (
    LostClaimError,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from service.tracks import Claim, GenerationRequest, request_for
from service.worker.ports import AudioStore, FinishedAudio, Options, Provider, Queue, Submission

RATE_LIMITED_PAUSE_SECONDS = 10
FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 300
UNKNOWN_TASK_LOOKS = 3
DELIVERY_ATTEMPTS = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A generation whose receipt is stored."""

    id: UUID
    request: GenerationRequest
    task_id: str
    age_seconds: float


class Generation:
    """Runs one claim; `run` never raises but when it is cancelled.

    Args:
        claim: the track and the right to it.
        queue, provider, audio: the world.
        options: how this worker works.
        on_blocked: told the reason when the provider refuses the whole account.
    """

    def __init__(
        self,
        claim: Claim,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        *,
        options: Options,
        on_blocked: Callable[[ProviderBlockedError], None],
    ) -> None:
        self.claim = claim
        self.ordering: asyncio.Task[Ordered] | None = None
        self.stopping = False
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._on_blocked = on_blocked
        self._log = log.bind(track_id=str(claim.track.id), claim_id=str(claim.id))

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
            await self._settle(
                TransientError(f"Something unexpected happened ({error!r}).", code="internal")
            )

    async def _make(self) -> None:
        ordered = self._resumed() or await self._order()
        if self.stopping:
            raise asyncio.CancelledError
        music = await self._follow(ordered)
        await self._deliver(ordered, music)

    def _resumed(self) -> Ordered | None:
        found = self.claim.open_generation
        if found is None or found.mureka_task_id is None:
            return None
        self._log.info("resumed", generation_id=str(found.id), task_id=found.mureka_task_id)
        request = GenerationRequest.from_json(found.request)
        return Ordered(found.id, request, found.mureka_task_id, found.age_seconds)

    async def _order(self) -> Ordered:
        """Order in a task of its own: once it is sent, nothing may keep its receipt from us."""
        self.ordering = asyncio.create_task(self._announce_and_send(), name="order")
        self.ordering.add_done_callback(_look_at_failure)
        return await asyncio.shield(self.ordering)

    async def _announce_and_send(self) -> Ordered:
        options, generation_id = self._options, uuid4()
        request = request_for(self.claim.track, model=options.model, stream=options.stream)
        await self._queue.begin(
            self.claim.id, generation_id, request, options.model, options.cost_cents
        )
        submission = await self._provider.submit(request)
        self._log.info("submitted", generation_id=str(generation_id), task_id=submission.task_id)
        await self._keep_receipt(generation_id, submission)
        return Ordered(generation_id, request, submission.task_id, 0)

    async def _keep_receipt(self, generation_id: UUID, submission: Submission) -> None:
        """Store the receipt, however long it takes: the money is spent."""
        pause = 0.5
        while True:
            try:
                await self._queue.record_task(
                    generation_id, submission.task_id, submission.trace_id
                )
            except MusicServiceError as error:
                self._log.error(
                    "receipt_not_kept_yet",
                    generation_id=str(generation_id),
                    task_id=submission.task_id,
                    reason=str(error),
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, 10)
            else:
                return

    async def _follow(self, ordered: Ordered) -> FinishedAudio:
        """Wait for the task; a failing look costs nothing but time before the deadline."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + self._options.deadline - ordered.age_seconds
        await self._sleep_before_first_look(ordered.age_seconds)
        shown: tuple[str, str | None] | None = None
        unknown = 0
        while True:
            try:
                task = await self._provider.query(ordered.request.kind, ordered.task_id)
            except PermanentError:
                unknown += 1
                if unknown == UNKNOWN_TASK_LOOKS:
                    raise
            except MusicServiceError as error:
                self._log.warning("look_failed", reason=str(error))
            else:
                unknown = 0
                if task.is_succeeded:
                    return _music_of(task.audio)
                if task.is_failed:
                    raise PermanentError(
                        f"The music could not be made: {task.failed_reason or task.status}.",
                        code="generation_failed",
                    )
                if (task.status, task.stream_url) != shown:
                    await self._queue.report_stage(self.claim.id, task.status, task.stream_url)
                    shown = (task.status, task.stream_url)
            if clock.time() > deadline:
                raise PermanentError(
                    "The music was not ready in time; retry to look again at no cost.",
                    code="generation_timeout",
                )
            await asyncio.sleep(self._options.poll * random.uniform(0.8, 1.2))  # noqa: S311

    async def _sleep_before_first_look(self, age_seconds: float) -> None:
        expected = self.claim.expected_seconds
        if age_seconds > 0:
            return
        wait = self._options.poll
        if expected is not None and not self._options.stream:
            wait = max(wait, expected / 2)  # without a stream there is nothing to see earlier
        elif expected is not None:
            wait = min(wait, expected / 2)
        await asyncio.sleep(wait)

    async def _deliver(self, ordered: Ordered, music: FinishedAudio) -> None:
        with tempfile.TemporaryDirectory(prefix="music-") as folder:
            path = Path(folder) / f"{ordered.id}.mp3"
            duration_ms = await self._download(music, path)
            key, url = await self._upload(path, ordered.id)
        await self._queue.complete(self.claim.id, key, url, duration_ms)
        self._log.info("completed", storage_path=key, duration_ms=duration_ms)

    async def _download(self, music: FinishedAudio, path: Path) -> int:
        for attempt in range(1, DELIVERY_ATTEMPTS + 1):
            try:
                got = await self._provider.download(
                    music.url, path, max_bytes=self._options.max_bytes
                )
            except TransientError:
                if attempt == DELIVERY_ATTEMPTS:
                    raise
                await asyncio.sleep(attempt * random.uniform(0.2, 0.5))  # noqa: S311
            else:
                return music.duration_ms or got.duration_ms
        raise AssertionError

    async def _upload(self, path: Path, generation_id: UUID) -> tuple[str, str | None]:
        for attempt in range(1, DELIVERY_ATTEMPTS + 1):
            try:
                return await self._audio.put(path, self.claim.track, generation_id)
            except TransientError:
                if attempt == DELIVERY_ATTEMPTS:
                    raise
                await asyncio.sleep(attempt * random.uniform(0.2, 0.5))  # noqa: S311
        raise AssertionError

    async def _settle(self, error: MusicServiceError) -> None:
        """Write to the row what went wrong; what cannot be written, the lease's end will settle."""
        code = getattr(error, "error_code", error.code)
        self._log.warning("not_made", code=code, reason=str(error))
        try:
            await self._write_end(error, code)
        except LostClaimError:
            self._log.info("claim_lost", reason="while writing why the track was not made")
        except MusicServiceError as failure:
            self._log.error("end_not_written", reason=str(failure))

    async def _write_end(self, error: MusicServiceError, code: str) -> None:
        claim_id, message = self.claim.id, str(error)
        if isinstance(error, ProviderBlockedError):
            self._on_blocked(error)
            pause = self._options.blocked_check
            await self._queue.defer(claim_id, pause, code, message, counts=False)
        elif isinstance(error, RateLimitedError):
            pause = error.retry_after_seconds or RATE_LIMITED_PAUSE_SECONDS
            pause *= random.uniform(1, 1.5)  # noqa: S311
            await self._queue.defer(claim_id, pause, code, message, counts=False)
        elif isinstance(error, TransientError):
            pause = error.retry_after_seconds or retry_pause(self.claim.track.attempts)
            await self._queue.defer(claim_id, pause, code, message, counts=True)
        elif isinstance(error, SubmissionUnknownError):
            message += " It was not ordered twice; retry to order it again."
            await self._queue.fail(claim_id, code, message)
        else:
            await self._queue.fail(claim_id, _known(code), message)


def retry_pause(attempts: int) -> float:
    """Seconds to wait after so many failed attempts: doubling, capped, jittered."""
    pause = float(min(FIRST_RETRY_SECONDS * 2 ** min(attempts, 10), LONGEST_RETRY_SECONDS))
    return pause * random.uniform(0.8, 1.2)  # noqa: S311


def _music_of(audio: FinishedAudio | None) -> FinishedAudio:
    if audio is None:
        raise PermanentError("Mureka finished without any music.", code="audio_invalid")
    return audio


def _known(code: str) -> str:
    """Our own configuration errors are internal to whoever waits for the track."""
    return "internal" if code in ("configuration", "lost_claim", "embedded_stack") else code


def _look_at_failure(order: asyncio.Task[Ordered]) -> None:
    # Whoever waited may be gone; asyncio would otherwise complain that nobody looked.
    if not order.cancelled():
        order.exception()

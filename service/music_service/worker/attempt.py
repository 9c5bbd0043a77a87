"""One run of a claim, from the paid call or its receipt to the playable file.

    lyrics     write the intent, have the words written, store them           at most once
    submit     write the intent, send the paid call once, store the receipt   at most once
    poll       ask for the task until it ends or its deadline passes          as often as need be
    deliver    download, upload                                               as often as need be
    complete   the row shows the file                                         as often as need be

Words are written only for a track that asks for them. What fails is decided by
`music_service.worker.retry` and written to the row. A claim that is lost ends everything at once,
except that what a call already sent answers is stored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import structlog

from music_service.errors import (
    ErrorCode,
    LostClaimError,
    MusicServiceError,
    ProviderBlockedError,
    TransientError,
)
from music_service.observe.observer import Observer, TrackObserver
from music_service.tracks import Claim, Generation, Status
from music_service.worker.cadence import Experiences
from music_service.worker.deliver import deliver
from music_service.worker.outages import Outages
from music_service.worker.persist import persist
from music_service.worker.poll import Poller
from music_service.worker.ports import AudioStore, Options, Provider, Queue
from music_service.worker.retry import Defer, Fail, decide
from music_service.worker.submit import submit, write_lyrics

Paid = TypeVar("Paid")
PaidStep = Callable[[Claim, Queue, Provider, Options, TrackObserver], Coroutine[Any, Any, Paid]]

_WRITE_AGAIN_SECONDS = 1.0


class Phase(StrEnum):
    """How far an attempt is; STOPPING is SUBMITTING with nothing to follow."""

    STARTING = "starting"
    SUBMITTING = "submitting"
    STOPPING = "stopping"
    POLLING = "polling"
    DELIVERING = "delivering"
    COMPLETING = "completing"
    DECIDING = "deciding"
    ENDED = "ended"


class StartPaid(Protocol):
    """Starts a paid call in a task that its caller does not abandon when it is cancelled."""

    def __call__(self, call: Coroutine[Any, Any, Paid], /) -> asyncio.Task[Paid]:
        """The task; its result is that of the call."""
        ...


class Attempt:
    """Runs one claim once; `run` never raises but when it is cancelled.

    `is_lost` says that it ended because somebody else has the track, or nobody any more, and
    `others_wait` whether its place may serve another track now, as far as is known.

    Args:
        claim: the track and the right to it.
        queue, provider, audio: the database's functions, Mureka, Storage.
        options: how this worker works.
        start_paid: starts a task that its owner does not abandon when this one is cancelled.
        on_blocked: told the reason when the provider refuses the whole account.
        on_deferred: told in how many seconds the track is due again.
        observer: told what happens to it.
        outages: told who answers and who does not.
        experiences: how long music took this worker lately.
    """

    def __init__(
        self,
        claim: Claim,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        *,
        options: Options,
        start_paid: StartPaid,
        on_blocked: Callable[[ProviderBlockedError], None],
        on_deferred: Callable[[float], None],
        observer: Observer,
        outages: Outages,
        experiences: Experiences | None = None,
    ) -> None:
        self.claim = claim
        self.phase = Phase.STARTING
        self.is_lost = False
        self.others_wait = True
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._start_paid = start_paid
        self._on_blocked = on_blocked
        self._on_deferred = on_deferred
        self._observer = observer.claimed(claim)
        self._outages = outages
        self._experiences = Experiences() if experiences is None else experiences
        self._known_at = _now()  # since when the generation has the age that it was told
        self._paid_at: float | None = None
        self._log = structlog.get_logger(__name__).bind(
            track_id=str(claim.track.id), claim_id=str(claim.id)
        )

    @property
    def is_ending(self) -> bool:
        """Its last write is under way or done: its claim may be gone because of that."""
        return self.phase in (Phase.COMPLETING, Phase.DECIDING, Phase.ENDED)

    def stop(self) -> bool:
        """Ask for an early end; False when it can be cancelled this moment without loss.

        True while a paid call is in the air or what became of it is being written: that soon ends
        by itself.
        """
        if self.phase is Phase.SUBMITTING:
            self.phase = Phase.STOPPING
        return self.phase in (Phase.STOPPING, Phase.DECIDING)

    async def run(self) -> None:
        """Bring the track to an end, or leave it where another attempt can go on."""
        try:
            await self._make()
        except LostClaimError as error:
            self._lose(error)
        except MusicServiceError as error:
            say = self._log.debug if self._outages.explain(error) else self._log.warning
            say("attempt_failed", code=error.code, reason=str(error))
            await self._give_up(error)
        except Exception as error:  # noqa: BLE001  the track must not be left without a word
            self._log.exception("unexpected_error")
            sentence = f"Something unexpected happened ({type(error).__name__})."
            await self._give_up(TransientError(sentence, code=ErrorCode.INTERNAL))
        finally:
            self.phase = Phase.ENDED

    async def _make(self) -> None:
        generation = self._resumed() or await self._paid()
        if generation is None:
            return  # what was paid for is stored; whoever claims the track next goes on from there
        self._paid_at = self._known_at - generation.age_seconds
        self.phase = Phase.POLLING
        poller = Poller(
            self.claim,
            generation,
            self._queue,
            self._provider,
            self._options,
            observer=self._observer,
            outages=self._outages,
            experience=self._experiences[generation.request.kind],
        )
        with self._observer.step("poll"):
            finished = await poller.run(self._paid_at + self._options.deadline_seconds)
        self.phase = Phase.DELIVERING
        with self._observer.step("deliver"):
            music = await deliver(
                finished,
                self.claim.track,
                generation.id,
                provider=self._provider,
                audio=self._audio,
                options=self._options,
                ask_again=poller.again,
                late_until=poller.late_until,
            )
        self._outages.storage.answered()
        self.phase = Phase.COMPLETING
        self.others_wait = await self._queue.complete(self.claim.id, music)
        self._observer.completed()
        self._log.info(
            "completed", storage_path=music.files["mp3"].path, duration_ms=music.duration_ms
        )

    def _resumed(self) -> Generation | None:
        found = self.claim.generation
        if found is None or found.mureka_task_id is None:
            return None
        say = self._log.debug if self._outages.are_on else self._log.info
        say("resumed", generation_id=str(found.id), task_id=found.mureka_task_id)
        return found

    async def _paid(self) -> Generation | None:
        """Pay for the words, where they are asked for, and the music; None for an early end."""
        if self.claim.track.needs_lyrics:
            with self._observer.step("write_lyrics"):
                track = await self._pay_for(write_lyrics)
            if self.phase is Phase.STOPPING:
                return None
            self.claim = replace(self.claim, track=track)
        self._known_at = _now()
        with self._observer.step("submit"):
            generation = await self._pay_for(submit)
        return None if self.phase is Phase.STOPPING else generation

    async def _pay_for(self, step: PaidStep[Paid]) -> Paid:
        self.phase = Phase.SUBMITTING
        paying = step(self.claim, self._queue, self._provider, self._options, self._observer)
        paid = await asyncio.shield(self._start_paid(paying))
        self._outages.mureka.answered()
        return paid

    async def _give_up(self, error: MusicServiceError) -> None:
        """Decide what follows from the error, and write it."""
        self.phase = Phase.DECIDING
        if isinstance(error, ProviderBlockedError):
            self._on_blocked(error)
        try:
            decision = decide(
                error,
                paid_seconds_ago=None if self._paid_at is None else _now() - self._paid_at,
                attempts=self.claim.track.attempts,
                options=self._options,
                jitter=random.uniform(1, 1.5),  # noqa: S311
            )
            await persist(
                lambda: self._write(decision),
                on_failure=self._not_written,
                first_pause_seconds=_WRITE_AGAIN_SECONDS,
                longest_pause_seconds=_WRITE_AGAIN_SECONDS,
            )
        except LostClaimError as lost:
            self._lose(lost)
        except MusicServiceError as refusal:  # the lease runs out, and the next one goes on
            self._log.error("outcome_not_written", reason=str(refusal))
        except Exception:  # noqa: BLE001  the same
            self._log.exception("outcome_not_written")

    def _not_written(self, error: Exception) -> None:
        say = self._log.debug if self._outages.explain(error) else self._log.error
        say("outcome_not_written_yet", reason=str(error))

    def _lose(self, error: LostClaimError) -> None:
        self.is_lost = True
        self._log.info("claim_lost", reason=str(error))

    async def _write(self, decision: Defer | Fail) -> None:
        if isinstance(decision, Fail):
            await self._queue.fail(
                self.claim.id,
                outcome=decision.outcome,
                code=decision.code,
                message=decision.message,
            )
            self._observer.failed(decision.code)
            return
        status = await self._queue.defer(
            self.claim.id,
            delay_seconds=decision.delay_seconds,
            outcome=decision.outcome,
            code=decision.code,
            message=decision.message,
            counts_as_attempt=decision.counts_as_attempt,
        )
        if status is Status.ERROR:
            is_last = decision.counts_as_attempt
            self._observer.failed(ErrorCode.ATTEMPTS_EXHAUSTED if is_last else decision.code)
        self._on_deferred(decision.delay_seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()

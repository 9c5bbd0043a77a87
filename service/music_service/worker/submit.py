"""The steps that cost money: intent written, call sent once, what it answered stored.

    write_lyrics   the words of a song, for a track that asks for them     answered at once
    submit         one piece of music                                      answered with a receipt

Each runs in a task of its own that outlives the claim, because what was paid for must be stored
whatever becomes of the track meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID, uuid4

import structlog

from music_service.errors import MusicServiceError, SubmissionUnknownError
from music_service.observe.observer import Fate, TrackObserver
from music_service.tracks import (
    LYRICS_MODEL,
    Claim,
    Generation,
    Track,
    lyrics_request_for,
    request_for,
)
from music_service.worker.persist import persist
from music_service.worker.ports import Options, Provider, Queue

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10

log = structlog.get_logger(__name__)


async def submit(
    claim: Claim, queue: Queue, provider: Provider, options: Options, observer: TrackObserver
) -> Generation:
    """Pay for one generation of a track; the one answered has its receipt stored.

    Raises:
        LostClaimError: it must not be sent (any more); nothing was.
        SubmissionUnknownError: it was sent and may have been accepted.
        MusicServiceError: any other: it was certainly not accepted.
    """
    generation_id = uuid4()
    request = request_for(claim.track, model=options.model, stream=options.stream)
    model = claim.track.model or options.model
    cost_cents = await queue.write_intent(
        claim.id,
        generation_id,
        request,
        model=model,
        expected_cost_cents=options.expected_cost_cents if model == options.model else None,
    )
    async with _paying(queue, generation_id, _Told(observer, model, cost_cents)):
        submission = await provider.submit(request)
        words = _words(claim, generation_id).bind(task_id=submission.task_id)
        await _store(
            lambda: queue.store_receipt(generation_id, submission.task_id, submission.trace_id),
            on_failure=lambda error: words.error("receipt_not_stored_yet", reason=repr(error)),
        )
    with contextlib.suppress(Exception):
        words.info("submitted")
    return Generation(generation_id, request, submission.task_id, age_seconds=0)


async def write_lyrics(
    claim: Claim, queue: Queue, provider: Provider, options: Options, observer: TrackObserver
) -> Track:
    """Pay for the words of a track; the track answered has them, and so has its row.

    Raises as `submit` does.
    """
    generation_id = uuid4()
    request = lyrics_request_for(claim.track)
    cost_cents = await queue.write_intent(
        claim.id, generation_id, request, model=LYRICS_MODEL, expected_cost_cents=None
    )
    words = _words(claim, generation_id)
    async with _paying(queue, generation_id, _Told(observer, LYRICS_MODEL, cost_cents)):
        written = await provider.write_lyrics(request.body["prompt"])
        await _store(
            lambda: queue.store_lyrics(generation_id, written.title, written.lyrics),
            on_failure=lambda error: words.error("lyrics_not_stored_yet", reason=repr(error)),
        )
    with contextlib.suppress(Exception):
        words.info("lyrics_written", characters=len(written.lyrics))
    return replace(claim.track, lyrics=written.lyrics)


@dataclass(frozen=True, slots=True)
class _Told:
    """Tells what became of a paid call; whatever that raises must not cost the receipt."""

    observer: TrackObserver
    model: str
    cost_cents: Decimal

    def tell(self, fate: Fate) -> None:
        with contextlib.suppress(Exception):
            self.observer.submitted(self.model, fate, self.cost_cents)


@asynccontextmanager
async def _paying(queue: Queue, generation_id: UUID, told: _Told) -> AsyncIterator[None]:
    """Around a paid call: a refusal is written to the ledger, what is not understood is unknown."""
    try:
        yield
    except SubmissionUnknownError:
        told.tell("unknown")
        raise
    except MusicServiceError as error:
        told.tell("refused")
        # Said here, because the claim, with which the attempt says it, may be lost meanwhile.
        with contextlib.suppress(MusicServiceError):
            await queue.refuse(generation_id, str(error))
        raise
    except Exception as error:
        told.tell("unknown")
        # Whatever this is, it came after the request may have left.
        raise SubmissionUnknownError(
            f"The paid call ended in an unexpected way ({type(error).__name__})."
        ) from error
    told.tell("accepted")


async def _store(
    write: Callable[[], Awaitable[None]], *, on_failure: Callable[[Exception], None]
) -> None:
    """Store what was paid for, however long that takes; that it fails is said once.

    What the database refuses for good is left to a person, who finds it in the log.
    """
    is_said = False

    def say(error: Exception) -> None:
        nonlocal is_said
        if not is_said:
            is_said = True
            with contextlib.suppress(Exception):  # a full disk must not cost the receipt
                on_failure(error)

    try:
        await persist(
            write,
            on_failure=say,
            first_pause_seconds=_FIRST_PAUSE_SECONDS,
            longest_pause_seconds=_LONGEST_PAUSE_SECONDS,
        )
    except Exception as error:
        raise SubmissionUnknownError(
            "The paid call was accepted, but what it answered could not be stored."
        ) from error


def _words(claim: Claim, generation_id: UUID) -> structlog.typing.FilteringBoundLogger:
    words: structlog.typing.FilteringBoundLogger = log.bind(
        track_id=str(claim.track.id), generation_id=str(generation_id)
    )
    return words

"""The one step that costs money: intent written, call sent once, receipt stored.

It runs in a task of its own that outlives the claim, because a receipt must be stored whatever
becomes of the track meanwhile.
"""

from __future__ import annotations

import contextlib
from uuid import UUID, uuid4

import structlog

from music_service.errors import MusicServiceError, SubmissionUnknownError
from music_service.tracks import Claim, Generation, request_for
from music_service.worker.persist import persist
from music_service.worker.ports import Options, Provider, Queue, Submission

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10

log = structlog.get_logger(__name__)


async def submit(claim: Claim, queue: Queue, provider: Provider, options: Options) -> Generation:
    """Pay for one generation of a track; the one answered has its receipt stored.

    Raises:
        LostClaimError: it must not be sent (any more); nothing was.
        SubmissionUnknownError: it was sent and may have been accepted.
        MusicServiceError: any other: it was certainly not accepted.
    """
    generation_id = uuid4()
    request = request_for(claim.track, model=options.model, stream=options.stream)
    await queue.write_intent(
        claim.id,
        generation_id,
        request,
        model=options.model,
        expected_cost_cents=options.expected_cost_cents,
    )
    try:
        submission = await provider.submit(request)
        await _store_receipt(claim, queue, generation_id, submission)
    except SubmissionUnknownError:
        raise
    except MusicServiceError as error:
        # Said here, because the claim, with which the attempt says it, may be lost meanwhile.
        with contextlib.suppress(MusicServiceError):
            await queue.refuse(generation_id, str(error))
        raise
    except Exception as error:
        # Whatever this is, it came after the request may have left.
        raise SubmissionUnknownError(
            f"The paid call ended in an unexpected way ({type(error).__name__})."
        ) from error
    return Generation(generation_id, request, submission.task_id, age_seconds=0)


async def _store_receipt(
    claim: Claim, queue: Queue, generation_id: UUID, submission: Submission
) -> None:
    """Store the receipt, however long that takes: the money is spent.

    One that the database refuses for good is left to a person, who finds it in the log.
    """
    words = log.bind(
        track_id=str(claim.track.id), generation_id=str(generation_id), task_id=submission.task_id
    )

    def say(error: Exception) -> None:
        with contextlib.suppress(Exception):  # a full disk must not cost the receipt
            words.error("receipt_not_stored_yet", reason=repr(error))

    try:
        await persist(
            lambda: queue.store_receipt(generation_id, submission.task_id, submission.trace_id),
            on_failure=say,
            first_pause_seconds=_FIRST_PAUSE_SECONDS,
            longest_pause_seconds=_LONGEST_PAUSE_SECONDS,
        )
    except Exception as error:
        raise SubmissionUnknownError(
            "The paid call was accepted, but its receipt could not be stored."
        ) from error
    with contextlib.suppress(Exception):
        words.info("submitted")

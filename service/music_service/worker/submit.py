"""The one step that costs money: announced before it is sent, sent once, its receipt kept.

It runs in a task of its own that outlives the claim, because a receipt must be stored whatever
becomes of the track meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from music_service.errors import MusicServiceError, SubmissionUnknownError, TransientError
from music_service.tracks import Claim, GenerationRequest, request_for
from music_service.worker.ports import Options, Provider, Queue, Submission

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10
_REFUSALS = 20  # some three minutes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A generation whose receipt is stored; `age_seconds` as of the moment this claim began."""

    id: UUID
    request: GenerationRequest
    task_id: str
    age_seconds: float


async def order(claim: Claim, queue: Queue, provider: Provider, options: Options) -> Ordered:
    """Order one track.

    Raises:
        LostClaimError: it must not be ordered (any more); nothing was sent.
        SubmissionUnknownError: it was sent and may have been accepted.
        MusicServiceError: any other: it was certainly not accepted.
    """
    generation_id = uuid4()
    request = request_for(claim.track, model=options.model, stream=options.stream)
    await queue.begin(claim.id, generation_id, request, options.model, options.cost_cents)
    try:
        submission = await provider.submit(request)
        await _keep_receipt(claim, queue, generation_id, submission)
    except MusicServiceError:
        raise
    except Exception as error:
        # Whatever this is, it came after the request may have left.
        raise SubmissionUnknownError(
            f"The order ended in an unexpected way ({type(error).__name__})."
        ) from error
    return Ordered(generation_id, request, submission.task_id, 0)


async def _keep_receipt(
    claim: Claim, queue: Queue, generation_id: UUID, submission: Submission
) -> None:
    """Store the receipt, however long that takes: the money is spent.

    A database that is away is waited for without end. One that refuses the receipt for good
    leaves it to a person, who finds it in the log.
    """
    words = log.bind(
        track_id=str(claim.track.id), generation_id=str(generation_id), task_id=submission.task_id
    )
    pause, refusals = _FIRST_PAUSE_SECONDS, 0
    while True:
        try:
            await queue.record_task(generation_id, submission.task_id, submission.trace_id)
        except Exception as error:
            refusals += not isinstance(error, TransientError)
            with contextlib.suppress(Exception):  # a full disk must not cost the receipt
                words.error("receipt_not_kept_yet", reason=repr(error))
            if refusals == _REFUSALS:
                raise SubmissionUnknownError(
                    "The order was accepted, but its receipt could not be stored."
                ) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        else:
            break
    with contextlib.suppress(Exception):
        words.info("submitted")

"""What goes wrong, written to the row: put off, or ended with a reason.

    error                    before the receipt               once the music is paid for
    rate limited             later, no attempt counted        (not met)
    account blocked          later, no attempt counted        likewise; the worker stops claiming
    may work later           later, an attempt counted        later, no attempt counted
    trouble of ours          later, an attempt counted        later, no attempt counted
    submission unknown       error                            (not met)
    anything else            error                            error

Paid music is never given up for trouble of ours: it is tried again, ever more seldom, for as long
as the provider keeps it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from music_service.errors import (
    ConfigurationError,
    ContractError,
    LostClaimError,
    MusicServiceError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.tracks import Claim, ErrorCode
from music_service.worker.ports import Options, Queue

_WRITE_AGAIN_SECONDS = 1.0
_LONGEST_PAID_RETRY_SECONDS = 900
_KEPT_SECONDS = 30 * 24 * 3600  # by then the provider has deleted the music
_REFUSALS = 20
_OUR_TROUBLE = "The music service has trouble of its own; it is tried again later."
_NOT_DELIVERED = "The music was made, but it could not be fetched while the provider kept it."


class Settlement:
    """Writes how an attempt at a track ended.

    Args:
        claim: the track and the right to it.
        queue: the database.
        options: how this worker works.
        on_blocked: told the reason when the provider refuses the whole account.
        on_deferred: told in how many seconds the track is due again.
    """

    def __init__(
        self,
        claim: Claim,
        queue: Queue,
        options: Options,
        *,
        on_blocked: Callable[[ProviderBlockedError], None],
        on_deferred: Callable[[float], None],
    ) -> None:
        self._claim = claim
        self._queue = queue
        self._options = options
        self._on_blocked = on_blocked
        self._on_deferred = on_deferred
        self._log = structlog.get_logger(__name__).bind(track_id=str(claim.track.id))

    async def settle(self, error: MusicServiceError, *, paid_seconds_ago: float | None) -> None:
        """Write the end; while the database cannot take it, again and again.

        Args:
            error: what went wrong.
            paid_seconds_ago: the age of the paid call, None while there is no receipt.

        Raises:
            LostClaimError: the track is not ours any more.
        """
        self._log.warning("not_made", code=code_of(error), reason=str(error))
        if isinstance(error, ProviderBlockedError):
            self._on_blocked(error)
        refusals = 0
        while refusals < _REFUSALS:
            try:
                await self._write(error, paid_seconds_ago)
            except LostClaimError:
                raise
            except MusicServiceError as failure:
                self._log.error("end_not_written_yet", reason=str(failure))
                refusals += not isinstance(failure, TransientError)
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
            else:
                return
        self._log.error("end_not_written", now="the lease runs out and counts as an attempt")

    async def _write(self, error: MusicServiceError, paid_seconds_ago: float | None) -> None:
        if isinstance(error, (ConfigurationError, ContractError)):
            # The operator's affair, which is in the log; the user is only asked for patience.
            error = TransientError(_OUR_TROUBLE, code=ErrorCode.INTERNAL)
        if isinstance(error, SubmissionUnknownError):
            message = f"{error} It was not ordered twice; retry to order it again."
            await self._queue.fail(self._claim.id, code_of(error), message)
        elif isinstance(error, TransientError):
            if (paid_seconds_ago or 0) > _KEPT_SECONDS:
                await self._queue.fail(self._claim.id, code_of(error), _NOT_DELIVERED)
            else:
                await self._defer(error, paid_seconds_ago)
        else:
            await self._queue.fail(self._claim.id, code_of(error), str(error))

    async def _defer(self, error: TransientError, paid_seconds_ago: float | None) -> None:
        pause = self._pause(error, paid_seconds_ago)
        counts = paid_seconds_ago is None and not isinstance(
            error, (RateLimitedError, ProviderBlockedError)
        )
        await self._queue.defer(self._claim.id, pause, code_of(error), str(error), counts=counts)
        self._on_deferred(pause)

    def _pause(self, error: TransientError, paid_seconds_ago: float | None) -> float:
        options = self._options
        if isinstance(error, ProviderBlockedError):
            return options.blocked_check
        if isinstance(error, RateLimitedError):
            pause = error.retry_after_seconds or options.rate_limited_pause
        elif error.retry_after_seconds is not None:
            pause = error.retry_after_seconds
        elif paid_seconds_ago is not None:
            pause = min(max(options.first_retry, paid_seconds_ago / 4), _LONGEST_PAID_RETRY_SECONDS)
        else:
            doubled = options.first_retry * 2 ** min(self._claim.track.attempts, 10)
            pause = min(doubled, options.longest_retry)
        return pause * random.uniform(1, 1.5)  # noqa: S311


def code_of(error: MusicServiceError) -> str:
    """The code that the row gets; what is our own affair is `internal` to whoever waits."""
    code = str(getattr(error, "error_code", error.code))
    return code if code in set(ErrorCode) else ErrorCode.INTERNAL.value

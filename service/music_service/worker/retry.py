"""Whether and when a failed attempt is made again: a pure policy, error in, decision out.

    error                    without a receipt                   with one: the music is paid for
    rate limited             defer, not counted, `refused`       (polls go on)
    account blocked          defer, not counted, `refused`       defer, not counted, `open`
    transient                defer, counted, `refused`           defer, not counted, `open`
    configuration, contract  defer, counted, `refused`           defer, not counted, `open`
    permanent                fail, `refused`                     fail, `failed`
    overdue                  (not met)                           fail, `overdue`
    audio refused            (not met)                           fail, `open`
    submission unknown       fail, `unknown`                     (not met)
    any other                fail, `unknown`                     fail, `open`

A deferral is counted as an attempt where the track's `max_attempts` are to end it. Paid music is
never given up for trouble of ours: it is tried again, ever more seldom, for as long as the
provider keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass

from music_service.errors import (
    ConfigurationError,
    ContractError,
    ErrorCode,
    MusicServiceError,
    OverdueError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.tracks import Outcome
from music_service.worker.ports import Options

_LONGEST_PAID_RETRY_SECONDS = 900
_KEPT_SECONDS = 30 * 24 * 3600  # by then the provider has deleted the music
_OUR_TROUBLE = "The music service has trouble of its own; it is tried again later."
_NOT_DELIVERED = "The music was made, but it could not be fetched while the provider kept it."
_HOW_TO_GO_ON = "It was not sent twice; retry to send it again."


@dataclass(frozen=True, slots=True)
class Defer:
    """Back to `pending` for later."""

    delay_seconds: float
    outcome: Outcome
    code: ErrorCode
    message: str
    counts_as_attempt: bool


@dataclass(frozen=True, slots=True)
class Fail:
    """To `error`, with a reason."""

    outcome: Outcome
    code: ErrorCode
    message: str


def decide(
    error: MusicServiceError,
    *,
    paid_seconds_ago: float | None,
    attempts: int,
    options: Options,
    jitter: float = 1.0,
) -> Defer | Fail:
    """What follows from an error that ended an attempt.

    Args:
        error: any but LostClaimError, after which nothing is written.
        paid_seconds_ago: the age of the paid call, None in an attempt without a receipt.
        attempts: how many were counted before this one.
        options: how this worker works.
        jitter: what pauses of ours are multiplied by.
    """
    if isinstance(error, (ConfigurationError, ContractError)):
        # The operator's affair, which is in the log; the user is only asked for patience.
        error = TransientError(_OUR_TROUBLE, code=ErrorCode.INTERNAL)
    outcome = outcome_of(error, is_paid=paid_seconds_ago is not None)
    if not isinstance(error, TransientError):
        return Fail(outcome, ErrorCode(error.code), _sentence(error))
    if paid_seconds_ago is not None and paid_seconds_ago > _KEPT_SECONDS:
        return Fail(outcome, error.code, _NOT_DELIVERED)
    delay_seconds = _pause_seconds(error, paid_seconds_ago, attempts, options, jitter)
    is_nobodys_fault = isinstance(error, (RateLimitedError, ProviderBlockedError))
    counts = paid_seconds_ago is None and not is_nobodys_fault
    return Defer(delay_seconds, outcome, error.code, str(error), counts)


def outcome_of(error: MusicServiceError, *, is_paid: bool) -> Outcome:
    """What the error says of the paid call; in doubt, that it may have been accepted."""
    if not is_paid:
        is_refused = isinstance(error, (TransientError, PermanentError))
        return Outcome.REFUSED if is_refused else Outcome.UNKNOWN
    if isinstance(error, PermanentError):
        return Outcome.FAILED
    if isinstance(error, OverdueError):
        return Outcome.OVERDUE
    return Outcome.OPEN


def _sentence(error: MusicServiceError) -> str:
    if isinstance(error, SubmissionUnknownError):
        return f"{error} {_HOW_TO_GO_ON}"
    return str(error)


def _pause_seconds(
    error: TransientError,
    paid_seconds_ago: float | None,
    attempts: int,
    options: Options,
    jitter: float,
) -> float:
    if isinstance(error, ProviderBlockedError):
        return options.blocked_check_seconds
    asked_for = error.retry_after_seconds or 0.0
    if asked_for >= options.first_retry_seconds:  # less would be a storm of calls
        pause = asked_for
    elif isinstance(error, RateLimitedError):
        pause = options.rate_limited_pause_seconds
    elif paid_seconds_ago is not None:
        pause = max(options.first_retry_seconds, paid_seconds_ago / 4)
        pause = min(pause, _LONGEST_PAID_RETRY_SECONDS)
    else:
        doubled = options.first_retry_seconds * 2 ** min(attempts, 10)
        pause = min(doubled, options.longest_retry_seconds)
    return pause * jitter

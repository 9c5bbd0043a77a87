"""Every error of the service, as one tree, and the codes that the app sees.

    MusicServiceError
    ├── ConfigurationError     a person must change something before anything works (exit 2)
    ├── TransientError         may work later; `retry_after_seconds` when the other side said so
    │   ├── RateLimitedError   the provider refused for being too fast or too many at once
    │   └── ProviderBlockedError   no money or no access: stop claiming, tell the operator
    ├── PermanentError         this track will never succeed as it is
    ├── OverdueError           paid music that is late or unusable; polling again is free
    │   └── LateAudioError     not at its address, or not all of it: it may be on its way
    ├── AudioRefusedError      Storage will never take this audio
    ├── SubmissionUnknownError a paid call whose answer was lost: never sent again
    ├── LostClaimError         the track is not ours any more: write nothing
    ├── RefusedError           an app's own call that the database refuses, in its words
    ├── TrackDeletedError      a track that an app followed is gone
    ├── EmbeddedStackError     a part of the Supabase on this machine failed or ended
    └── ContractError          an answer that was not understood

Each error has one `code`: what a row says that ends or waits because of it, and of the two that
only apps meet, `deleted` and the SQLSTATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a track is in `error`, or why it waits; stored in `music_tracks.error_code`."""

    INVALID_REQUEST = "invalid_request"
    OVER_BUDGET = "over_budget"
    MODERATION_BLOCKED = "moderation_blocked"
    GENERATION_FAILED = "generation_failed"
    GENERATION_TIMEOUT = "generation_timeout"
    QUOTA_EXHAUSTED = "quota_exhausted"
    PROVIDER_AUTH = "provider_auth"
    RATE_LIMITED = "rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    AUDIO_INVALID = "audio_invalid"
    STORAGE_FAILED = "storage_failed"
    SUBMISSION_UNKNOWN = "submission_unknown"
    CANCELLED = "cancelled"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INTERNAL = "internal"


class MusicServiceError(Exception):
    """The root of every error this service raises on purpose.

    Args:
        message: one sentence a person understands.
        code: where it is not the class's own.
    """

    code: str = ErrorCode.INTERNAL

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConfigurationError(MusicServiceError):
    """Something outside the program must be changed first; the text says what and how."""


class TransientError(MusicServiceError):
    """A failure that a later attempt may not meet.

    Args:
        message: one sentence a person understands.
        code: where it is not the class's own.
        retry_after_seconds: how long the other side asked to wait, if it did.
    """

    code = ErrorCode.PROVIDER_UNAVAILABLE

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(TransientError):
    """The provider refused the call for its rate or concurrency; nothing was billed."""

    code = ErrorCode.RATE_LIMITED


class ProviderBlockedError(TransientError):
    """The account cannot generate at all: `quota_exhausted` or `provider_auth`."""

    code = ErrorCode.QUOTA_EXHAUSTED


class PermanentError(MusicServiceError):
    """This track can never succeed as it is; the message is one that its user may read."""

    code = ErrorCode.GENERATION_FAILED


class OverdueError(MusicServiceError):
    """Paid music that is not ready in time or not usable: `generation_timeout`, `audio_invalid`."""

    code = ErrorCode.GENERATION_TIMEOUT


class LateAudioError(OverdueError):
    """Finished music that is not at its address yet, or not any more."""

    code = ErrorCode.AUDIO_INVALID


class AudioRefusedError(MusicServiceError):
    """Storage will never take this audio: it is too large or of a type that the bucket refuses."""

    code = ErrorCode.STORAGE_FAILED


class SubmissionUnknownError(MusicServiceError):
    """A paid call may or may not have been accepted; it must never be sent again."""

    code = ErrorCode.SUBMISSION_UNKNOWN


class LostClaimError(MusicServiceError):
    """The claim under which a write was made is gone; the track belongs to somebody else."""


class RefusedError(MusicServiceError):
    """The database refuses what an app asks for; asking again changes nothing.

    Args:
        message: the database's own sentence.
        code: its SQLSTATE, such as `MU010`.
        hint: what it says to do instead, if it does.
    """

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, code=code)
        self.hint = hint


class TrackDeletedError(MusicServiceError):
    """Tracks that were followed are gone.

    Args:
        track_ids: their ids.
    """

    code = "deleted"

    def __init__(self, track_ids: Sequence[str]) -> None:
        super().__init__(f"Deleted before its end: {', '.join(track_ids)}.")
        self.track_ids = tuple(track_ids)


class EmbeddedStackError(MusicServiceError):
    """A part of the embedded Supabase could not start, or ended by itself; the text says which."""


class ContractError(MusicServiceError):
    """An answer did not have the agreed shape. The text says which, and never what came."""

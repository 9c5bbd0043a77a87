"""Every error of the service, as one tree.

    MusicServiceError
    ├── ConfigurationError     a person must change something before anything works (exit 2)
    ├── TransientError         may work later; `retry_after_seconds` when the other side said so
    │   ├── RateLimitedError   the provider refused for being too fast or too many at once
    │   └── ProviderBlockedError   no money or no access: stop claiming, tell the operator
    ├── PermanentError         will never work for this track
    ├── SubmissionUnknownError a paid call whose answer was lost: never sent again
    ├── LostClaimError         the track is not ours any more: write nothing
    ├── EmbeddedStackError     a part of the Supabase on this machine failed or ended
    └── ContractError          an answer that was not understood

Each class has a stable `code`, one of `music_service.tracks.ErrorCode` where it can end on a row.
"""

from __future__ import annotations

from typing import ClassVar


class MusicServiceError(Exception):
    """The root of every error this service raises on purpose."""

    code: ClassVar[str] = "internal"


class ConfigurationError(MusicServiceError):
    """Something outside the program must be mended first; the text says what and how."""

    code = "configuration"


class TransientError(MusicServiceError):
    """A failure that a later attempt may not meet.

    Args:
        message: one sentence a person understands.
        code: the error code to store on the row, when it is not the class's own.
        retry_after_seconds: how long the other side asked to wait, if it did.
    """

    code = "provider_unavailable"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.error_code = code or type(self).code
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(TransientError):
    """The provider refused the call for its rate or concurrency; nothing was billed."""

    code = "rate_limited"


class ProviderBlockedError(TransientError):
    """The account cannot generate at all: `quota_exhausted` or `provider_auth`."""

    code = "quota_exhausted"


class PermanentError(MusicServiceError):
    """This track can never succeed as it is.

    Args:
        message: one sentence a user of the app may read.
        code: the error code to store on the row.
    """

    code = "generation_failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.error_code = code or type(self).code


class SubmissionUnknownError(MusicServiceError):
    """A paid submission may or may not have been accepted; it must never be sent again."""

    code = "submission_unknown"


class LostClaimError(MusicServiceError):
    """The claim under which a write was made is gone; the track belongs to somebody else."""

    code = "lost_claim"


class EmbeddedStackError(MusicServiceError):
    """A part of the embedded Supabase could not start, or ended by itself; the text says which."""

    code = "embedded_stack"


class ContractError(MusicServiceError):
    """An answer did not have the agreed shape. The text says which, and never what came."""

    code = "internal"

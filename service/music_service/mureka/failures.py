"""Mureka's error answers sorted into our classes: the one place where the table lives.

400 invalid request · 401 key · 402 no money · 403 region · 429 quota, rate or concurrency
451 review · 500 unknown after a paid call · 503 overloaded

Mureka says that there is no money in words alone, and with a status that means other things, too.
"""

from __future__ import annotations

import math
import re

from pydantic import ValidationError

from music_service.errors import (
    ErrorCode,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka.http import Answer
from music_service.mureka.wire import ErrorBody
from music_service.redact import spoken

_LONGEST_RETRY_AFTER_SECONDS = 3600.0
_NO_MONEY = re.compile(
    r"quota|billing|balance|credits?\b|payment|recharge|top.?up|\bfunds\b|arrears|insufficient",
    re.IGNORECASE,
)
# An answer to the request itself may repeat a user's words: only what begins so is Mureka's own.
_NO_MONEY_AT_ALL = re.compile(
    r"(your |the )?(account )?(has )?(an )?(insufficient|not enough) "
    r"(account )?(balance|credits?|funds|quota|money)\b",
    re.IGNORECASE,
)


def refusal(answer: Answer) -> MusicServiceError | None:  # noqa: PLR0911  a table
    """The error of an answer that says clearly that the call was refused, or None."""
    message = _message(answer)
    match answer.status:
        case 400 | 422 if _NO_MONEY_AT_ALL.match(message):
            return _no_money()
        case 402:
            return _no_money()
        case 403 | 429 if _NO_MONEY.search(message):
            return _no_money()
        case 400 | 413 | 422:
            return PermanentError(
                f"Mureka refused the request{_because(message)}.", code=ErrorCode.INVALID_REQUEST
            )
        case 401:
            return ProviderBlockedError(
                "Mureka refused the API key; the operator must set a valid MUREKA_API_KEY.",
                code=ErrorCode.PROVIDER_AUTH,
            )
        case 403:
            return ProviderBlockedError(
                f"Mureka refused access for this account or region{_because(message)}.",
                code=ErrorCode.PROVIDER_AUTH,
            )
        case 429:
            return RateLimitedError(
                "Mureka is busy with other music of this account; it is tried again later.",
                retry_after_seconds=_retry_after(answer),
            )
        case 451:
            return PermanentError(
                "Mureka's safety review refused the prompt; word it differently.",
                code=ErrorCode.MODERATION_BLOCKED,
            )
        case 503:
            return TransientError(
                "Mureka is overloaded; it is tried again later.",
                retry_after_seconds=_retry_after(answer),
            )
    return None


def submit_failure(answer: Answer) -> MusicServiceError:
    """The error of a paid call, a submission or one for lyrics, that was not answered 200."""
    clear = refusal(answer)
    if clear is not None:
        return clear
    if answer.status == 404:
        return ProviderBlockedError(
            "Mureka's address is wrong; the operator must correct MUREKA_API_URL.",
            code=ErrorCode.PROVIDER_AUTH,
        )
    return SubmissionUnknownError(
        f"Mureka answered {answer.status} to the paid call; it may have been accepted."
    )


def poll_failure(answer: Answer) -> MusicServiceError:
    """The error of a poll that was not answered 200; asking again later does no harm."""
    clear = refusal(answer)
    if clear is not None and not isinstance(clear, PermanentError):
        return clear
    if answer.status == 400:
        return PermanentError(
            "Mureka does not know this task any more.", code=ErrorCode.GENERATION_FAILED
        )
    return TransientError(f"Mureka answered {answer.status} to a poll of the task.")


def _no_money() -> ProviderBlockedError:
    return ProviderBlockedError(
        "The Mureka account has no money left; the operator must top it up.",
        code=ErrorCode.QUOTA_EXHAUSTED,
    )


def _message(answer: Answer) -> str:
    """Why, in Mureka's own form; what has none may come from anybody, and is not repeated."""
    try:
        message = ErrorBody.model_validate_json(answer.content).error.message
    except ValidationError:
        return ""
    return spoken(message or "").rstrip(" .")


def _because(message: str) -> str:
    return f": {message}" if message else ""


def _retry_after(answer: Answer) -> float | None:
    try:
        seconds = float(answer.retry_after or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None

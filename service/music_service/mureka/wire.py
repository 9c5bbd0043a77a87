"""Mureka's bodies as far as they are read.

Everything may be missing (zero values are left out) or be something else than expected: only the
id of a task is insisted on, because it is the receipt of a paid call, and a balance must be a
number. Text of the provider is cut and freed from control characters, markup and addresses here,
before it can reach a row, a log or a terminal.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from music_service.redact import holds_secret, spoken
from music_service.tracks import MAX_LYRICS_CHARACTERS

SUCCEEDED = "succeeded"
FAILED = frozenset({"failed", "timeouted", "cancelled"})

STAGES = frozenset({"preparing", "queued", "running", "streaming", "reviewing", SUCCEEDED}) | FAILED
_AT_WORK = "running"  # what a status is taken for that is not known

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:~-]{0,99}")
_URL = re.compile(r"https?://[^\s\\<>\"'`{}|^]+", re.IGNORECASE | re.ASCII)
_LONGEST_URL = 2000
_LONGEST_DURATION_MS = 24 * 3600 * 1000
_MOST_CHOICES = 10
_MOST_CENTS = 10**12
_MOST_TASKS = 10**6
_LONGEST_TITLE = 120
_LONGEST_READ = 100_000  # more of lyrics is not even looked at


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not _ID.fullmatch(text) or holds_secret(text):
        raise ValueError("not an id")
    return text


def _song_id(value: Any) -> str | None:
    try:
        return _id(value)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, int) and value.bit_length() < 64:
        value = str(value)
    return spoken(value) or None if isinstance(value, str) else None


def _status(value: Any) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    return word if word in STAGES else _AT_WORK


def _url(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_URL or not value.isascii():
        return None
    if not _URL.fullmatch(value) or holds_secret(value):
        return None
    try:
        has_host = bool(urlsplit(value).hostname)
    except ValueError:
        return None
    return value if has_host else None


def finite(value: Any) -> float | None:
    """A number, also one in a string; None for what is none, is not finite or has 400 digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _milliseconds(value: Any) -> int | None:
    number = finite(value)
    return round(number) if number is not None and 1 <= number <= _LONGEST_DURATION_MS else None


def _objects(value: Any) -> list[Any]:
    found = value[:_MOST_CHOICES] if isinstance(value, list) else []
    return [each for each in found if isinstance(each, dict)]


def _cents(value: Any) -> float:
    number = finite(value)
    if number is None or abs(number) > _MOST_CENTS:
        raise ValueError("no sum of money")
    return number


def _count(value: Any) -> int | None:
    number = finite(value)
    return round(number) if number is not None and 1 <= number <= _MOST_TASKS else None


def _title(value: Any) -> str | None:
    return spoken(value, _LONGEST_TITLE) or None if isinstance(value, str) else None


def _lyrics(value: Any) -> str | None:
    """Lines, with one blank line at most between two; as many as a track may have, all whole."""
    text = ""
    lines = value[:_LONGEST_READ].splitlines() if isinstance(value, str) else []
    for line in lines:
        longer = f"{text}\n{spoken(line, MAX_LYRICS_CHARACTERS)}".removeprefix("\n")
        if len(longer) > MAX_LYRICS_CHARACTERS:
            break
        text = longer if not longer.endswith("\n\n") else text
    return text.strip() or None


Text = Annotated[str | None, BeforeValidator(_text)]
Url = Annotated[str | None, BeforeValidator(_url)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Choice(_Lenient):
    """One piece of music of a task; `duration` is in milliseconds.

    `lyrics_sections` is as it came; see `music_service.mureka.sections`.
    """

    id: Annotated[str | None, BeforeValidator(_song_id)] = None
    url: Url = None
    wav_url: Url = None
    flac_url: Url = None
    stream_url: Url = None
    duration: Annotated[int | None, BeforeValidator(_milliseconds)] = None
    lyrics_sections: Any = None


class TaskBody(_Lenient):
    """The answer to a paid call or a poll."""

    id: Annotated[str, BeforeValidator(_id)]
    status: Annotated[str, BeforeValidator(_status)] = "preparing"
    trace_id: Text = None
    failed_reason: Text = None
    created_at: Annotated[float | None, BeforeValidator(finite)] = None
    finished_at: Annotated[float | None, BeforeValidator(finite)] = None
    choices: Annotated[list[Choice], BeforeValidator(_objects)] = Field(default_factory=list)


class LyricsBody(_Lenient):
    """The answer to a call for lyrics."""

    title: Annotated[str | None, BeforeValidator(_title)] = None
    lyrics: Annotated[str | None, BeforeValidator(_lyrics)] = None


class BillingBody(_Lenient):
    """The account; money is in cents."""

    balance: Annotated[float, BeforeValidator(_cents)] = 0
    concurrent_request_limit: Annotated[int | None, BeforeValidator(_count)] = None


class _ErrorDetail(_Lenient):
    message: Text = None


class ErrorBody(_Lenient):
    """Why a call was refused."""

    error: _ErrorDetail = _ErrorDetail()

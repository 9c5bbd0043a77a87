"""Mureka's bodies as far as they are read.

Everything may be missing (zero values are left out) or be something else than expected: only the
id of a task is insisted on, because it is the receipt of a paid call. Text of the provider is cut
and freed from control characters here, before it can reach a row, a log or a terminal.
"""

from __future__ import annotations

import math
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from music_service.redact import plain

SUCCEEDED = "succeeded"
FAILED = frozenset({"failed", "timeouted", "cancelled"})

_LONGEST_ID = 100
_LONGEST_STATUS = 40
_LONGEST_URL = 2000
_LONGEST_DURATION_MS = 24 * 3600 * 1000


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not (0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()):
        raise ValueError("not an id")
    return text


def _text(value: Any) -> str | None:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return plain(str(value)) or None
    return None


def _status(value: Any) -> str:
    return (plain(value, _LONGEST_STATUS) if isinstance(value, str) else "") or "preparing"


def _url(value: Any) -> str | None:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        return None
    try:
        has_host = bool(urlsplit(value).hostname)
    except ValueError:
        return None
    return value if has_host and len(value) <= _LONGEST_URL and value.isprintable() else None


def _milliseconds(value: Any) -> int | None:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return round(value) if 1 <= value <= _LONGEST_DURATION_MS else None


def _objects(value: Any) -> list[Any]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


Text = Annotated[str | None, BeforeValidator(_text)]
Url = Annotated[str | None, BeforeValidator(_url)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Choice(_Lenient):
    """One piece of music of a task; `duration` is in milliseconds."""

    url: Url = None
    stream_url: Url = None
    duration: Annotated[int | None, BeforeValidator(_milliseconds)] = None


class TaskBody(_Lenient):
    """The answer to a paid call or a poll."""

    id: Annotated[str, BeforeValidator(_id)]
    status: Annotated[str, BeforeValidator(_status)] = "preparing"
    trace_id: Text = None
    failed_reason: Text = None
    choices: Annotated[list[Choice], BeforeValidator(_objects)] = Field(default_factory=list)


class BillingBody(_Lenient):
    """The account; money is in cents."""

    balance: Annotated[float, BeforeValidator(_number)] = 0
    concurrent_request_limit: Annotated[int | None, BeforeValidator(_count)] = None


class _ErrorDetail(_Lenient):
    message: str = ""


class ErrorBody(_Lenient):
    """Why a call was refused."""

    error: _ErrorDetail = _ErrorDetail()

"""Mureka's bodies as far as they are read. Everything may be missing: zero values are left out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SUCCEEDED = "succeeded"
FAILED = frozenset({"failed", "timeouted", "cancelled"})


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _nothing_is_an_empty_list(value: Any) -> Any:
    return [] if value is None else value


Text = Annotated[str, BeforeValidator(_text)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Choice(_Lenient):
    """One piece of music of a task; `duration` is in milliseconds."""

    id: Text | None = None
    url: str | None = None
    stream_url: str | None = None
    duration: float | None = None


class TaskBody(_Lenient):
    """The answer to a submission or a query."""

    id: Text
    status: str = "preparing"
    trace_id: Text | None = None
    failed_reason: str | None = None
    choices: Annotated[list[Choice], BeforeValidator(_nothing_is_an_empty_list)] = Field(
        default_factory=list
    )


class BillingBody(_Lenient):
    """The account; money is in cents."""

    balance: float = 0
    concurrent_request_limit: int | None = None


class _ErrorDetail(_Lenient):
    message: str = ""


class ErrorBody(_Lenient):
    """Why a call was refused."""

    error: _ErrorDetail = _ErrorDetail()
    trace_id: Text | None = None

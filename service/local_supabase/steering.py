"""Calls under `/dev/` of the gateway, by which whoever runs a stack lets its page steer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from local_supabase.errors import LocalSupabaseError


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked.

    Args:
        origin: the gateway's own, as the caller names it.
        body: as JSON; None where there is none, or it is no JSON.
    """

    origin: str
    body: Any


Answer = Callable[[Call], Awaitable[Any]]
"""Answers a call with what becomes JSON, or raises CallRefusedError."""


class CallRefusedError(LocalSupabaseError):
    """The call is answered with this status of HTTP, and the text as its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

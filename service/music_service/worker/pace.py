"""How often a worker may ask for tracks, however often it is woken."""

from __future__ import annotations

import asyncio

_PAUSE_SECONDS = 0.1
_AT_ONCE = 10  # a handful that comes together waits for nothing


class Pace:
    """Claims follow at once after quiet; in a storm of hints one pause apart."""

    def __init__(self) -> None:
        self._paid_until = float("-inf")  # each claim costs a pause; ten may be owed

    def note(self) -> None:
        """A claim is made now."""
        self._paid_until = max(self._paid_until, _now()) + _PAUSE_SECONDS

    def pause_seconds(self) -> float:
        """How long the next claim has to wait from now on."""
        return max(self._paid_until - (_AT_ONCE - 1) * _PAUSE_SECONDS - _now(), 0)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Who is away: said once when that begins and once when it is over, whomever it meets meanwhile.

One that comes back and refuses us is said once more: that does not end by itself.

Twenty tracks whose polls fail for an hour are two lines of the log. What is said of each of them,
each time, is at level `debug`.
"""

from __future__ import annotations

import asyncio

import structlog

from music_service.errors import (
    ConfigurationError,
    ContractError,
    ErrorCode,
    TransientError,
)

_AWAY_FROM = 3  # failures in a row: one alone may be a moment without a network
_KNOWN_SECONDS = 60  # what was seen last says nothing of now any more

log = structlog.get_logger(__name__)


class Outage:
    """The failures of one party, as one thing that begins and ends.

    It is over once nothing has failed for a while since an answer came: a party that answers every
    other time has one outage, not a hundred.

    Args:
        party: who it is.
        quiet_seconds: how long nothing must fail.
    """

    def __init__(self, party: str, quiet_seconds: float) -> None:
        self.is_on = False
        self._is_refusal = False
        self._party = party
        self._quiet_seconds = quiet_seconds
        self._began_at = self._failed_at = float("-inf")
        self._failures = self._in_a_row = 0
        self._over: asyncio.TimerHandle | None = None

    @property
    def is_away(self) -> bool:
        """Whether it was seen lately not to answer at all."""
        return self._in_a_row >= _AWAY_FROM and _now() - self._failed_at < _KNOWN_SECONDS

    def failed(self, error: BaseException) -> None:
        """It did not do what was asked."""
        is_refusal = isinstance(error, ConfigurationError)
        self._failed_at = _now()
        self._in_a_row += 1
        if self._over is not None:
            self._over.cancel()
            self._over = None
        begins = not self.is_on
        if begins:
            self.is_on, self._began_at, self._failures = True, self._failed_at, 0
        if begins or (is_refusal and not self._is_refusal):
            self._is_refusal = is_refusal
            log.warning("outage", of=self._party, reason=reason_of(error))
        self._failures += 1

    def answered(self) -> None:
        """It did."""
        self._in_a_row = 0
        if self.is_on and self._over is None:
            loop = asyncio.get_running_loop()
            self._over = loop.call_later(self._quiet_seconds, self._end, _now())

    def _end(self, answered_at: float) -> None:
        self.is_on, self._over = False, None
        seconds = round(answered_at - self._began_at, 1)
        log.info("outage_over", of=self._party, seconds=seconds, failures=self._failures)


class Outages:
    """Those of everybody whom a worker asks.

    Args:
        quiet_seconds: see `Outage`.
    """

    def __init__(self, quiet_seconds: float) -> None:
        self.mureka = Outage("mureka", quiet_seconds)
        self.database = Outage("database", quiet_seconds)
        self.storage = Outage("storage", quiet_seconds)
        self._by_code: dict[str, Outage] = {
            ErrorCode.PROVIDER_UNAVAILABLE: self.mureka,
            ErrorCode.RATE_LIMITED: self.mureka,
            ErrorCode.INTERNAL: self.database,
            ErrorCode.STORAGE_FAILED: self.storage,
        }

    @property
    def are_on(self) -> bool:
        """Whether anybody is away."""
        return self.mureka.is_on or self.database.is_on or self.storage.is_on

    def explain(self, error: Exception) -> bool:
        """Whether this is an outage, which is said once, and not a matter of one track."""
        if not isinstance(error, (TransientError, ConfigurationError, ContractError)):
            return False
        outage = self._by_code.get(error.code)
        if outage is None:
            return False
        outage.failed(error)
        return True


def reason_of(error: BaseException) -> str:
    """What is said of an error; a time-out has no words."""
    return str(error) or "no answer"


def _now() -> float:
    return asyncio.get_running_loop().time()

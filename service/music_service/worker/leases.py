"""Leases kept alive: all of a worker's claims in one call, at every third of their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from uuid import UUID

import structlog

from music_service.redact import without_secrets
from music_service.worker.outages import Outage, reason_of
from music_service.worker.ports import Queue

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews the leases of claims for as long as `run` runs, and tells which are lost.

    A claim is lost when somebody else has it, and when no renewal succeeded for a whole lease:
    by then it may belong to somebody else. Until one succeeds again the worker is cut off, and
    `failure` says why.

    Args:
        queue: the database's worker functions.
        lease_seconds: how long a claim lasts unrenewed.
        held: answers the claims to renew.
        on_lost: told the claims that are lost, and why in a sentence.
        on_restored: told that renewing works again.
        outage: that of the database, told whether it answers.
    """

    def __init__(
        self,
        queue: Queue,
        lease_seconds: float,
        *,
        held: Callable[[], Collection[UUID]],
        on_lost: Callable[[set[UUID], str], None],
        on_restored: Callable[[], None],
        outage: Outage,
    ) -> None:
        self.is_cut_off = False
        self.failure = ""
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._held = held
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._outage = outage
        self._renewed_at = 0.0

    async def run(self) -> None:
        """Renew until cancelled; without any claim it is a sign of life, half as often."""
        self._renewed_at = _now()
        pause = self._lease_seconds / 3
        while True:
            await asyncio.sleep(pause)
            claim_ids = set(self._held())
            if not claim_ids and self._seconds_left() > self._lease_seconds / 2:
                continue
            try:
                owned = await self._renew(claim_ids)
            except Exception as error:  # noqa: BLE001  whatever it is, leases must be kept
                self._outage.failed(error)
                self.failure = without_secrets(reason_of(error))
                log.debug("renewal_failed", reason=self.failure)
                self._note_failure(claim_ids)
                pause = self._lease_seconds / 10
                if not self.is_cut_off:
                    pause = min(pause, self._seconds_left())
            else:
                self._outage.answered()
                self._note_success(claim_ids - owned)
                pause = self._lease_seconds / 3

    async def _renew(self, claim_ids: set[UUID]) -> set[UUID]:
        """Renew in time: before the leases end, unless they have ended already."""
        asked_at, patience = _now(), self._lease_seconds / 3
        if not self.is_cut_off:
            patience = min(patience, self._seconds_left())
        async with asyncio.timeout(patience):
            owned = await self._queue.renew(list(claim_ids), self._lease_seconds)
        self._renewed_at = asked_at
        return owned

    def _seconds_left(self) -> float:
        return self._renewed_at + self._lease_seconds - _now()

    def _note_failure(self, claim_ids: set[UUID]) -> None:
        if self._seconds_left() <= 0:
            if not self.is_cut_off:
                log.warning("cut_off", tracks=len(claim_ids))
            self.is_cut_off = True
            self._on_lost(claim_ids, "the leases could not be renewed")

    def _note_success(self, gone: set[UUID]) -> None:
        if self.is_cut_off:
            self.is_cut_off = False
            log.info("renewal_works_again")
            self._on_restored()
        if gone:
            self._on_lost(gone, "taken by somebody else")


def _now() -> float:
    return asyncio.get_running_loop().time()

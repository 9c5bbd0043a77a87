"""The database's worker functions in memory, as far as a worker can tell the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from music_service.errors import ContractError, ErrorCode, LostClaimError
from music_service.tracks import (
    Claim,
    DeliveredMusic,
    Generation,
    GenerationRequest,
    LeftOver,
    LeftOverTask,
    Outcome,
    Status,
)
from tests.support.journal import Journal

MAX_ATTEMPTS = 10
PRICE_CENTS = Decimal("4.5")  # where a worker leaves it to the database


@dataclass
class Row:
    """One track: the claim that it has or will have, and the open paid call that it has, if any.

    `due_at` and `leased_until` are in seconds of the loop's time.
    """

    claim: Claim
    status: Status = Status.PENDING
    error_code: ErrorCode | None = None
    due_at: float = 0.0
    leased_until: float = 0.0
    open_call: Generation | None = None
    is_overdue: bool = False
    lyrics: str | None = None


class FakeQueue:
    """Tracks that a test adds, claimed and written to as in the database.

    What the worker functions answer is checked against the real ones by
    `tests/contract/test_queue.py`.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: list[Row] = []
        self.rejections: dict[UUID, str] = {}
        self.left_over: list[LeftOverTask] = []
        self.completing_looks_too_soon = False  # and sees nobody who comes meanwhile

    def add(self, claims: Iterable[Claim]) -> None:
        """Let tracks be due; the next claim of each is this one."""
        self._rows += [Row(claim, open_call=claim.generation) for claim in claims]

    def hold(self, claim: Claim) -> None:
        """Let a track be claimed already."""
        self._rows.append(Row(claim, Status.GENERATING, open_call=claim.generation))

    def lose(self, claim_id: UUID) -> None:
        """Let somebody else take the track, and keep it."""
        row = self._row_of(claim_id)
        row.claim, row.leased_until = replace(row.claim, id=uuid4()), float("inf")

    def run_out(self, claim_id: UUID) -> None:
        """Let the lease of a claim be over."""
        self._row_of(claim_id).leased_until = _now()

    def retry(self, track_id: UUID) -> None:
        """Let a person try again what is in error."""
        self._end(self.row(track_id), Status.PENDING)

    def row(self, track_id: UUID) -> Row:
        """What there is of a track."""
        return next(row for row in self._rows if row.claim.track.id == track_id)

    @property
    def due(self) -> list[Row]:
        """The tracks that the next claim finds."""
        now = _now()
        return [
            row
            for row in self._rows
            if (row.status is Status.PENDING and row.due_at <= now)
            or (row.status is Status.GENERATING and 0 < row.leased_until <= now)
        ]

    async def claim(self, limit: int, lease_seconds: float) -> list[Claim]:
        await self._journal.take("claim", limit=limit, lease_seconds=lease_seconds)
        taken = [row for row in self.due if not self._ended_as_unknown(row)][:limit]
        for row in taken:
            if row.status is Status.GENERATING:  # its worker was lost
                row.claim = replace(row.claim, id=uuid4(), generation=row.open_call)
                self._count(row)
            if row.lyrics is not None:
                row.claim = replace(row.claim, track=replace(row.claim.track, lyrics=row.lyrics))
            row.status, row.error_code = Status.GENERATING, None
            row.leased_until = _now() + lease_seconds
        return [row.claim for row in taken]

    async def renew(self, claim_ids: Sequence[UUID], lease_seconds: float) -> set[UUID]:
        await self._journal.take("renew", claim_ids=set(claim_ids), lease_seconds=lease_seconds)
        held = [row for row in self._rows if self._is_held(row) and row.claim.id in claim_ids]
        for row in held:
            row.leased_until = _now() + lease_seconds
        return {row.claim.id for row in held}

    async def release(self, claim_ids: Sequence[UUID]) -> None:
        await self._journal.take("release", claim_ids=set(claim_ids))
        for row in self._rows:
            if self._is_held(row) and row.claim.id in claim_ids:
                self._end(row, Status.PENDING)

    async def report_worker(
        self, *, host: str, version: str, capacity: int, state: str, note: str | None = None
    ) -> None:
        await self._journal.take("report", state=state, note=note, capacity=capacity)

    async def rejected(self) -> dict[UUID, str]:
        await self._journal.take("rejected")
        return dict(self.rejections)

    async def report_account(
        self, concurrent_request_limit: int | None, balance_cents: float
    ) -> None:
        await self._journal.take("account", limit=concurrent_request_limit, balance=balance_cents)

    async def write_intent(
        self,
        claim_id: UUID,
        generation_id: UUID,
        request: GenerationRequest,
        *,
        model: str,
        expected_cost_cents: Decimal | None,
    ) -> Decimal:
        row = await self._fenced(
            "intent",
            claim_id,
            generation_id=generation_id,
            request=request,
            model=model,
            expected_cost_cents=expected_cost_cents,
        )
        known = row.open_call
        if known is not None and (known.id != generation_id or known.mureka_task_id is not None):
            raise LostClaimError("another paid call of this track is open.")
        row.open_call = Generation(generation_id, request, None)
        return PRICE_CENTS if expected_cost_cents is None else expected_cost_cents

    async def store_receipt(self, generation_id: UUID, task_id: str, trace_id: str | None) -> None:
        await self._journal.take(
            "receipt", generation_id=generation_id, task_id=task_id, trace_id=trace_id
        )
        for row in self._rows:
            if row.open_call is not None and row.open_call.id == generation_id:
                if row.open_call.mureka_task_id not in (None, task_id):
                    raise ContractError("The generation already has another receipt.")
                row.open_call = replace(row.open_call, mureka_task_id=task_id)
                if row.error_code is ErrorCode.SUBMISSION_UNKNOWN:
                    self._end(row, Status.PENDING)

    async def store_lyrics(self, generation_id: UUID, title: str | None, lyrics: str) -> None:
        await self._journal.take("lyrics", generation_id=generation_id, title=title, lyrics=lyrics)
        for row in self._rows:
            if row.open_call is not None and row.open_call.id == generation_id:
                row.open_call = None
                row.lyrics = lyrics
                if row.error_code is ErrorCode.SUBMISSION_UNKNOWN:
                    self._end(row, Status.PENDING)

    async def refuse(self, generation_id: UUID, reason: str) -> None:
        await self._journal.take("refuse", generation_id=generation_id, reason=reason)
        for row in self._rows:
            if row.open_call is not None and row.open_call.id == generation_id:
                row.open_call = None

    async def take_left_over(self, limit: int, pause_seconds: float) -> LeftOver:
        await self._journal.take("left_over", limit=limit, pause_seconds=pause_seconds)
        return LeftOver(tuple(self.left_over[:limit]), len(self.left_over))

    async def close_left_over(self, generation_id: UUID, status: str) -> None:
        await self._journal.take("close", generation_id=generation_id, status=status)
        self.left_over = [t for t in self.left_over if t.generation_id != generation_id]

    async def report_stage(self, claim_id: UUID, stage: str, stream_url: str | None) -> None:
        await self._fenced("stage", claim_id, stage=stage, stream_url=stream_url)

    async def complete(self, claim_id: UUID, music: DeliveredMusic) -> bool:
        row = await self._fenced("complete", claim_id, music=music)
        row.open_call = None
        self._end(row, Status.COMPLETED)
        waiting = [row for row in self.due if row.status is Status.PENDING]
        return bool(waiting) and not self.completing_looks_too_soon

    async def defer(
        self,
        claim_id: UUID,
        *,
        delay_seconds: float,
        outcome: Outcome,
        code: ErrorCode,
        message: str,
        counts_as_attempt: bool,
    ) -> Status:
        row = await self._fenced(
            "defer",
            claim_id,
            delay_seconds=delay_seconds,
            outcome=outcome,
            code=code,
            message=message,
            counts_as_attempt=counts_as_attempt,
        )
        was_paid = row.open_call is not None and row.open_call.mureka_task_id is not None
        if self._is_unknown(row, outcome):
            self._end(row, Status.ERROR, ErrorCode.SUBMISSION_UNKNOWN)
        elif was_paid and row.open_call is None:
            self._end(row, Status.ERROR, code)  # going on would pay once more
        elif counts_as_attempt and self._count(row) >= MAX_ATTEMPTS:
            self._end(row, Status.ERROR, ErrorCode.ATTEMPTS_EXHAUSTED)
        else:
            self._end(row, Status.PENDING, code, _now() + delay_seconds)
        return row.status

    async def fail(
        self, claim_id: UUID, *, outcome: Outcome, code: ErrorCode, message: str
    ) -> None:
        row = await self._fenced("fail", claim_id, outcome=outcome, code=code, message=message)
        if self._is_unknown(row, outcome):
            code = ErrorCode.SUBMISSION_UNKNOWN
        self._end(row, Status.ERROR, code)

    async def _fenced(self, step: str, claim_id: UUID, **arguments: Any) -> Row:
        await self._journal.take(step, claim_id=claim_id, **arguments)
        return self._row_of(claim_id)

    def _row_of(self, claim_id: UUID) -> Row:
        for row in self._rows:
            if self._is_held(row) and row.claim.id == claim_id:
                return row
        raise LostClaimError("the claim is gone.")

    def _is_held(self, row: Row) -> bool:
        return row.status is Status.GENERATING

    def _is_unknown(self, row: Row, outcome: Outcome) -> bool:
        """Whether the open call may have been accepted; closes one that certainly ended."""
        if row.open_call is None:
            return False
        if row.open_call.mureka_task_id is None and outcome is not Outcome.REFUSED:
            return True
        is_second_time = outcome is Outcome.OVERDUE and row.is_overdue
        row.is_overdue |= outcome is Outcome.OVERDUE
        if row.open_call.mureka_task_id is None or outcome is Outcome.FAILED or is_second_time:
            row.open_call = None
        return False

    def _ended_as_unknown(self, row: Row) -> bool:
        """Whether an intent without a receipt was left behind; such a track is not claimed."""
        is_unknown = row.open_call is not None and row.open_call.mureka_task_id is None
        if is_unknown:
            self._end(row, Status.ERROR, ErrorCode.SUBMISSION_UNKNOWN)
        return is_unknown

    def _count(self, row: Row) -> int:
        track = replace(row.claim.track, attempts=row.claim.track.attempts + 1)
        row.claim = replace(row.claim, track=track)
        return track.attempts

    def _end(
        self, row: Row, status: Status, code: ErrorCode | None = None, due_at: float = 0.0
    ) -> None:
        """End the claim; the next one has an id of its own."""
        row.claim = replace(row.claim, id=uuid4(), generation=row.open_call)
        row.status, row.error_code, row.due_at, row.leased_until = status, code, due_at, 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()

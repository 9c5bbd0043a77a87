"""The worker functions of the database, called through the API.

Every write is idempotent under its fence, so a call whose answer was lost is simply repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import stamina

from music_service.errors import ContractError, ErrorCode, LostClaimError, TransientError
from music_service.redact import without_secrets
from music_service.store import failures
from music_service.store.client import ProjectClient
from music_service.store.schema_version import MADE_FOR
from music_service.timed_lyrics import to_json
from music_service.tracks import (
    Claim,
    DeliveredMusic,
    Generation,
    GenerationRequest,
    LeftOver,
    LeftOverTask,
    Outcome,
    Status,
    Track,
)

_again = stamina.AsyncRetryingCaller(
    attempts=3, timeout=None, wait_initial=0.2, wait_exp_base=5, wait_max=1.0, wait_jitter=0.1
).on((TransientError, ContractError))


class Queue:
    """Claims tracks and writes what becomes of them.

    Every method raises TransientError when the database cannot be reached, ConfigurationError
    when it refuses this service, and ContractError for an answer that makes no sense.

    Args:
        client: has the service's rights.
        worker_id: the name of this process.
    """

    def __init__(self, client: ProjectClient, worker_id: str) -> None:
        self._client = client
        self._worker_id = worker_id

    async def claim(self, limit: int, lease_seconds: float) -> list[Claim]:
        """Take up to `limit` tracks for `lease_seconds`."""
        found = await self._once(
            "claim_music_tracks",
            p_limit=limit,
            p_lease_seconds=lease_seconds,
            p_version=MADE_FOR,
            **self._me,
        )
        return [_claim(row) for row in found]

    async def renew(self, claim_ids: Sequence[UUID], lease_seconds: float) -> set[UUID]:
        """Prolong the claims and give a sign of life; answers those that are still ours."""
        found = await self._once(
            "renew_music_claims",
            p_claim_ids=_texts(claim_ids),
            p_lease_seconds=lease_seconds,
            **self._me,
        )
        try:
            return {UUID(str(row)) for row in found}
        except ValueError as error:
            raise ContractError("renew_music_claims did not answer ids.") from error

    async def release(self, claim_ids: Sequence[UUID]) -> None:
        """Hand the tracks back at once; no attempt is counted."""
        await self._call("release_music_claims", p_claim_ids=_texts(claim_ids), **self._me)

    async def report_worker(
        self, *, host: str, version: str, capacity: int, state: str, note: str | None = None
    ) -> None:
        """Tell operators who is at work and in what state."""
        await self._call(
            "report_music_worker",
            p_host=host,
            p_version=version,
            p_capacity=capacity,
            p_state=state,
            p_note=note,
            **self._me,
        )

    async def rejected(self) -> dict[UUID, str]:
        """Why a rule of the app's does not let the row of a track be changed, up to 100 tracks."""
        query = self._client.table("music_review").select("track_id,reason")
        with failures.calling_database():
            found: Any = (await query.eq("what", "rejected").limit(100).execute()).data
        try:
            return {UUID(row["track_id"]): str(row["reason"]) for row in found}
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError("music_review did not answer tracks.") from error

    async def report_account(
        self, concurrent_request_limit: int | None, balance_cents: float
    ) -> None:
        """Tell what the Mureka account allows and holds; the fleet keeps to it."""
        await self._call(
            "report_music_account",
            p_concurrent_request_limit=concurrent_request_limit,
            p_balance_cents=balance_cents,
        )

    async def write_intent(
        self,
        claim_id: UUID,
        generation_id: UUID,
        request: GenerationRequest,
        *,
        model: str,
        expected_cost_cents: Decimal | None,
    ) -> Decimal:
        """Write that a paid call follows; raises LostClaimError when it must not be sent.

        Answers what it costs in US cents: the database's to say where it knows the model.
        """
        [cents, *_] = await self._fenced(
            "begin_music_generation",
            p_claim_id=str(claim_id),
            p_generation_id=str(generation_id),
            p_request=request.to_json(),
            p_model=model,
            p_expected_cost_cents=None if expected_cost_cents is None else str(expected_cost_cents),
        )
        try:
            return Decimal(str(cents))
        except InvalidOperation as error:
            raise ContractError("begin_music_generation did not answer a cost.") from error

    async def store_receipt(self, generation_id: UUID, task_id: str, trace_id: str | None) -> None:
        """Keep the receipt of a paid call, with or without a claim.

        Raises:
            ContractError: the generation has another receipt.
        """
        await self._call(
            "record_music_task",
            p_generation_id=str(generation_id),
            p_mureka_task_id=task_id,
            p_trace_id=trace_id,
        )

    async def store_lyrics(self, generation_id: UUID, title: str | None, lyrics: str) -> None:
        """Keep the words that a paid call answered, with or without a claim."""
        await self._call(
            "record_music_lyrics",
            p_generation_id=str(generation_id),
            p_title=title,
            p_lyrics=lyrics,
        )

    async def refuse(self, generation_id: UUID, reason: str) -> None:
        """A paid call was certainly not accepted, whatever became of its track."""
        await self._call(
            "refuse_music_generation", p_generation_id=str(generation_id), p_reason=reason
        )

    async def take_left_over(self, limit: int, pause_seconds: float) -> LeftOver:
        """Left-over tasks to ask Mureka about now, up to `limit`, and how many are running."""
        found = await self._answer(
            "take_left_over_music", p_limit=limit, p_pause_seconds=pause_seconds
        )
        try:
            tasks = tuple(
                LeftOverTask(
                    generation_id=UUID(task["generation_id"]),
                    kind="song" if task["kind"] == "song" else "instrumental",
                    mureka_task_id=str(task["mureka_task_id"]),
                    age_seconds=float(task["age_seconds"]),
                )
                for task in found["tasks"]
            )
            return LeftOver(tasks, int(found["running"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError("take_left_over_music did not answer tasks.") from error

    async def close_left_over(self, generation_id: UUID, status: str) -> None:
        """Mureka is done with a left-over task: its place is free again."""
        await self._call(
            "close_left_over_music", p_generation_id=str(generation_id), p_provider_status=status
        )

    async def report_stage(self, claim_id: UUID, stage: str, stream_url: str | None) -> None:
        """Show what the provider is doing; raises LostClaimError."""
        await self._fenced(
            "report_music_stage",
            p_claim_id=str(claim_id),
            p_stage=stage,
            p_stream_url=stream_url,
        )

    async def complete(self, claim_id: UUID, music: DeliveredMusic) -> bool:
        """The audio is in place; raises LostClaimError.

        Answers whether another track is due, which the place that is free now may serve.
        """
        mp3 = music.files["mp3"]
        _, *due = await self._fenced(
            "complete_music_track",
            p_claim_id=str(claim_id),
            p_storage_path=mp3.path,
            p_file_url=mp3.url,
            p_duration_ms=music.duration_ms,
            p_audio_files={
                name: {"path": file.path, "url": file.url, "bytes": file.size_bytes}
                for name, file in music.files.items()
            },
            p_mureka_song_id=music.song_id,
            p_timed_lyrics=to_json(music.sections) if music.sections else None,
        )
        return bool(due)

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
        """Put the track off; raises LostClaimError.

        Answers its status then: `pending`, or `error` where its attempts are used up or where it
        would have to be paid for again.
        """
        [status, *_] = await self._fenced(
            "defer_music_track",
            p_claim_id=str(claim_id),
            p_delay_seconds=delay_seconds,
            p_outcome=outcome,
            p_error_code=code,
            p_error_message=message,
            p_counts_as_attempt=counts_as_attempt,
        )
        try:
            return Status(status)
        except ValueError as error:
            raise ContractError("defer_music_track did not answer a status.") from error

    async def fail(
        self, claim_id: UUID, *, outcome: Outcome, code: ErrorCode, message: str
    ) -> None:
        """End the track in error; raises LostClaimError."""
        await self._fenced(
            "fail_music_track",
            p_claim_id=str(claim_id),
            p_outcome=outcome,
            p_error_code=code,
            p_error_message=message,
        )

    @property
    def _me(self) -> dict[str, Any]:
        return {"p_worker_id": self._worker_id}

    async def _fenced(self, function: str, **arguments: Any) -> list[Any]:
        found = await self._call(function, rows_needed=True, **arguments)
        if not found:
            raise LostClaimError(f"{function} answered that the claim is gone.")
        return found

    async def _call(
        self, function: str, *, rows_needed: bool = False, **arguments: Any
    ) -> list[Any]:
        return await _again(self._once, function, rows_needed=rows_needed, **arguments)

    async def _once(
        self, function: str, *, rows_needed: bool = False, **arguments: Any
    ) -> list[Any]:
        data = await self._answer(function, **arguments)
        if data is None and not rows_needed:
            return []
        if not isinstance(data, list):
            raise ContractError(f"{function} did not answer a list.")
        return data

    async def _answer(self, function: str, **arguments: Any) -> Any:
        told = {
            name: without_secrets(value) if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        with failures.calling_database():
            return (await self._client.rpc(function, told).execute()).data


def _texts(ids: Sequence[UUID]) -> list[str]:
    return [str(each) for each in ids]


def _claim(row: dict[str, Any]) -> Claim:
    try:
        track = Track(
            id=UUID(row["track_id"]),
            user_id=UUID(row["user_id"]) if row["user_id"] else None,
            prompt=row["prompt"],
            lyrics=row["lyrics"],
            genre=row["genre"],
            mood=row["mood"],
            tempo=row["tempo"],
            duration_seconds=row["duration"],
            attempts=row["attempts"],
            lyrics_prompt=row["lyrics_prompt"],
            vocal_gender=row["vocal_gender"],
            model=row["model"],
            audio_formats=tuple(row["audio_formats"] or ("mp3",)),
        )
        return Claim(
            id=UUID(row["claim_id"]),
            track=track,
            generation=_generation(row, track),
            expected_seconds=row["expected_seconds"],
            waited_seconds=row["waited_seconds"],
            asked_at=datetime.fromisoformat(row["asked_at"]),
            asked_seconds=row["asked_seconds"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("claim_music_tracks answered a row of another shape.") from error


def _generation(row: dict[str, Any], track: Track) -> Generation | None:
    if row["generation_id"] is None:
        return None
    return Generation(
        id=UUID(row["generation_id"]),
        request=_request(row["generation_request"], track),
        mureka_task_id=row["mureka_task_id"],
        age_seconds=row["generation_age_seconds"],
    )


def _request(sent: Any, track: Track) -> GenerationRequest:
    try:
        return GenerationRequest.from_json(sent)
    except (KeyError, TypeError):  # edited by a person; it must not cost the whole claim
        return GenerationRequest(track.kind, {})

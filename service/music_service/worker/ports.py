"""What the worker needs of database, provider, Storage and Realtime, and how it is to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from uuid import UUID

from music_service.errors import ErrorCode
from music_service.timed_lyrics import Section
from music_service.tracks import (
    AudioFormat,
    Claim,
    DeliveredMusic,
    GenerationRequest,
    Kind,
    LeftOver,
    Outcome,
    Status,
    StoredAudio,
    Track,
)
from music_service.worker.cadence import Bounds


class Queue(Protocol):
    """The database's worker functions; see `music_service.store.queue`."""

    async def claim(self, limit: int, lease_seconds: float) -> list[Claim]: ...
    async def renew(self, claim_ids: Sequence[UUID], lease_seconds: float) -> set[UUID]: ...
    async def release(self, claim_ids: Sequence[UUID]) -> None: ...
    async def report_worker(
        self, *, host: str, version: str, capacity: int, state: str, note: str | None = None
    ) -> None: ...
    async def rejected(self) -> dict[UUID, str]: ...
    async def report_account(
        self, concurrent_request_limit: int | None, balance_cents: float
    ) -> None: ...
    async def write_intent(
        self,
        claim_id: UUID,
        generation_id: UUID,
        request: GenerationRequest,
        *,
        model: str,
        expected_cost_cents: Decimal | None,
    ) -> Decimal: ...
    async def store_receipt(
        self, generation_id: UUID, task_id: str, trace_id: str | None
    ) -> None: ...
    async def store_lyrics(self, generation_id: UUID, title: str | None, lyrics: str) -> None: ...
    async def refuse(self, generation_id: UUID, reason: str) -> None: ...
    async def take_left_over(self, limit: int, pause_seconds: float) -> LeftOver: ...
    async def close_left_over(self, generation_id: UUID, status: str) -> None: ...
    async def report_stage(self, claim_id: UUID, stage: str, stream_url: str | None) -> None: ...
    async def complete(self, claim_id: UUID, music: DeliveredMusic) -> bool: ...
    async def defer(
        self,
        claim_id: UUID,
        *,
        delay_seconds: float,
        outcome: Outcome,
        code: ErrorCode,
        message: str,
        counts_as_attempt: bool,
    ) -> Status: ...
    async def fail(
        self, claim_id: UUID, *, outcome: Outcome, code: ErrorCode, message: str
    ) -> None: ...


class Submission(Protocol):
    """The receipt of a paid call."""

    @property
    def task_id(self) -> str: ...
    @property
    def trace_id(self) -> str | None: ...


class WrittenLyrics(Protocol):
    """The words of a song, and its title if it has one."""

    @property
    def title(self) -> str | None: ...
    @property
    def lyrics(self) -> str: ...


class FinishedAudio(Protocol):
    """Music that waits at the provider: the MP3 at `url`, other formats at `other_urls`."""

    @property
    def url(self) -> str: ...
    @property
    def duration_ms(self) -> int | None: ...
    @property
    def song_id(self) -> str | None: ...
    @property
    def other_urls(self) -> Mapping[str, str]: ...
    @property
    def sections(self) -> tuple[Section, ...]: ...


class Task(Protocol):
    """What the provider says of a task."""

    @property
    def status(self) -> str: ...
    @property
    def stream_url(self) -> str | None: ...
    @property
    def audio(self) -> FinishedAudio | None: ...
    @property
    def failed_reason(self) -> str | None: ...
    @property
    def ran_seconds(self) -> float | None: ...
    @property
    def is_succeeded(self) -> bool: ...
    @property
    def is_failed(self) -> bool: ...


class Download(Protocol):
    """Audio on this machine's disk."""

    @property
    def duration_ms(self) -> int: ...


class Billing(Protocol):
    """The account's money, in US cents, and how many tasks it may have at once."""

    @property
    def balance_cents(self) -> float: ...
    @property
    def concurrent_request_limit(self) -> int | None: ...


class Provider(Protocol):
    """Whoever makes the music; see `music_service.mureka.client`."""

    async def submit(self, request: GenerationRequest) -> Submission: ...
    async def write_lyrics(self, prompt: str) -> WrittenLyrics: ...
    async def poll(self, kind: Kind, task_id: str) -> Task: ...
    async def billing(self) -> Billing: ...
    async def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        told_ms: int | None = None,
        audio_format: AudioFormat = "mp3",
    ) -> Download: ...


class AudioStore(Protocol):
    """Where finished audio goes; see `music_service.store.audio`."""

    async def put(
        self, path: Path, track: Track, generation_id: UUID, audio_format: AudioFormat
    ) -> StoredAudio: ...


class Feed(Protocol):
    """Hints that something is pending; see `music_service.store.feed`."""

    @property
    def is_working(self) -> bool: ...
    @property
    def reconnects(self) -> int: ...
    def has_missed(self, track_id: UUID, waited_seconds: float | None) -> bool: ...
    def distrust(self, reason: str) -> None: ...
    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker works; each number has its unit in its name.

    `poll_bounds` are the pauses between polls where they do not follow from `poll_seconds`.
    """

    worker_id: str
    host: str
    version: str
    model: str
    expected_cost_cents: Decimal
    stream: bool = True
    capacity: int = 10
    lease_seconds: float = 30
    sweep_seconds: float = 15
    poll_seconds: float = 4
    poll_bounds: Bounds | None = None
    deadline_seconds: float = 600
    transfer_seconds: float = 300
    late_audio_seconds: float = 60
    drain_seconds: float = 30
    realtime_ready_seconds: float = 30
    blocked_check_seconds: float = 60
    account_check_seconds: float = 3600
    first_retry_seconds: float = 5
    longest_retry_seconds: float = 300
    rate_limited_pause_seconds: float = 10
    max_audio_bytes: int = 20 * 2**20
    max_lossless_bytes: int = 64 * 2**20

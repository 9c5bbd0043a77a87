"""What the worker needs, in memory: provider, Storage and feed; for the queue see `fake_queue`.

Everything that is asked of them is written to one journal, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from music_service.errors import ErrorCode, OverdueError, PermanentError
from music_service.timed_lyrics import Section
from music_service.tracks import (
    AudioFormat,
    Generation,
    GenerationRequest,
    Kind,
    StoredAudio,
    Track,
)
from tests.support.fake_queue import FakeQueue
from tests.support.journal import Journal


@dataclass(frozen=True)
class FakeSubmission:
    task_id: str
    trace_id: str | None = "trace"


@dataclass(frozen=True)
class FakeLyrics:
    title: str | None = "Snow"
    lyrics: str = "The snow is falling"


@dataclass(frozen=True)
class FakeAudio:
    url: str = "https://cdn.example/music.mp3"
    duration_ms: int | None = 123_000
    song_id: str | None = "song-1"
    other_urls: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class FakeTask:
    status: str = "succeeded"
    stream_url: str | None = None
    audio: FakeAudio | None = None
    failed_reason: str | None = None
    ran_seconds: float | None = None

    @property
    def is_succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def is_failed(self) -> bool:
        return self.status in ("failed", "timeouted", "cancelled")


@dataclass(frozen=True)
class FakeDownload:
    duration_ms: int = 99_000


@dataclass(frozen=True)
class FakeBilling:
    balance_cents: float = 1000.0
    concurrent_request_limit: int | None = 25


DONE = FakeTask(audio=FakeAudio())


class FakeProvider:
    """Answers polls from `answers`, one after the other, the last one again and again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._submitted: dict[str, Kind] = {}
        self.answers: list[FakeTask | Exception] = [DONE]
        self.balance_cents = 1000.0

    def know(self, generation: Generation) -> None:
        """Let a task have been submitted before the test began."""
        if generation.mureka_task_id is not None:
            self._submitted[generation.mureka_task_id] = generation.request.kind

    async def submit(self, request: GenerationRequest) -> FakeSubmission:
        await self._journal.take("submit", request=request)
        task_id = f"task-{len(self._submitted) + 1}"
        self._submitted[task_id] = request.kind
        return FakeSubmission(task_id)

    async def write_lyrics(self, prompt: str) -> FakeLyrics:
        await self._journal.take("write_lyrics", prompt=prompt)
        return FakeLyrics()

    async def poll(self, kind: Kind, task_id: str) -> FakeTask:
        await self._journal.take("poll", kind=kind, task_id=task_id)
        if self._submitted.get(task_id) != kind:
            raise PermanentError("Mureka does not know this task any more.")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def billing(self) -> FakeBilling:
        await self._journal.take("billing")
        return FakeBilling(self.balance_cents)

    async def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        told_ms: int | None = None,
        audio_format: AudioFormat = "mp3",
    ) -> FakeDownload:
        await self._journal.take(
            "download",
            url=url,
            path=path,
            max_bytes=max_bytes,
            told_ms=told_ms,
            audio_format=audio_format,
        )
        path.write_bytes(b"music")
        if path.stat().st_size > max_bytes:
            raise OverdueError("The audio is too large.", code=ErrorCode.AUDIO_INVALID)
        return FakeDownload()


class FakeAudioStore:
    """Takes every upload under the key `key`, with the format after it where it is no MP3."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.url: str | None = "https://project.example/key"

    async def put(
        self, path: Path, track: Track, generation_id: UUID, audio_format: AudioFormat
    ) -> StoredAudio:
        content = path.read_bytes()
        await self._journal.take(
            "put",
            content=content,
            track_id=track.id,
            generation_id=generation_id,
            audio_format=audio_format,
        )
        key = "key" if audio_format == "mp3" else f"key.{audio_format}"
        return StoredAudio(key, self.url, len(content))


class FakeFeed:
    """Says nothing by itself: a test calls `hint` and `gap`."""

    def __init__(self, journal: Journal, hint: Callable[[], None], gap: Callable[[], None]) -> None:
        self._journal = journal
        self.hint = hint
        self.gap = gap
        self.is_working = True
        self.reconnects = 0
        self.distrusted = 0
        self.missed = True

    def has_missed(self, track_id: UUID, waited_seconds: float | None) -> bool:
        return self.missed

    def distrust(self, reason: str) -> None:
        self.distrusted += 1

    async def run(self) -> None:
        await self._journal.take("feed")
        await asyncio.Event().wait()


@dataclass
class Fakes:
    """All of them with one journal."""

    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.queue = FakeQueue(self.journal)
        self.provider = FakeProvider(self.journal)
        self.audio = FakeAudioStore(self.journal)

    def make_feed(self, hint: Callable[[], None], gap: Callable[[], None]) -> FakeFeed:
        """The feed of a worker."""
        self.feed = FakeFeed(self.journal, hint, gap)
        return self.feed

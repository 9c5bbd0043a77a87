"""Finished music, from the provider to the app's own Storage."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import stamina
import structlog

from music_service.errors import (
    AudioRefusedError,
    ErrorCode,
    LateAudioError,
    OverdueError,
    TransientError,
)
from music_service.timed_lyrics import fitted
from music_service.tracks import AudioFormat, DeliveredMusic, StoredAudio, Track
from music_service.worker.ports import AudioStore, Download, FinishedAudio, Options, Provider

ATTEMPTS = 3

Result = TypeVar("Result")
AskAgain = Callable[[], Awaitable[FinishedAudio | None]]

log = structlog.get_logger(__name__)


async def deliver(
    music: FinishedAudio,
    track: Track,
    generation_id: UUID,
    *,
    provider: Provider,
    audio: AudioStore,
    options: Options,
    ask_again: AskAgain,
    late_until: float,
) -> DeliveredMusic:
    """Download to disk and upload from there, each tried a few times and for so long in all.

    `ask_again` tells where the music is now, where it is not at its address; that is asked until
    `late_until`, a moment of the loop's clock. A format besides MP3 that cannot be had does not
    cost the track: it is left out, at once or, where it may only be late, from `late_until` on.

    Raises:
        TransientError: it did not work a few times.
        OverdueError: the provider's audio is not usable.
        AudioRefusedError: Storage will never take it.
    """
    with tempfile.TemporaryDirectory(prefix="music-") as folder:
        carrier = _Carrier(
            music,
            track,
            generation_id,
            Path(folder),
            provider=provider,
            audio=audio,
            options=options,
            ask_again=ask_again,
            late_until=late_until,
        )
        got, mp3 = await carrier.carry("mp3")
        files: dict[AudioFormat, StoredAudio] = {"mp3": mp3}
        for audio_format in track.audio_formats:
            if audio_format not in files:
                try:
                    _, files[audio_format] = await carrier.carry(audio_format)
                except (OverdueError, AudioRefusedError, TransientError) as error:
                    if isinstance(error, TransientError) and _now() < late_until:
                        raise
                    log.warning(
                        "format_missing",
                        track_id=str(track.id),
                        audio_format=audio_format,
                        reason=str(error),
                    )
    finished = carrier.music
    sections = fitted(finished.sections, got.duration_ms)
    return DeliveredMusic(files, got.duration_ms, finished.song_id, sections)


@dataclass
class _Carrier:
    """Carries the files of one piece of music, one after the other."""

    music: FinishedAudio
    track: Track
    generation_id: UUID
    folder: Path
    provider: Provider
    audio: AudioStore
    options: Options
    ask_again: AskAgain
    late_until: float

    async def carry(self, audio_format: AudioFormat) -> tuple[Download, StoredAudio]:
        """Download and upload one format; raises as `deliver` does."""
        path = self.folder / f"{self.generation_id}.{audio_format}"
        got = await _in_time(
            self._fetch(path, audio_format), self.options, ErrorCode.PROVIDER_UNAVAILABLE
        )
        stored = await _in_time(
            _again(self.options)(
                lambda: self.audio.put(path, self.track, self.generation_id, audio_format)
            ),
            self.options,
            ErrorCode.STORAGE_FAILED,
        )
        path.unlink()
        return got, stored

    async def _fetch(self, path: Path, audio_format: AudioFormat) -> Download:
        """Download the music, for its first minute also where it is not there yet."""
        while True:
            try:
                return await _again(self.options)(lambda: self._fetch_once(path, audio_format))
            except LateAudioError:
                if _now() >= self.late_until:
                    raise
            await asyncio.sleep(self.options.poll_seconds)
            self.music = await self.ask_again() or self.music

    async def _fetch_once(self, path: Path, audio_format: AudioFormat) -> Download:
        music, options = self.music, self.options
        url = music.url if audio_format == "mp3" else music.other_urls.get(audio_format)
        if url is None:
            raise OverdueError(
                f"Mureka names no {audio_format.upper()} of the music.",
                code=ErrorCode.AUDIO_INVALID,
            )
        return await self.provider.download(
            url,
            path,
            max_bytes=(
                options.max_audio_bytes if audio_format == "mp3" else options.max_lossless_bytes
            ),
            told_ms=music.duration_ms,
            audio_format=audio_format,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _again(options: Options) -> stamina.BoundAsyncRetryingCaller:
    pause = options.first_retry_seconds / 10
    return stamina.AsyncRetryingCaller(
        attempts=ATTEMPTS,
        timeout=None,
        wait_initial=pause,
        wait_max=4 * pause,
        wait_jitter=pause,
    ).on(TransientError)


async def _in_time(step: Awaitable[Result], options: Options, code: ErrorCode) -> Result:
    """All tries of a step; time-outs of single reads do not end one that trickles."""
    try:
        async with asyncio.timeout(options.transfer_seconds):
            return await step
    except TimeoutError as error:
        raise TransientError(
            f"The music was not carried over within {options.transfer_seconds:g} seconds.",
            code=code,
        ) from error

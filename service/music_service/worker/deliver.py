"""Finished music, from the provider to the app's own Storage."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import stamina

from music_service.errors import ErrorCode, LateAudioError, TransientError
from music_service.tracks import Track
from music_service.worker.ports import AudioStore, Download, FinishedAudio, Options, Provider

ATTEMPTS = 3

Result = TypeVar("Result")
AskAgain = Callable[[], Awaitable[FinishedAudio | None]]


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
) -> tuple[str, str | None, int]:
    """Download to disk and upload from there, each tried a few times and for so long in all.

    `ask_again` tells where the music is now, where it is not at its address; that is asked until
    `late_until`, a moment of the loop's clock.

    Returns:
        The object's key, its public URL if it has one, and the music's length in milliseconds.

    Raises:
        TransientError: it did not work a few times.
        OverdueError: the provider's audio is not usable.
        AudioRefusedError: Storage will never take it.
    """
    with tempfile.TemporaryDirectory(prefix="music-") as folder:
        path = Path(folder) / f"{generation_id}.mp3"
        got = await _in_time(
            _fetch(music, path, provider, options, ask_again=ask_again, late_until=late_until),
            options,
            ErrorCode.PROVIDER_UNAVAILABLE,
        )
        key, url = await _in_time(
            _again(options)(lambda: audio.put(path, track, generation_id)),
            options,
            ErrorCode.STORAGE_FAILED,
        )
    return key, url, got.duration_ms


async def _fetch(
    music: FinishedAudio,
    path: Path,
    provider: Provider,
    options: Options,
    *,
    ask_again: AskAgain,
    late_until: float,
) -> Download:
    """Download the music, for its first minute also where it is not there yet."""

    async def once() -> Download:
        return await provider.download(
            music.url, path, max_bytes=options.max_audio_bytes, told_ms=music.duration_ms
        )

    while True:
        try:
            return await _again(options)(once)
        except LateAudioError:
            if asyncio.get_running_loop().time() >= late_until:
                raise
        await asyncio.sleep(options.poll_seconds)
        music = await ask_again() or music


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

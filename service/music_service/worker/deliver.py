"""Finished music, from the provider to the app's own Storage."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import stamina

from music_service.errors import ErrorCode, TransientError
from music_service.tracks import Track
from music_service.worker.ports import AudioStore, FinishedAudio, Options, Provider

ATTEMPTS = 3

Result = TypeVar("Result")


async def deliver(
    music: FinishedAudio,
    track: Track,
    generation_id: UUID,
    *,
    provider: Provider,
    audio: AudioStore,
    options: Options,
) -> tuple[str, str | None, int]:
    """Download to disk and upload from there, each tried a few times.

    Returns:
        The object's key, its public URL if it has one, and the music's length in milliseconds.

    Raises:
        TransientError: it did not work a few times.
        OverdueError: the provider's audio is not usable.
        AudioRefusedError: Storage will never take it.
    """
    pause = options.first_retry_seconds / 10
    again = stamina.AsyncRetryingCaller(
        attempts=ATTEMPTS,
        timeout=None,
        wait_initial=pause,
        wait_max=4 * pause,
        wait_jitter=pause,
    ).on(TransientError)
    with tempfile.TemporaryDirectory(prefix="music-") as folder:
        path = Path(folder) / f"{generation_id}.mp3"
        got = await again(
            lambda: _in_time(
                provider.download(music.url, path, max_bytes=options.max_audio_bytes), options
            )
        )
        key, url = await again(lambda: _in_time(audio.put(path, track, generation_id), options))
    return key, url, music.duration_ms or got.duration_ms


async def _in_time(step: Awaitable[Result], options: Options) -> Result:
    """One try; time-outs of single reads do not end one that trickles."""
    try:
        async with asyncio.timeout(options.transfer_seconds):
            return await step
    except TimeoutError as error:
        raise TransientError(
            f"The music was not carried over within {options.transfer_seconds:g} seconds.",
            code=ErrorCode.STORAGE_FAILED,
        ) from error

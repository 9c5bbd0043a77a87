"""Finished music, from the provider to the app's own Storage."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

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
    """
    with tempfile.TemporaryDirectory(prefix="music-") as folder:
        path = Path(folder) / f"{generation_id}.mp3"
        got = await _tried(
            lambda: provider.download(music.url, path, max_bytes=options.max_audio_bytes), options
        )
        key, url = await _tried(lambda: audio.put(path, track, generation_id), options)
    return key, url, music.duration_ms or got.duration_ms


async def _tried(step: Callable[[], Awaitable[Result]], options: Options) -> Result:
    for attempt in range(1, ATTEMPTS):
        try:
            return await _in_time(step, options)
        except TransientError:
            pause = attempt * options.first_retry_seconds / 10
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
    return await _in_time(step, options)


async def _in_time(step: Callable[[], Awaitable[Result]], options: Options) -> Result:
    """One try; time-outs of single reads do not end one that trickles."""
    try:
        async with asyncio.timeout(options.transfer_seconds):
            return await step()
    except TimeoutError as error:
        raise TransientError(
            f"The music was not carried over within {options.transfer_seconds:g} seconds.",
            code=ErrorCode.STORAGE_FAILED,
        ) from error

"""Audio streamed to disk and checked before anybody relies on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from music_service.errors import ErrorCode, LateAudioError, OverdueError, TransientError
from music_service.mureka.addresses import refused
from music_service.mureka.frames import Frames, count_frames
from music_service.mureka.http import Http, Stream
from music_service.mureka.lossless import read_flac, read_wav
from music_service.tracks import AudioFormat

MINIMUM_BYTES = 100_000  # shorter downloads have been error bodies
_WRITTEN_AT_ONCE_BYTES = 1 << 18  # to hand a write to a thread costs more than the write
_SHORTEST_MS = 1000
_LONGEST_TOLD_MS = 3600 * 1000


@dataclass(frozen=True, slots=True)
class Download:
    """A finished download; `duration_ms` is by the file itself, whatever the provider told."""

    size_bytes: int
    duration_ms: int


async def download(
    http: Http,
    url: str,
    path: Path,
    *,
    max_bytes: int,
    told_ms: int | None = None,
    audio_format: AudioFormat = "mp3",
    min_bytes: int = MINIMUM_BYTES,
) -> Download:
    """Fetch a file to `path`, never holding it in memory.

    `told_ms` is the length that the provider tells; it is believed only as far as it shows that
    something is missing. Of an MP3 every frame is looked at; WAV and FLAC are believed by their
    beginning, and by the length that came where that tells whether it is all.

    Raises:
        TransientError: the connection broke, the server failed, or bytes were missing.
        LateAudioError: it is not there, or not all of it; it may still come.
        OverdueError: `audio_invalid`: too large, of another format, or at no usable address.
    """
    async with http.stream(url, max_bytes=max_bytes) as stream:
        if stream.status != 200:
            raise _unavailable(stream.status)
        size = await _save(stream, path)
    if size < min_bytes:
        raise _incomplete(f"only {size} bytes")
    if audio_format == "mp3":
        frames = await asyncio.to_thread(count_frames, path)
        _check_frames(frames, size, is_measured=stream.is_measured, told_ms=told_ms)
        return Download(size, frames.duration_ms)
    read = read_wav if audio_format == "wav" else read_flac
    sound = await asyncio.to_thread(read, path)
    if sound is None or sound.duration_ms < _SHORTEST_MS:
        raise refused(f"not a {audio_format.upper()} file")
    if sound.is_whole is False or (sound.is_whole is None and not stream.is_measured):
        raise _incomplete("a part of it is missing")
    return Download(size, sound.duration_ms)


def _check_frames(frames: Frames, size: int, *, is_measured: bool, told_ms: int | None) -> None:
    if frames.duration_ms < _SHORTEST_MS or frames.other_bytes > size // 10:
        raise refused("not an MP3 file")
    if not is_measured and frames.is_cut:
        raise TransientError("The download of the finished music broke off.")
    if frames.are_missing or (not is_measured and _is_short(frames, told_ms)):
        raise _incomplete("a part of it is missing")


async def _save(stream: Stream, path: Path) -> int:
    size, unwritten = 0, bytearray()
    with path.open("wb") as file:
        async for chunk in stream.chunks:
            unwritten += chunk
            if len(unwritten) >= _WRITTEN_AT_ONCE_BYTES:
                size += await asyncio.to_thread(file.write, unwritten)
                unwritten.clear()
        size += await asyncio.to_thread(file.write, unwritten)
    return size


def _is_short(frames: Frames, told_ms: int | None) -> bool:
    return told_ms is not None and frames.duration_ms < 0.9 * told_ms < _LONGEST_TOLD_MS


def _unavailable(status: int) -> TransientError | OverdueError:
    message = f"The finished music is not there ({status})."
    if status in (403, 404):  # servers of files say so of what is not there yet
        return LateAudioError(message)
    if status in (401, 410):
        return OverdueError(message, code=ErrorCode.AUDIO_INVALID)
    return TransientError(f"The server of the finished music answered {status}.")


def _incomplete(what: str) -> LateAudioError:
    return LateAudioError(str(refused(what)))

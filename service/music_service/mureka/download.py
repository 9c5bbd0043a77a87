"""Audio streamed to disk and checked before anybody relies on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from music_service.errors import ErrorCode, OverdueError, TransientError
from music_service.mureka.http import Http, Stream

MINIMUM_BYTES = 100_000  # shorter downloads have been error bodies
BYTES_PER_SECOND = 24_000  # 192 kbps, constant


@dataclass(frozen=True, slots=True)
class Download:
    """A finished download; `duration_ms` is reckoned from size and bit rate."""

    size_bytes: int
    duration_ms: int


async def download(
    http: Http, url: str, path: Path, *, max_bytes: int, min_bytes: int = MINIMUM_BYTES
) -> Download:
    """Fetch an MP3 to `path`, never holding it in memory.

    Raises:
        TransientError: the connection broke, the server failed, or bytes were missing.
        OverdueError: `audio_invalid`: too large, too small, not an MP3, or gone.
    """
    async with http.stream(url) as stream:
        if stream.status != 200:
            raise _unavailable(stream.status)
        size = await _save(stream, path, max_bytes)
    if stream.announced_bytes not in (None, size):
        raise TransientError(f"The download had {size} of {stream.announced_bytes} bytes.")
    if size < min_bytes:
        raise _invalid(f"only {size} bytes")
    if not await asyncio.to_thread(_looks_like_mp3, path):
        raise _invalid("not an MP3 file")
    return Download(size, round(size * 1000 / BYTES_PER_SECOND))


async def _save(stream: Stream, path: Path, max_bytes: int) -> int:
    size = 0
    with path.open("wb") as file:
        async for chunk in stream.chunks:
            size += len(chunk)
            if size > max_bytes:
                raise _invalid(f"more than {max_bytes} bytes")
            await asyncio.to_thread(file.write, chunk)
    return size


def _looks_like_mp3(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)


def _unavailable(status: int) -> TransientError | OverdueError:
    if status in (401, 403, 404, 410):  # a server of files says so of what has expired
        return OverdueError(
            f"The finished music is not there any more ({status}).", code=ErrorCode.AUDIO_INVALID
        )
    return TransientError(f"The server of the finished music answered {status}.")


def _invalid(what: str) -> OverdueError:
    message = f"What Mureka delivered is no usable audio: {what}."
    return OverdueError(message, code=ErrorCode.AUDIO_INVALID)

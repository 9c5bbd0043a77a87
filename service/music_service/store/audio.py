"""Finished audio in Supabase Storage."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from music_service.store import failures
from music_service.store.buckets import objects_in
from music_service.store.client import ProjectClient
from music_service.tracks import AudioFormat, StoredAudio, Track

# A key names one generation, whose audio never changes.
_CACHE_SECONDS = "31536000"
_MIME_TYPES: dict[AudioFormat, str] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
}


class AudioStore:
    """Puts audio where clients can play it.

    Args:
        client: has the service's rights.
        url: the project's URL as apps reach it.
        bucket: the bucket's name.
        public: whether the bucket can be read by everyone who has the URL.
    """

    def __init__(self, client: ProjectClient, url: str, bucket: str, *, public: bool) -> None:
        self._url = url
        self._bucket = bucket
        self._objects = objects_in(client, bucket)
        self._public = public

    async def put(
        self, path: Path, track: Track, generation_id: UUID, audio_format: AudioFormat
    ) -> StoredAudio:
        """Upload a file, streamed from disk; putting it again replaces it.

        It has no public URL in a private bucket.

        Raises:
            TransientError: `storage_failed`; may work later.
            AudioRefusedError: it never will.
        """
        key = f"{track.user_id or 'service'}/{track.id}/{generation_id}.{audio_format}"
        await self._upload(key, path, _MIME_TYPES[audio_format])
        url = f"{self._url}/storage/v1/object/public/{self._bucket}/{key}"
        return StoredAudio(key, url if self._public else None, path.stat().st_size)

    async def _upload(self, key: str, path: Path, mime_type: str) -> None:
        with failures.calling_storage():
            await self._objects.upload(
                key,
                path,
                {
                    "content-type": mime_type,
                    "cache-control": _CACHE_SECONDS,
                    "upsert": "true",
                },
            )

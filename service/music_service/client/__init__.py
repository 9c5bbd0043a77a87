"""For Python apps and backends: ask for tracks, and see them to their end.

client = await acreate_client(url, key)
track = await MusicClient(client).create(prompt="a slow tango")
async for row in watch_track(client, track["id"]):
    print(row["status"])
"""

from music_service.client.music import MusicClient
from music_service.client.rows import (
    AudioFile,
    AudioFormat,
    NewTrack,
    TrackErrorCode,
    TrackRow,
    TrackStage,
    TrackStatus,
    VocalGender,
    has_ended,
)
from music_service.client.watch import (
    wait_for_track,
    wait_for_track_sync,
    watch_track,
    watch_tracks,
)
from music_service.errors import (
    ConfigurationError,
    MusicServiceError,
    RefusedError,
    TrackDeletedError,
    TransientError,
)

__all__ = [
    "AudioFile",
    "AudioFormat",
    "ConfigurationError",
    "MusicClient",
    "MusicServiceError",
    "NewTrack",
    "RefusedError",
    "TrackDeletedError",
    "TrackErrorCode",
    "TrackRow",
    "TrackStage",
    "TrackStatus",
    "TransientError",
    "VocalGender",
    "has_ended",
    "wait_for_track",
    "wait_for_track_sync",
    "watch_track",
    "watch_tracks",
]

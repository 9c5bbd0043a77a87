"""What a track is for an app: the row as the official client hands it over, and what may be set.

A status, stage or error code that is not named here may come from a newer service; a row whose
status is unknown has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

TrackStatus = Literal["pending", "generating", "completed", "error"]
TrackStage = Literal["preparing", "queued", "running", "streaming", "reviewing"]
TrackErrorCode = Literal[
    "invalid_request",
    "over_budget",
    "moderation_blocked",
    "generation_failed",
    "generation_timeout",
    "quota_exhausted",
    "provider_auth",
    "rate_limited",
    "provider_unavailable",
    "audio_invalid",
    "storage_failed",
    "submission_unknown",
    "cancelled",
    "attempts_exhausted",
    "internal",
]
VocalGender = Literal["female", "male"]
AudioFormat = Literal["mp3", "wav", "flac"]


class AudioFile(TypedDict):
    """One file of a track; `url` is None with a private bucket."""

    path: str
    url: str | None
    bytes: int


class TrackRow(TypedDict):
    """A row of `music_tracks`. Times are ISO strings."""

    id: str
    user_id: str | None
    journey_id: str | None
    parent_id: str | None
    prompt: str | None
    title: str | None
    lyrics: str | None
    lyrics_prompt: str | None
    vocal_gender: VocalGender | None
    model: str | None
    audio_formats: list[AudioFormat]
    genre: str | None
    mood: str | None
    tempo: str | None
    duration: int | None
    status: TrackStatus
    stage: TrackStage | None
    expected_ready_at: str | None
    stream_url: str | None
    file_url: str | None
    storage_path: str | None
    audio_files: dict[AudioFormat, AudioFile] | None
    mureka_song_id: str | None
    duration_ms: int | None
    error_code: TrackErrorCode | None
    error_message: str | None
    priority: int
    run_after: str
    attempts: int
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None


class NewTrack(TypedDict, total=False):
    """What may be said of a new track; the last three by a backend alone."""

    id: str
    prompt: Required[str]
    title: str | None
    lyrics: str | None
    lyrics_prompt: str | None
    vocal_gender: VocalGender | None
    model: str | None
    audio_formats: list[AudioFormat]
    genre: str | None
    mood: str | None
    tempo: str | None
    duration: int | None
    journey_id: str | None
    parent_id: str | None
    user_id: str | None
    priority: int
    run_after: str


def has_ended(row: Mapping[str, Any]) -> bool:
    """Whether nothing more happens to a track unless a person asks for it."""
    return row["status"] in ("completed", "error")

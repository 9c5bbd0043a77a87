"""The domain: tracks, claims, their states, and the request that is made of a track. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from music_service.timed_lyrics import Section

# What the table's checks allow.
MAX_PROMPT_CHARACTERS = 1024
MAX_LYRICS_CHARACTERS = 5000
MAX_HINT_CHARACTERS = 100  # genre, mood and tempo, each
MAX_DURATION_SECONDS = 600

MAX_TITLE_CHARACTERS = 120

# What a paid call is for: music without words, music with words, or the words alone.
Kind = Literal["instrumental", "song", "lyrics"]
AudioFormat = Literal["mp3", "wav", "flac"]
# What a call for words is called where the ledger names a model.
LYRICS_MODEL = "lyrics"


class Status(StrEnum):
    """The states of a row in `public.music_tracks`."""

    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    ERROR = "error"


class Outcome(StrEnum):
    """What is known of a track's paid call when its attempt ends; `p_outcome` in SQL.

    `refused`: certainly not accepted. `unknown`: it may have been. Accepted calls are `open` where
    they may still yield music, `overdue` where they are late or their audio is unusable (the next
    retry polls once more), and `failed` where they yield nothing.
    """

    REFUSED = "refused"
    UNKNOWN = "unknown"
    OPEN = "open"
    OVERDUE = "overdue"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Track:
    """What a worker needs to know of a row in `public.music_tracks`.

    `duration_seconds` is the wished length, a hint; `user_id` is None for tracks made by a backend;
    `model` is None where the worker's is to be used. `audio_formats` always holds `mp3`.
    """

    id: UUID
    user_id: UUID | None
    prompt: str
    lyrics: str | None = None
    genre: str | None = None
    mood: str | None = None
    tempo: str | None = None
    duration_seconds: int | None = None
    attempts: int = 0
    lyrics_prompt: str | None = None
    vocal_gender: str | None = None
    model: str | None = None
    audio_formats: tuple[AudioFormat, ...] = ("mp3",)

    @property
    def needs_lyrics(self) -> bool:
        """Its words have to be written before it is a song."""
        return self.lyrics_prompt is not None and not (self.lyrics and self.lyrics.strip())

    @property
    def kind(self) -> Kind:
        """With lyrics a track is a song, without them an instrumental."""
        return "song" if self.lyrics and self.lyrics.strip() else "instrumental"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What is asked of the provider; frozen in the ledger before it is sent.

    `body` is the JSON body of the call; `kind` chooses the route.
    """

    kind: Kind
    body: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The form kept in `music.generations.request`: `{"kind": ..., "body": {...}}`."""
        return {"kind": self.kind, "body": self.body}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GenerationRequest:
        """Read what `to_json` wrote; raises KeyError when a key is missing."""
        return cls(kind=value["kind"], body=value["body"])


@dataclass(frozen=True, slots=True)
class Generation:
    """One paid call in the ledger `music.generations`.

    `request` is what was sent, frozen; `mureka_task_id` is the receipt, None while there is none;
    `age_seconds` is how much of its deadline had passed, by the database's clock, when the track
    was claimed.
    """

    id: UUID
    request: GenerationRequest
    mureka_task_id: str | None
    age_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftOverTask:
    """A task that Mureka may be working on though no track waits for it.

    `age_seconds` is the time since its intent, by the database's clock.
    """

    generation_id: UUID
    kind: Kind
    mureka_task_id: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Those to be asked after now, and how many are `running` in all."""

    tasks: tuple[LeftOverTask, ...]
    running: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's exclusive right to one track, for as long as its lease is renewed.

    `id` is the fence that every write carries; `generation` is what an earlier claim left
    to be resumed, if it left anything. `expected_seconds` is how long generations usually take,
    None while nobody knows; `waited_seconds` is the time since the insert that made it due, None
    for a track that came due otherwise. `asked_at` is when it was asked for, by its insert or by
    whoever had it made again, and `asked_seconds` how long ago; both by the database's clock.
    """

    id: UUID
    track: Track
    generation: Generation | None
    expected_seconds: float | None = None
    waited_seconds: float | None = None
    asked_at: datetime | None = None
    asked_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A file in the app's Storage: its key, its public URL if it has one, its size."""

    path: str
    url: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeliveredMusic:
    """A finished piece of music where clients can play it.

    `files` always holds `mp3`; `song_id` is the provider's name of the music; `sections` are its
    words in time, empty where there are none.
    """

    files: Mapping[AudioFormat, StoredAudio]
    duration_ms: int
    song_id: str | None = None
    sections: tuple[Section, ...] = ()


def compose_prompt(track: Track) -> str:
    """Put prompt, genre, mood, tempo and wished length into one text of at most 1024 characters.

    The provider has no field for any of them. The hints are kept whole and the prompt is cut when
    both do not fit: at a word, where that does not cost half of it.
    """
    hints = [
        f"{name}: {' '.join(value.split())}"
        for name, value in (
            ("genre", track.genre),
            ("mood", track.mood),
            ("tempo", track.tempo),
            ("length", f"about {track.duration_seconds} seconds" if track.duration_seconds else ""),
        )
        if value and value.strip()
    ]
    suffix = f" ({'; '.join(hints)})" if hints else ""
    suffix = suffix[: MAX_PROMPT_CHARACTERS // 2]
    room = MAX_PROMPT_CHARACTERS - len(suffix)
    prompt = track.prompt.strip()
    whole_words = re.match(rf"(?s).{{{room // 2},{room}}}(?!\S)", prompt)
    return (whole_words[0] if whole_words else prompt[:room]).rstrip() + suffix


def lyrics_request_for(track: Track) -> GenerationRequest:
    """The request for the words of a track."""
    return GenerationRequest(kind="lyrics", body={"prompt": track.lyrics_prompt})


def request_for(track: Track, *, model: str, stream: bool) -> GenerationRequest:
    """The request made of a track: one piece of music (`n: 1`) by a pinned model.

    `model` is that of the worker, for tracks that name none.
    """
    body: dict[str, Any] = {
        "model": track.model or model,
        "n": 1,
        "prompt": compose_prompt(track),
        "stream": stream,
    }
    if track.kind == "song":
        body["lyrics"] = track.lyrics
        if track.vocal_gender is not None:
            body["gender"] = track.vocal_gender
    return GenerationRequest(kind=track.kind, body=body)

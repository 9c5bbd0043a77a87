"""The provider: two paid calls that are never repeated here, and everything else that is free."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from music_service.errors import ContractError, SubmissionUnknownError, TransientError
from music_service.mureka.download import Download, download
from music_service.mureka.failures import poll_failure, refusal, submit_failure
from music_service.mureka.http import Answer, Http, connect_http
from music_service.mureka.sections import sections_of
from music_service.mureka.wire import (
    FAILED,
    SUCCEEDED,
    BillingBody,
    Choice,
    LyricsBody,
    TaskBody,
)
from music_service.observe.observer import Observer
from music_service.timed_lyrics import Sections
from music_service.tracks import AudioFormat, GenerationRequest, Kind

Body = TypeVar("Body", bound=BaseModel)

_LONGEST_RUN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Submission:
    """The receipt of a paid call."""

    task_id: str
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class WrittenLyrics:
    """Words for a song, of a track's length at most; `title` is None where none was given."""

    title: str | None
    lyrics: str


@dataclass(frozen=True, slots=True)
class Audio:
    """Finished music at the provider: `url` is that of the MP3, `duration_ms` what was told.

    `other_urls` has the same music as `wav` and `flac`, where it is offered; `song_id` is what the
    provider knows it by; `sections` are empty where no words in time came, or none with sense.
    """

    url: str
    duration_ms: int | None
    song_id: str | None = None
    other_urls: Mapping[str, str] = field(default_factory=dict)
    sections: Sections = ()


@dataclass(frozen=True, slots=True)
class Task:
    """What the provider says of a task; `status` is one of the words that are known.

    One that is not counts as in progress, and is told as `running`. `ran_seconds` is how long a
    task that has ended ran, by the provider's own times; None where these make no sense.
    """

    task_id: str
    status: str
    stream_url: str | None
    audio: Audio | None
    failed_reason: str | None
    ran_seconds: float | None = None

    @property
    def is_succeeded(self) -> bool:
        """The provider is done; `audio` may still be missing."""
        return self.status == SUCCEEDED

    @property
    def is_failed(self) -> bool:
        """It will never yield music."""
        return self.status in FAILED


@dataclass(frozen=True, slots=True)
class Billing:
    """The account's money, in US cents, and how many tasks it may have at once."""

    balance_cents: float
    concurrent_request_limit: int | None


@asynccontextmanager
async def connect_mureka(
    api_key: str,
    base_url: str,
    tls: ssl.SSLContext | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[MurekaClient]:
    """A client with connections of its own; nothing is sent yet. `observer` is told of answers.

    With an `https` address everything that Mureka names must be public and `https` as well.
    """
    async with connect_http(api_key, base_url, tls, observer) as http:
        yield MurekaClient(http)


class MurekaClient:
    """Speaks to Mureka.

    Args:
        http: connections to it with the account's key; their owner closes them.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    async def submit(self, request: GenerationRequest) -> Submission:
        """Pay for one piece of music when it is accepted; so it is sent exactly once.

        Raises:
            RateLimitedError, ProviderBlockedError, PermanentError: clearly refused, not billed.
            TransientError: certainly not accepted; may be sent again.
            SubmissionUnknownError: it may have been accepted; never send it again by yourself.
        """
        body = await self._pay(TaskBody, f"/v1/{request.kind}/generate", request.body)
        return Submission(body.id, body.trace_id)

    async def write_lyrics(self, prompt: str) -> WrittenLyrics:
        """Have words for a song written; paid for when it is accepted, and so sent exactly once.

        Raises as `submit` does; an answer without lyrics was paid for like one that was lost.
        """
        body = await self._pay(LyricsBody, "/v1/lyrics/generate", {"prompt": prompt})
        if body.lyrics is None:
            raise SubmissionUnknownError(
                "Mureka answered the paid call for lyrics without any; it may have been charged."
            )
        return WrittenLyrics(body.title, body.lyrics)

    async def _pay(self, model: type[Body], path: str, content: dict[str, Any]) -> Body:
        answer = await self._http.post_once(path, content)
        if answer.status != 200:
            raise submit_failure(answer)
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise SubmissionUnknownError(
                "The answer to the paid call was not understood; it may have been accepted."
            ) from error

    async def poll(self, kind: Kind, task_id: str) -> Task:
        """What became of a task; free.

        Raises:
            PermanentError: there is no such task.
            ProviderBlockedError: the key is refused.
            TransientError: ask again later.
            ContractError: the answer was not understood, or is of another task.
        """
        answer = await self._http.get(f"/v1/{kind}/query/{quote(task_id, safe='')}")
        if answer.status != 200:
            raise poll_failure(answer)
        body = _parsed(TaskBody, answer)
        if body.id != task_id:
            raise ContractError("Mureka answered of another task than was asked for.")
        finished = next((each for each in body.choices if each.url), None)
        return Task(
            task_id=body.id,
            status=body.status,
            stream_url=await self._stream_url(body.choices),
            audio=_audio(finished) if finished else None,
            failed_reason=body.failed_reason,
            ran_seconds=_span(body.created_at, body.finished_at),
        )

    async def _stream_url(self, choices: list[Choice]) -> str | None:
        """Where listeners may hear it already; None where that is no place to send them."""
        url = next((each.stream_url for each in choices if each.stream_url), None)
        return url if url and await self._http.may_be_shown(url) else None

    async def billing(self) -> Billing:
        """The account; free, and a good check of the key. Raises as `poll` does."""
        answer = await self._http.get("/v1/account/billing")
        if answer.status != 200:
            raise refusal(answer) or TransientError(f"Mureka answered {answer.status}.")
        body = _parsed(BillingBody, answer)
        return Billing(body.balance, body.concurrent_request_limit)

    async def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        told_ms: int | None = None,
        audio_format: AudioFormat = "mp3",
    ) -> Download:
        """Fetch finished music to a file; see `music_service.mureka.download`."""
        return await download(
            self._http,
            url,
            path,
            max_bytes=max_bytes,
            told_ms=told_ms,
            audio_format=audio_format,
        )


def _audio(choice: Choice) -> Audio | None:
    if choice.url is None:
        return None
    others = {"wav": choice.wav_url, "flac": choice.flac_url}
    return Audio(
        choice.url,
        choice.duration,
        song_id=choice.id,
        other_urls={name: url for name, url in others.items() if url},
        sections=sections_of(choice.lyrics_sections, choice.duration),
    )


def _parsed(model: type[Body], answer: Answer) -> Body:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise ContractError("Mureka's answer was not understood.") from error


def _span(began_at: float | None, ended_at: float | None) -> float | None:
    """Seconds between two unix times that a task may have; None for others."""
    if began_at is None or ended_at is None or not 0 <= ended_at - began_at <= _LONGEST_RUN_SECONDS:
        return None
    return ended_at - began_at

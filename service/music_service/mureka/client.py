"""The provider: one paid call that is never repeated here, and everything else that is free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from music_service.errors import ContractError, SubmissionUnknownError, TransientError
from music_service.mureka import download as downloads
from music_service.mureka.failures import NEVER_SENT, poll_failure, refusal, submit_failure
from music_service.mureka.wire import FAILED, SUCCEEDED, BillingBody, TaskBody
from music_service.tracks import GenerationRequest, Kind

SUBMIT_TIMEOUT = httpx.Timeout(60, connect=10)
READ_TIMEOUT = httpx.Timeout(20, connect=10)


@dataclass(frozen=True, slots=True)
class Submission:
    """The receipt of a paid call."""

    task_id: str
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class Audio:
    """Finished music at the provider; `duration_ms` is None where it was not told."""

    url: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """What the provider says of a task. A status that is not known counts as in progress."""

    task_id: str
    status: str
    stream_url: str | None
    audio: Audio | None
    failed_reason: str | None

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
async def connect_mureka(api_key: str, base_url: str) -> AsyncIterator[MurekaClient]:
    """A client with connections of its own; nothing is sent yet.

    Paid calls never go over a connection that was used before: one that the server has just closed
    would leave it unknown whether the call arrived.
    """
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient() as http, httpx.AsyncClient(limits=fresh) as paid:
        yield MurekaClient(http, paid, api_key=api_key, base_url=base_url)


class MurekaClient:
    """Speaks to Mureka.

    Args:
        http: connections for everything that is free; its owner closes it.
        paid: connections for paid calls, which must not be kept alive between them.
        api_key: the account's key; sent as a bearer token, never to the audio's server.
        base_url: `https://api.mureka.ai` or a stand-in.
    """

    def __init__(
        self, http: httpx.AsyncClient, paid: httpx.AsyncClient, *, api_key: str, base_url: str
    ) -> None:
        self._http = http
        self._paid = paid
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._base_url = base_url.rstrip("/")

    async def submit(self, request: GenerationRequest) -> Submission:
        """Pay for one piece of music when it is accepted; so it is sent exactly once.

        Raises:
            RateLimitedError, ProviderBlockedError, PermanentError: clearly refused, not billed.
            TransientError: certainly not accepted; may be sent again.
            SubmissionUnknownError: it may have been accepted; never send it again by yourself.
        """
        try:
            answer = await self._paid.post(
                f"{self._base_url}/v1/{request.kind}/generate",
                json=request.body,
                headers=self._headers,
                timeout=SUBMIT_TIMEOUT,
            )
        except NEVER_SENT as error:
            raise TransientError("Mureka cannot be reached; it is tried again later.") from error
        except httpx.HTTPError as error:
            raise SubmissionUnknownError(
                "The answer to the paid call was lost; it may have been accepted."
            ) from error
        if answer.status_code != 200:
            raise submit_failure(answer)
        try:
            body = TaskBody.model_validate_json(answer.content)
        except ValidationError as error:
            raise SubmissionUnknownError(
                "The answer to the paid call was not understood; it may have been accepted."
            ) from error
        return Submission(body.id, body.trace_id)

    async def poll(self, kind: Kind, task_id: str) -> Task:
        """What became of a task; free.

        Raises:
            PermanentError: there is no such task.
            ProviderBlockedError: the key is refused.
            TransientError: ask again later.
        """
        answer = await self._get(f"/v1/{kind}/query/{quote(task_id, safe='')}")
        if answer.status_code != 200:
            raise poll_failure(answer)
        body = _parsed(TaskBody, answer)
        choice = body.choices[0] if body.choices else None
        audio = None
        if choice is not None and choice.url:
            audio = Audio(choice.url, choice.duration)
        return Task(
            task_id=body.id,
            status=body.status,
            stream_url=choice.stream_url if choice else None,
            audio=audio,
            failed_reason=body.failed_reason,
        )

    async def billing(self) -> Billing:
        """The account; free, and a good check of the key. Raises as `poll` does."""
        answer = await self._get("/v1/account/billing")
        if answer.status_code != 200:
            raise refusal(answer) or TransientError(f"Mureka answered {answer.status_code}.")
        body = _parsed(BillingBody, answer)
        return Billing(body.balance, body.concurrent_request_limit)

    async def download(self, url: str, path: Path, *, max_bytes: int) -> downloads.Download:
        """Fetch finished music to a file; see `music_service.mureka.download`."""
        return await downloads.download(self._http, url, path, max_bytes=max_bytes)

    async def _get(self, path: str) -> httpx.Response:
        try:
            return await self._http.get(
                f"{self._base_url}{path}", headers=self._headers, timeout=READ_TIMEOUT
            )
        except httpx.HTTPError as error:
            raise TransientError("Mureka cannot be reached; it is tried again later.") from error


def _parsed(model: type[Any], answer: httpx.Response) -> Any:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise ContractError("Mureka's answer was not understood.") from error

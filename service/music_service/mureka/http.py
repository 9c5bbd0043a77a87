"""The one door to the network: what goes wrong there becomes an error of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from music_service.errors import ErrorCode, OverdueError, SubmissionUnknownError, TransientError

PAID_TIMEOUT = httpx.Timeout(60, connect=10)
READ_TIMEOUT = httpx.Timeout(20, connect=10)
_CHUNK_BYTES = 1 << 16

# The request certainly never reached the server.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `retry_after` is that header as it was sent."""

    status: int
    content: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is still coming; `announced_bytes` is its length as the header says it."""

    status: int
    announced_bytes: int | None
    chunks: AsyncIterator[bytes]


class Http:
    """Requests to Mureka with the account's key, and to the server of its files without.

    Args:
        free: connections for everything that costs nothing; their owner closes them.
        paid: connections for paid calls, which must not be kept alive between them.
        api_key: sent as a bearer token.
        base_url: `https://api.mureka.ai` or a stand-in.
    """

    def __init__(
        self, free: httpx.AsyncClient, paid: httpx.AsyncClient, *, api_key: str, base_url: str
    ) -> None:
        self._free = free
        self._paid = paid
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._base_url = base_url.rstrip("/")

    async def post_once(self, path: str, body: dict[str, Any]) -> Answer:
        """Send a paid call.

        Raises:
            TransientError: it certainly was not sent.
            SubmissionUnknownError: it may have been accepted.
        """
        try:
            answer = await self._paid.post(
                f"{self._base_url}{path}", json=body, headers=self._headers, timeout=PAID_TIMEOUT
            )
        except _NEVER_SENT as error:
            raise _out_of_reach() from error
        except httpx.HTTPError as error:
            raise SubmissionUnknownError(
                "The answer to the paid call was lost; it may have been accepted."
            ) from error
        return _answer(answer)

    async def get(self, path: str) -> Answer:
        """Ask for something that is free; raises TransientError when no answer comes."""
        try:
            answer = await self._free.get(
                f"{self._base_url}{path}", headers=self._headers, timeout=READ_TIMEOUT
            )
        except httpx.HTTPError as error:
            raise _out_of_reach() from error
        return _answer(answer)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Stream]:
        """Open a file at any address, without the key.

        Raises:
            TransientError: the connection broke, also while the body is read.
            OverdueError: `audio_invalid`: the address is none.
        """
        try:
            async with self._free.stream("GET", url, follow_redirects=True) as answer:
                announced = answer.headers.get("content-length")
                yield Stream(
                    answer.status_code,
                    None if announced is None else int(announced),
                    answer.aiter_bytes(_CHUNK_BYTES),
                )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise OverdueError(
                "What Mureka delivered is no usable audio: its address is none.",
                code=ErrorCode.AUDIO_INVALID,
            ) from error
        except httpx.HTTPError as error:
            raise TransientError("The download of the finished music broke off.") from error


@asynccontextmanager
async def connect_http(api_key: str, base_url: str) -> AsyncIterator[Http]:
    """Connections of its own; nothing is sent yet.

    Paid calls never go over a connection that was used before: one that the server has just closed
    would leave it unknown whether the call arrived.
    """
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient() as free, httpx.AsyncClient(limits=fresh) as paid:
        yield Http(free, paid, api_key=api_key, base_url=base_url)


def _answer(answer: httpx.Response) -> Answer:
    return Answer(answer.status_code, answer.content, answer.headers.get("retry-after"))


def _out_of_reach() -> TransientError:
    return TransientError("Mureka cannot be reached; it is tried again later.")

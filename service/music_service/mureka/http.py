"""The one door to the network: what goes wrong there becomes an error of ours.

Each call has a time in which all of it must be over, since a server that sends a byte now and then
never lets a single read run out of time. Each body has a size that it must not exceed.

Requests wait for a place before they reach a connection, since the work of a pool grows with the
square of what waits in it; their time counts from there. Each kind has places of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from music_service.connections import PlainClient, one_connection
from music_service.errors import (
    ContractError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka.addresses import Addresses, Way, refused
from music_service.mureka.bodies import BodyError, CutError, decoded
from music_service.observe.observer import Observer
from music_service.places import Places

PAID_SECONDS = 60.0
FREE_SECONDS = 20.0
MOST_JSON_BYTES = 1 << 20
MOST_REDIRECTS = 5
POLLS_AT_ONCE = 32
PAID_AT_ONCE = 16
FILES_AT_ONCE = 16
_MOST_SHOWN = 2000
_CONNECT_SECONDS = 10
_CHUNK_BYTES = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
# What is asked for as it is cannot grow while it is decoded.
_AS_IT_IS = {"accept-encoding": "identity"}
# What the client says of itself by default.
_PLAIN = {"accept": "*/*", "user-agent": f"python-httpx/{httpx.__version__}"}

# The request certainly never reached the server.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
# What a client may raise for an answer that nobody would expect.
_ODD = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `retry_after` is that header as it was sent."""

    status: int
    content: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is still coming; `is_measured` where it cannot end early without being noticed.

    Reading `chunks` raises as `Http.stream` does.
    """

    status: int
    is_measured: bool
    chunks: AsyncIterator[bytes]


class Http:
    """Requests to Mureka with the account's key, and to the server of its files without.

    Args:
        free: connections for everything that costs nothing; their owner closes them.
        api_key: sent as a bearer token.
        base_url: `https://api.mureka.ai` or a stand-in.
        addresses: says where files may be fetched; by default what `base_url` asks for.
        tls: the authorities that are trusted where a file is fetched.
        paid_seconds, free_seconds: how long a call may take in all.
        polls, paid: places for polls and for paid calls, with connections that their owner closes;
            by default `free` ones. Those of paid calls must not be kept alive between them.
        observer: told of each answer but those that are files.
    """

    def __init__(
        self,
        free: httpx.AsyncClient,
        *,
        api_key: str,
        base_url: str,
        addresses: Addresses | None = None,
        tls: ssl.SSLContext | bool = True,
        paid_seconds: float = PAID_SECONDS,
        free_seconds: float = FREE_SECONDS,
        polls: Places[httpx.AsyncClient] | None = None,
        paid: Places[httpx.AsyncClient] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._free = free
        self._headers = {"authorization": f"Bearer {api_key}"} | _AS_IT_IS
        self._base_url = base_url.rstrip("/")
        self._addresses = addresses or Addresses(guarded=base_url.lower().startswith("https:"))
        self._tls = tls
        self._paid_seconds = paid_seconds
        self._free_seconds = free_seconds
        self._polls = polls or Places(POLLS_AT_ONCE, lambda: free)
        self._paid = paid or Places(PAID_AT_ONCE, lambda: free)
        self._files = asyncio.Semaphore(FILES_AT_ONCE)
        self._shown: dict[str, None] = {}
        self._observer = observer or Observer()

    async def post_once(self, path: str, body: dict[str, Any]) -> Answer:
        """Send a paid call.

        Raises:
            TransientError: it certainly was not sent.
            SubmissionUnknownError: it may have been accepted.
        """
        async with self._paid.take() as client:
            return await self._post(path, body, client)

    async def _post(self, path: str, body: dict[str, Any], client: httpx.AsyncClient) -> Answer:
        has_left = asyncio.Event()

        async def watch(event: str, _: dict[str, Any]) -> None:
            if event.endswith("send_request_headers.started"):
                has_left.set()

        try:
            async with asyncio.timeout(self._paid_seconds):
                request = client.build_request(
                    "POST",
                    f"{self._base_url}{path}",
                    json=body,
                    headers=self._headers,
                    timeout=_patience(self._paid_seconds),
                    extensions={"trace": watch},
                )
                return await self._answer(client, request)
        except TimeoutError as error:
            if not has_left.is_set():
                raise _out_of_reach() from error
            raise SubmissionUnknownError(
                "The paid call was not answered in time; it may have been accepted."
            ) from error
        except _NEVER_SENT as error:
            raise _out_of_reach() from error
        except (*_ODD, BodyError) as error:
            raise SubmissionUnknownError(
                "The answer to the paid call was lost; it may have been accepted."
            ) from error

    async def get(self, path: str) -> Answer:
        """Ask for something that is free.

        Raises:
            TransientError: no answer came in time.
            ContractError: what came is no answer.
        """
        async with self._polls.take() as connection:
            return await self._get(path, connection)

    async def _get(self, path: str, connection: httpx.AsyncClient) -> Answer:
        try:
            async with asyncio.timeout(self._free_seconds):
                # Not built by a client, which takes its time to merge what it was made with.
                request = httpx.Request(
                    "GET",
                    f"{self._base_url}{path}",
                    headers=self._headers | _PLAIN,
                    extensions={"timeout": _patience(self._free_seconds).as_dict()},
                )
                return await self._answer(connection, request)
        except (*_ODD, CutError) as error:  # TimeoutError is an OSError
            raise _out_of_reach() from error
        except BodyError as error:
            raise ContractError(f"Mureka's answer was not understood: {error}.") from error

    async def _answer(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        """The whole answer; whatever came, or did not, is told."""
        status = None
        try:
            answer = await _answer(client, request)
            status = answer.status
            return answer
        finally:
            self._observer.provider_answered(status)

    async def may_be_shown(self, url: str) -> bool:
        """Whether listeners may be sent to an address; one that was found good is remembered."""
        if url in self._shown:
            return True
        try:
            async with asyncio.timeout(self._free_seconds):
                is_good = await self._addresses.may_be_shown(url)
        except TimeoutError:
            return False
        if is_good:
            self._shown[url] = None
            while len(self._shown) > _MOST_SHOWN:
                del self._shown[next(iter(self._shown))]
        return is_good

    @asynccontextmanager
    async def stream(self, url: str, *, max_bytes: int) -> AsyncIterator[Stream]:
        """Open a file, without the key; its owner limits the time.

        Raises:
            TransientError: the connection broke, also while the body is read.
            OverdueError: `audio_invalid`: the address is none that may be asked, or the body is of
                no use.
        """
        try:
            async with self._files, contextlib.AsyncExitStack() as opened:
                answer = await self._followed(url, opened)
                headers = answer.headers
                coding = headers.get("transfer-encoding", "").lower()
                yield Stream(
                    answer.status_code,
                    "content-length" in headers or "chunked" in coding,
                    decoded(
                        answer.aiter_raw(_CHUNK_BYTES),
                        headers.get("content-encoding"),
                        max_bytes=max_bytes,
                    ),
                )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise refused("its address is none") from error
        except (httpx.HTTPError, httpx.StreamError, CutError) as error:
            raise TransientError("The download of the finished music broke off.") from error
        except BodyError as error:
            raise refused(str(error)) from error

    async def _followed(self, url: str, opened: contextlib.AsyncExitStack) -> httpx.Response:
        """The answer at the end of all redirects, each of which is checked."""
        asked = httpx.URL(url)  # as it is sent, so that what is checked is what is asked
        for _ in range(MOST_REDIRECTS + 1):
            way = await self._addresses.way_to(str(asked))
            client = self._free if not self._addresses.guarded else await self._guarded(way, opened)
            answer = await _sent(client, way, asked)
            opened.push_async_callback(answer.aclose)
            location = answer.headers.get("location")
            if answer.status_code not in _REDIRECTS or not location:
                return answer
            await answer.aclose()
            asked = asked.join(location)
        raise refused("its address leads on and on")

    async def _guarded(self, way: Way, opened: contextlib.AsyncExitStack) -> httpx.AsyncClient:
        """A client that goes the way that was checked and no other, whatever variables say."""
        client = PlainClient(verify=self._tls, trust_env=False, proxy=way.proxy)
        return await opened.enter_async_context(client)


@asynccontextmanager
async def connect_http(
    api_key: str,
    base_url: str,
    tls: ssl.SSLContext | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[Http]:
    """Connections of its own; nothing is sent yet.

    Paid calls never go over a connection that was used before: one that the server has just closed
    would leave it unknown whether the call arrived.
    """
    tls = tls or httpx.create_ssl_context()

    def fresh() -> httpx.AsyncClient:
        return PlainClient(verify=tls, limits=httpx.Limits(max_keepalive_connections=0))

    close = httpx.AsyncClient.aclose
    polls = Places(POLLS_AT_ONCE, lambda: one_connection(verify=tls), close)
    paid = Places(PAID_AT_ONCE, fresh, close)
    async with PlainClient(verify=tls) as free:
        try:
            yield Http(
                free,
                api_key=api_key,
                base_url=base_url,
                tls=tls,
                paid_seconds=PAID_SECONDS,
                free_seconds=FREE_SECONDS,
                polls=polls,
                paid=paid,
                observer=observer,
            )
        finally:
            await polls.aclose()
            await paid.aclose()


async def _answer(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    """The whole answer; one that is clear by its status alone may have a body of any kind."""
    answer = await client.send(request, stream=True)
    try:
        pieces = decoded(
            answer.aiter_raw(_CHUNK_BYTES),
            answer.headers.get("content-encoding"),
            max_bytes=MOST_JSON_BYTES,
        )
        try:
            content = b"".join([piece async for piece in pieces])
        except BodyError:
            if answer.status_code == 200:
                raise
            content = b""
        return Answer(answer.status_code, content, answer.headers.get("retry-after"))
    finally:
        await answer.aclose()


async def _sent(client: httpx.AsyncClient, way: Way, url: httpx.URL) -> httpx.Response:
    """The answer of the first of the checked addresses at which somebody is."""
    requests = [_request(client, url, address) for address in way.addresses or (None,)]
    for request in requests[:-1]:
        with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await client.send(request, stream=True)
    return await client.send(requests[-1], stream=True)


def _request(client: httpx.AsyncClient, url: httpx.URL, address: str | None) -> httpx.Request:
    """A request for a file; to an address, where one was checked, under the name of its host."""
    if address is None:
        return client.build_request("GET", url, headers=_AS_IT_IS, timeout=_patience(FREE_SECONDS))
    return client.build_request(
        "GET",
        url.copy_with(host=address),
        headers=_AS_IT_IS | {"host": url.netloc.decode()},
        timeout=_patience(FREE_SECONDS),
        # The certificate must be the host's, whatever address was connected to.
        extensions={"sni_hostname": url.raw_host.decode()},
    )


def _patience(seconds: float) -> httpx.Timeout:
    """The longest that single steps may take; all of them together are limited besides."""
    return httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))


def _out_of_reach() -> TransientError:
    return TransientError("Mureka cannot be reached; it is tried again later.")

"""The connection to a Supabase project, shared by all that asks its database, Storage or Auth.

The official client of each is used without `supabase`, the package around them all: to import
that takes longer than most commands run.

Requests wait for a place before they reach a connection, since the work of a pool grows with the
square of what waits in it. What keeps claims and money has places of its own.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx
from postgrest import AsyncPostgrestClient, AsyncRequestBuilder

from music_service.connections import PlainClient, one_connection
from music_service.errors import ConfigurationError
from music_service.observe.observer import Observer
from music_service.places import Places

TIMEOUT = httpx.Timeout(20, connect=5)
CALLS_AT_ONCE = 16
RECEIPTS_AT_ONCE = 8
FILES_AT_ONCE = 16
# A worker has one of each under way, however many tracks it makes: they wait for nobody.
_OF_THE_WORKER = (
    "/rpc/renew_music_claims",
    "/rpc/claim_music_tracks",
    "/rpc/release_music_claims",
    "/rpc/report_music_worker",
    "/rpc/report_music_account",
)
_NO_LIMIT = 1000
_RECEIPTS = (
    "/rpc/record_music_task",
    "/rpc/record_music_lyrics",
    "/rpc/refuse_music_generation",
)


class Connections(PlainClient):
    """Connections to a project, of which each kind of request has so many at once.

    Time-outs count from when a request has its place. `observer` is told of each answer.
    """

    def __init__(self, observer: Observer | None = None, **options: Any) -> None:
        super().__init__(timeout=TIMEOUT, **options)
        self._observer = observer or Observer()

        def make() -> httpx.AsyncClient:
            return one_connection(timeout=TIMEOUT, **options)

        def places(at_once: int) -> Places[httpx.AsyncClient]:
            return Places(at_once, make, httpx.AsyncClient.aclose)

        self._of_the_worker = places(_NO_LIMIT)
        self._calls = places(CALLS_AT_ONCE)
        self._receipts = places(RECEIPTS_AT_ONCE)
        self._files = places(FILES_AT_ONCE)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send it as soon as there is a place, and read the whole answer."""
        status = None
        try:
            async with self._place_for(request.url.path) as connection:
                answer = await connection.send(request, **options)
            status = answer.status_code
            return answer
        finally:
            self._observer.supabase_answered(_kind_of(request.url.path), status)

    async def aclose(self) -> None:
        """Close all of them."""
        await super().aclose()
        for places in (self._of_the_worker, self._calls, self._receipts, self._files):
            await places.aclose()

    async def __aexit__(self, *raised: Any) -> None:
        await self.aclose()

    def _place_for(self, path: str) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
        if path.endswith(_OF_THE_WORKER):
            return self._of_the_worker.take()
        if path.endswith(_RECEIPTS):
            return self._receipts.take()
        return (self._files if "/storage/v1/" in path else self._calls).take()


class ProjectClient:
    """A project with the rights of one key, and its database API; `connect` makes it.

    Args:
        url: the project's URL.
        key: the key.
        http: the connections that all requests use; their owner closes them.
    """

    def __init__(self, url: str, key: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.key = key
        self.http = http
        self.headers = {"apikey": key, "authorization": f"Bearer {key}"}
        # The worker has its own way of trying again, and a person would wait for seven seconds.
        self._database = AsyncPostgrestClient(
            f"{url}/rest/v1", headers=self.headers, http_client=http, retry_enabled=False
        )

    def table(self, name: str) -> AsyncRequestBuilder:
        """A query of a table or view in `public`, to be built and executed."""
        return self._database.from_(name)

    def rpc(self, function: str, arguments: dict[str, Any]) -> Any:
        """A call of a function in `public`, to be executed."""
        return self._database.rpc(function, arguments)


def _kind_of(path: str) -> str:
    """The function or table that is asked for, or `storage`: words of ours, not of users."""
    return "storage" if "/storage/v1/" in path else path.rpartition("/")[2]


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that are trusted; reading them is slow, so it is done once."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def connect(
    url: str, secret_key: str, observer: Observer | None = None
) -> AsyncIterator[ProjectClient]:
    """A client with the service's rights; nothing is sent yet. `observer` is told of answers.

    Raises:
        ConfigurationError: the URL is malformed.
    """
    # Without TLS there is nothing to verify, and loading the authorities is slow.
    verify = trusted() if url.startswith("https://") else False
    async with Connections(observer, verify=verify) as http:
        try:
            client = ProjectClient(url, secret_key, http)
        except ValueError as error:
            raise ConfigurationError(f"SUPABASE_URL is not usable: {error}") from error
        yield client

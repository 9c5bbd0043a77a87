"""The connection to a Supabase project, shared by all that asks its database, Storage or Auth.

The official client of each is used without `supabase`, the package around them all: to import
that takes longer than most commands run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from postgrest import AsyncPostgrestClient, AsyncRequestBuilder

from music_service.errors import ConfigurationError

TIMEOUT = httpx.Timeout(20, connect=5)


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
        self._database = AsyncPostgrestClient(
            f"{url}/rest/v1", headers=self.headers, http_client=http
        )

    def table(self, name: str) -> AsyncRequestBuilder:
        """A query of a table or view in `public`, to be built and executed."""
        return self._database.from_(name)

    def rpc(self, function: str, arguments: dict[str, Any]) -> Any:
        """A call of a function in `public`, to be executed."""
        return self._database.rpc(function, arguments)


@asynccontextmanager
async def connect(url: str, secret_key: str) -> AsyncIterator[ProjectClient]:
    """A client with the service's rights; nothing is sent yet.

    Raises:
        ConfigurationError: the URL is malformed.
    """
    # Without TLS there is nothing to verify, and loading the authorities is slow.
    is_encrypted = url.startswith("https://")
    async with httpx.AsyncClient(timeout=TIMEOUT, verify=is_encrypted) as http:
        try:
            client = ProjectClient(url, secret_key, http)
        except ValueError as error:
            raise ConfigurationError(f"SUPABASE_URL is not usable: {error}") from error
        yield client

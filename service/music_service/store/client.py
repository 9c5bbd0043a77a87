"""The connection to a Supabase project, shared by everything in this package."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from music_service.errors import ConfigurationError

TIMEOUT = httpx.Timeout(20, connect=5)


@asynccontextmanager
async def connect(url: str, secret_key: str) -> AsyncIterator[AsyncClient]:
    """An official client with the service's rights; nothing is sent yet.

    Raises:
        ConfigurationError: the URL or the key is malformed.
    """
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        options = AsyncClientOptions(
            httpx_client=http, auto_refresh_token=False, persist_session=False
        )
        try:
            client = await acreate_client(url, secret_key, options)
        except Exception as error:  # the client raises a class of its own that it does not export
            raise ConfigurationError(f"SUPABASE_URL or the key is not usable: {error}") from error
        try:
            yield client
        finally:
            await client.auth.close()

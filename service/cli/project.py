"""The Supabase project that a command talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.settings import ProjectSettings
from service.store.catalog import Catalog
from service.store.client import connect


@asynccontextmanager
async def catalog() -> AsyncIterator[Catalog]:
    """The tracks of the project that the environment or `.env` names.

    Raises:
        ConfigurationError: no project is named, or its key is not the secret one.
    """
    settings = ProjectSettings.load()
    url = settings.supabase_url
    async with connect(url, settings.supabase_secret_key.get_secret_value()) as client:
        yield Catalog(client, url)

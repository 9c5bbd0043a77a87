"""The Supabase project that a command talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from supabase import AsyncClient

from music_service.operations.queue import QueueOperations
from music_service.operations.tracks import TrackTable
from music_service.settings import ProjectSettings
from music_service.store.client import connect


@asynccontextmanager
async def catalog() -> AsyncIterator[TrackTable]:
    """The tracks of the project that the environment or `.env` names; raises as `_project`."""
    async with _project() as (client, url):
        yield TrackTable(client, url)


@asynccontextmanager
async def operations() -> AsyncIterator[QueueOperations]:
    """What operators do to that project; raises as `_project`."""
    async with _project() as (client, url):
        yield QueueOperations(client, url)


@asynccontextmanager
async def _project() -> AsyncIterator[tuple[AsyncClient, str]]:
    """The client and the URL of the project that the environment or `.env` names.

    Raises:
        ConfigurationError: no project is named, or its key is not the secret one.
    """
    settings = ProjectSettings.load()
    url = settings.supabase_url
    async with connect(url, settings.supabase_secret_key.get_secret_value()) as client:
        yield client, url

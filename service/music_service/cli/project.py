"""The Supabase project that a command talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from music_service.settings import ProjectSettings

if TYPE_CHECKING:
    from music_service.operations.project import Project


@asynccontextmanager
async def project() -> AsyncIterator[Project]:
    """The project that the environment or `.env` names, with the service's rights.

    Raises:
        ConfigurationError: no project is named, or its key is not the secret one.
    """
    settings = ProjectSettings.load()
    # The clients take a while to import; nobody waits for them to be told of a wrong setting.
    from music_service.operations.project import connect_project  # noqa: PLC0415

    key = settings.supabase_secret_key.get_secret_value()
    async with connect_project(settings.supabase_url, key) as opened:
        yield opened

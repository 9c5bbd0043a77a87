"""What a project answers to a person's query, with its refusals turned into our errors."""

from __future__ import annotations

from typing import Any, cast

from music_service.store import failures
from music_service.store.client import ProjectClient


class Queries:
    """Queries of a person or a backend.

    Every method, here and in what is built on it, raises ConfigurationError when the project
    refuses or lacks something, and TransientError when it does not answer.

    Args:
        client: has the service's rights.
    """

    def __init__(self, client: ProjectClient) -> None:
        self.client = client

    async def rows(self, query: Any) -> list[dict[str, Any]]:
        """The rows of an answer."""
        with failures.calling_project(self.client.url):
            found = (await query.execute()).data
            if not isinstance(found, list):  # a page of something else, which the client lets by
                raise TypeError("no rows came")
        return cast("list[dict[str, Any]]", found)

    async def check_answers(self) -> None:
        """Ask for no rows: what answers in text would not show that it is no database."""
        await self.rows(self.client.table("music_tracks").select("id").limit(0))

    async def answer(self, query: Any) -> Any:
        """The whole answer."""
        with failures.calling_project(self.client.url):
            return await query.execute()

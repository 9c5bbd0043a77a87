"""What a project answers to a query, with its refusals turned into our errors."""

from __future__ import annotations

from typing import Any, cast

import httpx
from postgrest.exceptions import APIError
from supabase import AsyncClient

from music_service.errors import (
    ConfigurationError,
    ContractError,
    MusicServiceError,
    TransientError,
)
from music_service.store import failures


class Queries:
    """Queries of a person or a backend.

    Every method, here and in what is built on it, raises ConfigurationError when the project
    refuses or lacks something, or does not answer.

    Args:
        client: the official client with the secret key.
        url: the project's URL, for messages.
    """

    def __init__(self, client: AsyncClient, url: str) -> None:
        self.client = client
        self.url = url

    async def rows(self, query: Any) -> list[dict[str, Any]]:
        """The rows of an answer."""
        return cast("list[dict[str, Any]]", (await self.answer(query)).data)

    async def answer(self, query: Any) -> Any:
        """The whole answer."""
        try:
            return await query.execute()
        except (APIError, httpx.HTTPError, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> MusicServiceError:
        if isinstance(error, (APIError, httpx.HTTPError)):
            failure = failures.of_database(error)
            if not isinstance(failure, (TransientError, ContractError)):
                return failure
        return ConfigurationError(
            f"No Supabase answers at {self.url}; check SUPABASE_URL and whether it is running."
        )

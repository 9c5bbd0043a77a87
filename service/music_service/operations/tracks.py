"""Tracks as a backend or an operator handles them: ask for one, look at one, see what waits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from postgrest import CountMethod
from supabase_auth.errors import AuthError

from music_service.errors import ConfigurationError, TransientError
from music_service.operations.queries import Queries

_USERS_PER_PAGE = 200


class TrackTable(Queries):
    """The table `music_tracks` with the service's rights."""

    async def insert(self, track: dict[str, Any]) -> dict[str, Any]:
        """Ask for a track; `track` holds columns and values. Queries the row."""
        table = self.client.table("music_tracks")
        await self.rows(table.select("id").limit(0))  # an insert does not say what is missing
        [row] = await self.rows(table.insert(track))
        return row

    async def read(self, track_id: UUID) -> dict[str, Any]:
        """The row of a track; raises ConfigurationError when there is none."""
        query = self.client.table("music_tracks").select("*").eq("id", str(track_id))
        found = await self.rows(query)
        if not found:
            raise ConfigurationError(f"There is no track {track_id}.")
        return found[0]

    async def unfinished(self, limit: int) -> list[dict[str, Any]]:
        """Tracks that run or wait, in the order in which they will probably be ready."""
        query = (
            self.client.table("music_tracks")
            .select("*")
            .in_("status", ["generating", "pending"])
            .order("status")
            .order("priority", desc=True)
            .order("created_at")
            .limit(limit)
        )
        return await self.rows(query)

    async def count(self, status: str) -> int:
        """How many tracks are in a status."""
        query = self.client.table("music_tracks").select("id", count=CountMethod.exact, head=True)
        return int((await self.answer(query.eq("status", status))).count or 0)

    async def user_id(self, email: str) -> str:
        """The id of the app's user with this address; raises ConfigurationError for nobody."""
        page = 1
        while True:
            try:
                users = await self.client.auth.admin.list_users(page, _USERS_PER_PAGE)
            except (AuthError, httpx.HTTPError) as error:
                raise TransientError(
                    f"The users of {self.url} cannot be listed ({type(error).__name__})."
                ) from error
            for user in users:
                if (user.email or "").lower() == email.lower():
                    return str(user.id)
            if len(users) < _USERS_PER_PAGE:
                raise ConfigurationError(f"There is no user with the e-mail address {email}.")
            page += 1

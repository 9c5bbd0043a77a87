"""The policies on `realtime.messages`, which say who may join a private topic."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from local_supabase.database import Database
from local_supabase.faults import RealtimeFaults

_AS_BEARER = (
    "select set_config('realtime.topic', %s, true), set_config('request.jwt.claims', %s, true),"
    " set_config('role', %s, true)"
)


class Policies:
    """Asks the policies as the platform does: by looking at a message that is then undone.

    Args:
        database: administrator connections.
        faults: may refuse everybody.
    """

    def __init__(self, database: Database, faults: RealtimeFaults) -> None:
        self._database = database
        self._faults = faults

    async def may_read(self, topic: str, claims: dict[str, Any]) -> bool:
        """Whether a message of this topic would be visible to the bearer.

        Raises:
            psycopg.OperationalError: the database cannot be asked.
        """
        if self._faults.refuse_private:
            return False
        try:
            return await self._sees_message(topic, claims)
        except psycopg.OperationalError:
            raise
        except (psycopg.Error, UnicodeError):
            return False  # no grant, no such role, a policy that fails, a topic that is no text

    async def _sees_message(self, topic: str, claims: dict[str, Any]) -> bool:
        async with (
            self._database.administrator() as connection,
            connection.transaction(force_rollback=True),
        ):
            cursor = await connection.execute(
                "insert into realtime.messages (topic, extension) values (%s, 'broadcast')"
                " returning id",
                (topic,),
            )
            message = await cursor.fetchone() or {}
            bearer = (topic, json.dumps(claims), str(claims["role"]))
            await connection.execute(_AS_BEARER, bearer)
            cursor = await connection.execute(
                "select 1 as seen from realtime.messages where id = %s", (message["id"],)
            )
            return await cursor.fetchone() is not None

"""The gateway's way into Postgres: as the administrator, or as the bearer of a token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]


class Database:
    """A small pool of administrator connections to the embedded Postgres.

    Args:
        conninfo: libpq connection string of the superuser `supabase_admin`.
    """

    def __init__(self, conninfo: str, *, max_size: int = 10) -> None:
        self.conninfo = conninfo
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True},
            min_size=1,
            max_size=max_size,
            open=False,
            check=AsyncConnectionPool.check_connection,
            name="embedded",
        )

    async def open(self) -> None:
        """Connect; raises `psycopg_pool.PoolTimeout` when Postgres does not answer in 10 s."""
        await self._pool.open(wait=True, timeout=10)

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[Connection]:
        """A connection of the superuser, one statement a transaction."""
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def acting_as(self, claims: dict[str, Any]) -> AsyncIterator[Connection]:
        """One transaction with the role and the claims of a token, as PostgREST would set them.

        Args:
            claims: the token's claims; without a `role` the bearer is `anon`.

        Raises:
            psycopg.errors.InvalidParameterValue: the role does not exist (22023).
        """
        role = str(claims.get("role") or "anon")
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(
                "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
                (json.dumps(claims), role),
            )
            yield connection

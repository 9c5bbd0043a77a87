"""A database of the cluster, and a copy of one for each test.

Statements run as an operator in the dashboard runs them, or with the role and the claims that the
API would set for a user or the service.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from local_supabase.postgres import Postgres

Connection = psycopg.AsyncConnection[DictRow]
Claim = dict[str, Any]


async def connect(conninfo: str) -> Connection:
    return await psycopg.AsyncConnection[DictRow].connect(
        # Nothing is prepared, since tests change tables under way.
        conninfo,
        autocommit=True,
        row_factory=dict_row,
        prepare_threshold=None,
    )


@dataclass
class Project:
    """One database of the cluster; `sql` runs as its operator."""

    postgres: Postgres
    name: str
    operator: Connection
    opened: list[Connection] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)

    async def another_connection(self) -> Connection:
        connection = await connect(self.postgres.conninfo("postgres", self.name))
        self.opened.append(connection)
        return connection

    async def sql(self, query: str, *args: Any) -> list[DictRow]:
        return await rows(self.operator, query, *args)

    async def value(self, query: str, *args: Any) -> Any:
        return next(iter((await self.sql(query, *args))[0].values()))

    @asynccontextmanager
    async def acting_as(
        self, role: str, user_id: str | None = None
    ) -> AsyncIterator[Callable[..., Awaitable[list[DictRow]]]]:
        """One transaction as the API would open it for the bearer of a token.

        On a connection of the API's, which are used again: a fresh one knows no table and has no
        function ready, which costs more than most of what is tried.
        """
        claims = {"role": role} | ({"sub": user_id} if user_id else {})
        connection = self.idle.pop() if self.idle else await self.another_connection()
        try:
            async with connection.transaction():
                await connection.execute(
                    "select set_config('request.jwt.claims', %s, true),"
                    " set_config('role', %s, true)",
                    (json.dumps(claims), role),
                )

                async def run(query: str, *args: Any) -> list[DictRow]:
                    return await rows(connection, query, *args)

                yield run
        finally:
            if not connection.closed:
                self.idle.append(connection)

    async def as_user(self, user_id: str, query: str, *args: Any) -> list[DictRow]:
        async with self.acting_as("authenticated", user_id) as run:
            return await run(query, *args)

    async def as_service(self, query: str, *args: Any) -> list[DictRow]:
        async with self.acting_as("service_role") as run:
            return await run(query, *args)

    async def new_user(self) -> str:
        return str(
            await self.value(
                "insert into auth.users (email) values (%s) returning id",
                f"{uuid.uuid4().hex}@example.com",
            )
        )

    async def new_track(self, user_id: str | None = None, **columns: Any) -> str:
        values = {"user_id": user_id, "prompt": "a quiet morning"} | columns
        names = ", ".join(values)
        marks = ", ".join("%s" for _ in values)
        return str(
            await self.value(
                f"insert into public.music_tracks ({names}) values ({marks}) returning id",
                *values.values(),
            )
        )

    async def track(self, track_id: str) -> DictRow:
        return (await self.sql("select * from public.music_tracks where id = %s", track_id))[0]

    async def claim(
        self, worker: str = "worker-1", limit: int = 10, lease: float = 30
    ) -> list[Claim]:
        return await self.as_service(
            "select * from public.claim_music_tracks(%s, %s, %s, 2)", worker, limit, lease
        )

    async def write_intent(self, claim: Claim, cost: float = 4.5) -> str:
        generation_id = str(uuid.uuid4())
        found = await self.as_service(
            "select * from public.begin_music_generation(%s, %s, '{}', %s, %s::numeric)",
            claim["claim_id"],
            generation_id,
            "mureka-9" if cost == 4.5 else "model-of-another-price",
            cost,
        )
        assert found
        return generation_id

    async def submitted(self, claim: Claim, task: str | None = None) -> str:
        generation_id = await self.write_intent(claim)
        await self.as_service(
            "select public.record_music_task(%s, %s, null)", generation_id, task or uuid.uuid4().hex
        )
        return generation_id

    async def lose_lease(self, claim: Claim) -> None:
        await self.sql(
            "update music.claims set lease_expires_at = now() - interval '1 second' where id = %s",
            claim["claim_id"],
        )


async def rows(connection: Connection, query: str, *args: Any) -> list[DictRow]:
    cursor = await connection.execute(query.encode(), args or None)
    return await cursor.fetchall() if cursor.description else []


async def copy_database(postgres: Postgres, source: str, copy: str) -> None:
    async with await connect(postgres.conninfo(database="template1")) as administrator:
        # Copying the files is quicker than logging every page of them.
        how = f'template "{source}" owner postgres strategy file_copy'
        await administrator.execute(f'create database "{copy}" {how}'.encode())


@asynccontextmanager
async def copy_of(postgres: Postgres, source: str) -> AsyncIterator[Project]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    await copy_database(postgres, source, name)
    operator = await connect(postgres.conninfo("postgres", name))
    project = Project(postgres, name, operator)
    try:
        yield project
    finally:
        for connection in [operator, *project.opened]:
            await connection.close()
        async with await connect(postgres.conninfo(database="template1")) as administrator:
            await administrator.execute(f'drop database "{name}" with (force)'.encode())

"""The doctor asked of a stack that tests may break, and faults made with SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from local_supabase.stack import Stack
from music_service.doctor.checkup import Given, checkup
from music_service.doctor.findings import Finding
from music_service.doctor.mureka import Mureka

PATIENCE_SECONDS = 1.0
ALIVE = (
    "insert into music.workers (id, last_seen_at) values ('alive', now() + interval '1 hour')"
    " on conflict (id) do nothing"
)


async def administrate(stack: Stack, query: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        stack.admin_database_url, autocommit=True
    ) as connection:
        await connection.execute(query.encode())


async def rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(stack.admin_database_url) as connection:
        return await (await connection.execute(query.encode())).fetchall()


@asynccontextmanager
async def broken(stack: Stack, statement: str, remedy: str) -> AsyncIterator[None]:
    """A fault made with SQL for the length of a block."""
    await administrate(stack, statement)
    try:
        yield
    finally:
        await administrate(stack, remedy)


def given(stack: Stack, **changes: Any) -> Given:
    values: dict[str, Any] = {
        "url": stack.url,
        "key": stack.keys.secret,
        "bucket": "music-tracks",
        "bucket_public": True,
        "mureka": mureka(stack),
        "problems": {},
    }
    return Given(**(values | changes))


def mureka(stack: Stack, **changes: str) -> Mureka:
    values = {
        "key": stack.environment()["MUREKA_API_KEY"],
        "url": stack.simulator_url,
        "model": "mureka-9",
    }
    return Mureka(**(values | changes))


async def findings_of(project: Given) -> list[Finding]:
    return [finding async for finding in checkup(project, patience_seconds=PATIENCE_SECONDS)]

"""What the Mureka account allows reaches the database, and an older database does no harm."""

from __future__ import annotations

from local_supabase.stack import Stack
from tests.support.project import Connection
from tests.support.workers import StartWorker

FUNCTION = "public.report_music_account(int, numeric)"


async def limit(database: Connection) -> int | None:
    cursor = await database.execute("select concurrent_request_limit as at_once from music.account")
    row = await cursor.fetchone()
    assert row is not None
    at_once: int | None = row["at_once"]
    return at_once


async def test_a_worker_tells_at_its_start_what_the_account_allows(
    start_worker: StartWorker, database: Connection, stack: Stack
) -> None:
    await database.execute("update music.account set concurrent_request_limit = null")
    async with start_worker():
        assert await limit(database) == stack.simulator.account.concurrent_request_limit


async def test_a_worker_starts_on_a_database_that_does_not_know_of_accounts(
    start_worker: StartWorker, database: Connection
) -> None:
    await database.execute("update music.account set concurrent_request_limit = null")
    await database.execute(f"alter function {FUNCTION} rename to unheard_of")
    try:
        async with start_worker():
            assert await limit(database) is None
    finally:
        await database.execute(
            "alter function public.unheard_of(int, numeric) rename to report_music_account"
        )

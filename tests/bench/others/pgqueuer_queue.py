"""A worker of PgQueuer, as its documents show one: LISTEN, heartbeats, retries by the database."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job

from tests.bench.others import job

SCHEMA = os.environ.get("BENCH_SCHEMA", "pgqueuer")
ENTRYPOINT = "make"


async def main() -> None:
    """Work until it is ended."""
    pool = await asyncpg.create_pool(
        job.database_url(), min_size=2, max_size=4, server_settings={"search_path": SCHEMA}
    )
    queue = PgQueuer.from_asyncpg_pool(pool)
    async with job.maker() as maker:

        @queue.entrypoint(ENTRYPOINT, executor_factory=DatabaseRetryEntrypointExecutor)
        async def make(wanted: Job) -> None:
            await maker.make((wanted.payload or b"").decode())

        await queue.run(
            batch_size=job.CONCURRENCY // 2,
            max_concurrent_tasks=job.CONCURRENCY,
            dequeue_timeout=timedelta(seconds=job.TIMEOUT_SECONDS),
            heartbeat_timeout=timedelta(seconds=job.TIMEOUT_SECONDS),
        )


if __name__ == "__main__":
    asyncio.run(main())

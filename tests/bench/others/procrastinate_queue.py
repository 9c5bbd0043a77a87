"""A worker of Procrastinate, as its documents show one: LISTEN, heartbeats, stalled jobs retried.

A job of a dead worker is run again by a periodic task of ours, since Procrastinate has none.
"""

from __future__ import annotations

import asyncio
import os

import procrastinate

from tests.bench.others import job

SCHEMA = "procrastinate"
STALLED_CRON = os.environ.get("BENCH_STALLED_CRON", "*/10 * * * *")  # the documents' own


def app_on(database_url: str) -> procrastinate.App:
    """The queue with its tasks, not yet opened; all of it is in a schema of its own."""
    connector = procrastinate.PsycopgConnector(
        conninfo=database_url, kwargs={"options": f"-c search_path={SCHEMA}"}
    )
    return procrastinate.App(connector=connector)


async def main() -> None:
    """Work until it is ended."""
    app = app_on(job.database_url())
    async with job.maker() as maker:

        @app.task(name="make", retry=procrastinate.RetryStrategy(max_attempts=10, wait=1))
        async def make(prompt: str) -> None:
            await maker.make(prompt)

        @app.periodic(cron=STALLED_CRON)
        @app.task(queueing_lock="retry_stalled", pass_context=True)
        async def retry_stalled(_: procrastinate.JobContext, timestamp: int) -> None:
            for stalled in await app.job_manager.get_stalled_jobs(
                seconds_since_heartbeat=job.TIMEOUT_SECONDS
            ):
                await app.job_manager.retry_job(stalled)

        async with app.open_async():
            await app.run_worker_async(
                concurrency=job.CONCURRENCY,
                update_heartbeat_interval=job.TIMEOUT_SECONDS / 3,
                stalled_worker_timeout=job.TIMEOUT_SECONDS,
            )


if __name__ == "__main__":
    asyncio.run(main())

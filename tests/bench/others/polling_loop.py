"""What an app has before it has a queue: every two seconds it reads the rows that are pending."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
from supabase import AsyncClient, acreate_client

from tests.bench.others import job

TABLE = "polled_tracks"
SECONDS = 2.0


async def main() -> None:
    """Work until it is ended."""
    client = await acreate_client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SECRET_KEY"])
    async with job.maker() as maker, asyncio.TaskGroup() as group:
        while True:
            try:
                rows = await _pending(client)
            except httpx.HTTPError:  # it is there again some other time
                rows = []
            for row in rows:
                group.create_task(_make(client, maker, row), name="track")
            await asyncio.sleep(SECONDS)


async def _pending(client: AsyncClient) -> list[Any]:
    pending = client.table(TABLE).select("*").eq("status", "pending").order("id")
    return list((await pending.limit(job.CONCURRENCY).execute()).data)


async def _make(client: AsyncClient, maker: job.Maker, row: Any) -> None:
    taken = client.table(TABLE).update({"status": "generating"}).eq("status", "pending")
    if not (await taken.eq("id", row["id"]).execute()).data:
        return  # another worker was faster
    await maker.make(row["prompt"])
    await client.table(TABLE).update({"status": "completed"}).eq("id", row["id"]).execute()


if __name__ == "__main__":
    asyncio.run(main())

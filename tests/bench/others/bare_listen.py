"""Hears of each insert by LISTEN and says when: a line for each, the prompt and unix seconds."""

from __future__ import annotations

import asyncio
import sys
import time

import psycopg

from tests.bench.others import job

CHANNEL = "bench"


async def main() -> None:
    """Listen until it is ended."""
    async with await psycopg.AsyncConnection.connect(
        job.database_url(), autocommit=True
    ) as connection:
        await connection.execute(f"listen {CHANNEL}")
        async for heard in connection.notifies():
            sys.stdout.write(f"{time.time()} {heard.payload}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())

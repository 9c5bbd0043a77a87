"""How soon an idle worker claims an insert: with the broadcast, and with postgres_changes alone.

    scripts/bench pickup [INSERTS]

Starts an embedded stack and a worker process of their own, spaces single inserts at random, and
reads both moments from the database's clock in `music.events`. The stack is idle but for that: the
sweep is put out of the way, and Mureka takes so long that nothing is polled or made meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import psycopg
from rich.console import Console
from rich.progress import track
from rich.table import Table
from supabase import AsyncClientOptions, acreate_client

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.bench_worker import worker
from tests.support.project import ROOT

DEFAULT_INSERTS = 200
MOST_INSERTS = 900  # all are held by one worker until the end
MEAN_GAP_SECONDS = 0.25
QUIET = {
    "MUSIC_SWEEP_SECONDS": "3600",
    "MUSIC_MAX_CONCURRENT": "1000",
    "MUREKA_POLL_SECONDS": "3600",
    "MUREKA_TIMEOUT_SECONDS": "7200",
}

LATENCIES = """
select percentile_cont(array[0, 0.5, 0.9, 0.99, 1]) within group (
         order by 1000 * extract(epoch from claimed.at - created.at)),
       count(*)
from music.events created
join music.events claimed on claimed.track_id = created.track_id and claimed.kind = 'claimed'
join public.music_tracks t on t.id = created.track_id  -- those that warmed it up are deleted
where created.kind = 'created'
"""


async def main(inserts: int) -> None:
    """Measure both ways in one run and print them side by side."""
    table = Table("hint", "claimed", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms")
    for hint in ("broadcast", "postgres_changes"):
        with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
            Path(folder).chmod(0o755)
            async with Stack(
                Path(folder), Ports.free(), project_dir=ROOT, simulator_seconds=3600
            ) as stack:
                stack.simulator.account.concurrent_request_limit = 1000
                percentiles, claimed = await measure(stack, hint, inserts)
        table.add_row(hint, f"{claimed}/{inserts}", *(f"{value:.1f}" for value in percentiles))
    Console().print(table)


async def measure(stack: Stack, hint: str, inserts: int) -> tuple[list[float], int]:
    """Percentiles of milliseconds from insert to claim, and how many were claimed."""
    async with await psycopg.AsyncConnection.connect(
        stack.database_url, autocommit=True
    ) as connection:
        await connection.execute(
            "update music.settings set max_concurrent = null, max_concurrent_per_user = null,"
            " daily_budget_cents = null where id"
        )
        if hint == "postgres_changes":
            await connection.execute(
                "alter table public.music_tracks disable trigger music_tracks_announce_insert"
            )
        async with worker(stack, **QUIET) as process:
            await until_ready(connection, process)
            await insert_at_random(stack, inserts, hint)
            return await read_latencies(connection, inserts)


async def until_ready(connection: Any, process: asyncio.subprocess.Process) -> None:
    """Wait until the worker claims a track by a hint, so that its subscription certainly works."""
    while process.returncode is None:
        await connection.execute("insert into public.music_tracks (prompt) values ('warm up')")
        await asyncio.sleep(1)
        cursor = await connection.execute(
            "select count(*) from music.events where kind = 'claimed'"
        )
        if (await cursor.fetchone())[0] > 0:
            await asyncio.sleep(3)
            await connection.execute("delete from public.music_tracks")
            return
    raise SystemExit(f"The worker ended with exit code {process.returncode}.")


async def insert_at_random(stack: Stack, inserts: int, hint: str) -> None:
    """Insert one track at a time through the API, as an app does."""
    async with httpx.AsyncClient(timeout=20) as http:
        options = AsyncClientOptions(httpx_client=http)
        client = await acreate_client(stack.url, stack.keys.secret, options)
        for number in track(range(inserts), description=f"{inserts} inserts, {hint}"):
            await client.table("music_tracks").insert({"prompt": f"track {number}"}).execute()
            await asyncio.sleep(random.expovariate(1 / MEAN_GAP_SECONDS))
        await client.auth.close()


async def read_latencies(connection: Any, inserts: int) -> tuple[list[float], int]:
    """What the history says, once everything is claimed or ten seconds have passed."""
    for _ in range(20):
        cursor = await connection.execute(LATENCIES)
        percentiles, claimed = await cursor.fetchone()
        if claimed >= inserts:
            break
        await asyncio.sleep(0.5)
    return percentiles, claimed


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_INSERTS
    if wanted > MOST_INSERTS:
        raise SystemExit(f"At most {MOST_INSERTS} inserts are measured at once.")
    asyncio.run(main(wanted))

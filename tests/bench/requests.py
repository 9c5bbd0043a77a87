"""What a worker asks of the project: requests for each track, and for each minute of idling.

    scripts/bench requests

With the settings as they come, but for `MUREKA_POLL_SECONDS`, which is 1 because a simulated
generation is short; requests to Mureka and to Storage are counted, too.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from uuid import UUID

import psycopg
from rich.console import Console
from rich.table import Table
from supabase import acreate_client

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.client import wait_for_track
from tests.support.bench_worker import worker
from tests.support.project import ROOT

TRACKS = 20
IDLE_SECONDS = 60
COUNTED = (
    "/rpc/claim_music_tracks",
    "/rpc/renew_music_claims",
    "/rpc/begin_music_generation",
    "/rpc/record_music_task",
    "/rpc/report_music_stage",
    "/rpc/complete_music_track",
    "/rpc/",
    "/storage/v1/object/",
)


async def main() -> None:
    """Count both and print them side by side."""
    with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
        Path(folder).chmod(0o755)
        async with Stack(
            Path(folder), Ports.free(), project_dir=ROOT, simulator_seconds=8
        ) as stack:
            async with await psycopg.AsyncConnection.connect(
                stack.database_url, autocommit=True
            ) as operator:
                await operator.execute(
                    "update music.settings set max_concurrent = null, daily_budget_cents = null"
                )
            async with worker(stack, MUREKA_POLL_SECONDS="1", MUSIC_MAX_CONCURRENT=str(TRACKS)):
                await make_one(stack, "warm up")
                idle = await counted(stack, asyncio.sleep(IDLE_SECONDS))
                busy = await counted(stack, make_many(stack))
    table = Table("request", "each track", "each idle minute")
    for path in (*COUNTED, "Mureka"):
        table.add_row(path, f"{busy[path] / TRACKS:.2f}", f"{idle[path] * 60 / IDLE_SECONDS:.1f}")
    Console().print(table)


async def counted(stack: Stack, doing: object) -> dict[str, int]:
    """How many requests of each kind were made meanwhile; each request counts once."""
    stack.faults.gateway.clear()
    plans = {path: stack.faults.gateway.count(path) for path in COUNTED}
    mureka = stack.faults.mureka.count("/")
    await doing  # type: ignore[misc]
    named = {path: plan.met for path, plan in plans.items()}
    stack.faults.clear()
    return named | {"Mureka": mureka.met}


async def make_one(stack: Stack, prompt: str) -> None:
    """Ask for a track and wait for it."""
    client = await acreate_client(stack.url, stack.keys.secret)
    answer = await client.table("music_tracks").insert({"prompt": prompt}).execute()
    row = answer.data[0]
    assert isinstance(row, dict)
    ended = await wait_for_track(client, UUID(str(row["id"])))
    assert ended["status"] == "completed", ended
    await client.auth.close()


async def make_many(stack: Stack) -> None:
    """Ask for all tracks, one by one, and wait for all."""
    async with asyncio.TaskGroup() as group:
        for number in range(TRACKS):
            group.create_task(make_one(stack, f"track {number}"))
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main())

"""What a claim costs beside ever more finished tracks.

    scripts/bench claim [MOST]

One embedded stack without a worker; 1,000 tracks of 100 users wait. For each number of finished
tracks, each of which was paid for and has its history, a claim of ten is timed inside Postgres and
undone, and so is `music_queue_health`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.status import Status
from rich.table import Table

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.project import ROOT

FINISHED = (1_000, 10_000, 100_000, 1_000_000)
CALLS = 40
CALLS_UNTIL_PLANS_ARE_KEPT = 6
TIMED = {
    "claim": "select * from public.claim_music_tracks('bench', 10, 30)",
    "health": "select * from public.music_queue_health",
}
WAITING = """
set session_replication_role = replica;
update music.settings set max_concurrent = 400, daily_budget_cents = null where id;
insert into auth.users (id, email)
select gen_random_uuid(), n || '@example.com' from generate_series(1, 100) n;
insert into public.music_tracks (user_id, prompt)
select u.id, 'rain' from generate_series(1, 10), auth.users u;
"""
MORE = """
set session_replication_role = replica;
with made as (
  insert into public.music_tracks
    (user_id, prompt, status, file_url, created_at, started_at, completed_at)
  select (select id from auth.users where email = n % 100 + 1 || '@example.com'), 'rain',
         'completed', 'u', now() - interval '2 days', now() - interval '1 day',
         now() - interval '1 day'
  from generate_series(1, %(count)s) n
  returning id, user_id
), paid as (
  insert into music.generations
    (id, track_id, user_id, state, request, model, intent_at, mureka_task_id, accepted_at,
     expected_cost_cents, finished_at)
  select gen_random_uuid(), id, user_id, 'succeeded', '{}', 'mureka-9', now() - interval '1 day',
         id::text, now() - interval '1 day', 4.5, now() - interval '1 day'
  from made
)
insert into music.events (track_id, at, kind)
select id, now() - interval '1 day', kind from made, unnest(array['claimed', 'completed']) kind;
"""


async def main(most: int) -> None:
    """Fill the tables step by step and print what each call took."""
    table = Table("finished tracks", *(f"{n} {unit}" for n in TIMED for unit in ("p50 ms", "max")))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
        Path(folder).chmod(0o755)
        async with Stack(Path(folder), Ports.free(), project_dir=ROOT) as stack:
            with console.status("Making the tracks that wait") as status:
                await fill_and_time(stack, table, status, most)
    console.print(table)


async def fill_and_time(stack: Stack, table: Table, status: Status, most: int) -> None:
    """Add a row to the table for each size."""
    async with stack.database.administrator() as administrator:
        await administrator.execute(WAITING.encode())
        there = 0
        for finished in (size for size in FINISHED if size <= most):
            status.update(f"{finished:,} finished tracks")
            await administrator.execute(MORE.replace("%(count)s", str(finished - there)).encode())
            await administrator.execute(b"vacuum analyze")
            there = finished
            times = [await time_of(stack, query) for query in TIMED.values()]
            figures = [f"{value:.1f}" for pair in times for value in pair]
            table.add_row(f"{finished:,}", *figures)


async def time_of(stack: Stack, query: str) -> tuple[float, float]:
    """The median and the longest of several calls, in milliseconds; each is undone."""
    milliseconds: list[float] = []
    async with await psycopg.AsyncConnection[Any].connect(stack.database_url) as connection:
        for number in range(CALLS + CALLS_UNTIL_PLANS_ARE_KEPT):
            began = time.perf_counter()
            await connection.execute(query.encode())
            if number >= CALLS_UNTIL_PLANS_ARE_KEPT:
                milliseconds.append(1000 * (time.perf_counter() - began))
            await connection.rollback()
    return statistics.median(milliseconds), max(milliseconds)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else FINISHED[-1]))

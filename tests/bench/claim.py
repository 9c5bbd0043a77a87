"""What a claim costs beside ever more finished tracks.

    scripts/bench claim [MOST]

One embedded stack without a worker; 1,000 tracks wait, of 100 users and then of 1,000. For each
number of finished tracks, all made and paid for today and with their history, claims of one and of
ten are timed inside Postgres and undone, and so is `music_queue_health`. A million take some
minutes to make; MOST ends sooner. On a machine that does other things, too, the processor time of
Postgres says more than the clock; Linux alone tells it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.finished import finished
from tests.support.project import ROOT

FINISHED = (1_000, 10_000, 100_000, 1_000_000)
WAITING_USERS = (100, 1_000)
CALLS = 40
CALLS_UNTIL_PLANS_ARE_KEPT = 6
CLAIM = "select * from public.claim_music_tracks('bench', {}, 30)"
TIMED = {
    "claim of 1": CLAIM.format(1),
    "claim of 10": CLAIM.format(10),
    "health": "select * from public.music_queue_health",
}
WAITING = """
set session_replication_role = replica;
update music.settings set max_concurrent = 400, daily_budget_cents = 1000000000,
  daily_budget_cents_of_guests = 1000000000 where id;
insert into auth.users (id, email)
select gen_random_uuid(), n || '@example.com' from generate_series(1, 1000) n;
insert into public.music_tracks (prompt) select 'rain' from generate_series(1, 1000) n;
"""
SHARE_OUT = """
with users as (
  select id, row_number() over (order by id) as number from auth.users order by id limit %(users)s
), waiting as (
  select id, row_number() over (order by id) as number
  from public.music_tracks where status = 'pending'
)
update public.music_tracks t set user_id = u.id
from waiting w join users u on u.number = w.number % %(users)s + 1
where t.id = w.id;
vacuum analyze public.music_tracks;
"""


@dataclass(frozen=True)
class Beside:
    """What the calls took beside so many finished tracks, while so many users wait.

    Of each call in `TIMED` the median, the 95th of a hundred and median processor time, in ms.
    """

    finished: int
    users: int
    ms: dict[str, tuple[float, float, float]]


async def main(most: int) -> None:
    """Fill the tables step by step and print what each call took."""
    columns = (f"{name}, ms\np50 / p95 (processor)" for name in TIMED)
    table = Table("finished", "waiting\nusers", *columns)
    console = Console()
    sizes = [size for size in FINISHED if size <= most]
    with console.status("Making the tracks that wait") as status:
        async for beside in times(sizes, WAITING_USERS, status.update):
            figures = [f"{p50:.1f} / {p95:.1f} ({cpu:.1f})" for p50, p95, cpu in beside.ms.values()]
            table.add_row(f"{beside.finished:,}", f"{beside.users:,}", *figures)
    console.print(table)


async def times(
    sizes: Sequence[int], waiting_users: Sequence[int], say: Callable[[str], None]
) -> AsyncIterator[Beside]:
    """What the calls take beside each of these sizes, on a stack of their own."""
    with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
        Path(folder).chmod(0o755)
        async with (
            Stack(Path(folder), Ports.free(), project_dir=ROOT) as stack,
            stack.database.administrator() as administrator,
        ):
            await administrator.execute(WAITING.encode())
            there = 0
            for size in sizes:
                say(f"{size:,} finished tracks")
                await finished(administrator, size - there)
                there = size
                for users in waiting_users:
                    await share_out(administrator, users)
                    ms = {name: await time_of(stack, query) for name, query in TIMED.items()}
                    yield Beside(size, users, ms)


async def share_out(administrator: Any, users: int) -> None:
    """Give the tracks that wait to so many users."""
    await administrator.execute("set session_replication_role = replica")
    for statement in SHARE_OUT.replace("%(users)s", str(users)).split(";"):
        if statement.strip():
            await administrator.execute(statement.encode())


async def time_of(stack: Stack, query: str) -> tuple[float, float, float]:
    """Median, the 95th of a hundred and median processor time in ms; each call is undone."""
    took, busy = list[float](), list[float]()
    async with await psycopg.AsyncConnection[Any].connect(stack.database_url) as connection:
        for _ in range(CALLS + CALLS_UNTIL_PLANS_ARE_KEPT):
            began, began_busy = time.perf_counter(), busy_seconds(connection.info.backend_pid)
            await connection.execute(query.encode())
            took.append(1000 * (time.perf_counter() - began))
            busy.append(1000 * (busy_seconds(connection.info.backend_pid) - began_busy))
            await connection.rollback()
    took, busy = took[CALLS_UNTIL_PLANS_ARE_KEPT:], busy[CALLS_UNTIL_PLANS_ARE_KEPT:]
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], statistics.median(busy)


def busy_seconds(pid: int) -> float:
    """How long a process has had a processor so far; not a number where nobody says."""
    found = Path(f"/proc/{pid}/schedstat")
    return int(found.read_text().split()[0]) / 1e9 if found.exists() else float("nan")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else FINISHED[-1]))

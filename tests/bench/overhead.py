"""What the service adds to Mureka's own time, and what that costs.

    scripts/bench overhead [TRACKS] [SECONDS ...]   by default 20 generations of 8, 30 and 90 s
    scripts/bench overhead --many TRACKS            so many at once, of 30 s

Each generation takes its time give or take a twentieth. Beside the simulator's own times are held
those of the row: when it has `stream_url`, and when it is completed. `before` asks each 4 s, `now`
as `MUREKA_POLL_SECONDS` is by default; each has a stack and a worker of its own, both at once. What
a worker learns from its first tracks and what each of them costs is seen apart: `first` are those
of a worker that knows nothing, `next` those after. Music is made once, before anything is measured.
Processor time is what the worker uses beyond what it uses while it is idle, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.bench_worker import FIXED, cpu_seconds, worker
from tests.support.project import ROOT

SECONDS = (8.0, 30.0, 90.0)
TRACKS = 20
MANY_SECONDS = 30.0
SPREAD = 0.05
IDLE_SECONDS = 10
MUSIC_SECONDS = 5  # about the shortest that is taken for music
PROMPT = "rain"  # the same for all, so that one file is made
POLICIES: dict[str, dict[str, str]] = {"before": {FIXED: "4"}, "now": {}}
UNLIMITED = """
update music.settings set max_concurrent = null, max_concurrent_per_user = null,
  max_pending = null, max_pending_per_user = null, daily_budget_cents = null where id
"""
INSERT = "insert into public.music_tracks (prompt) select %s from generate_series(1, %s)"
INSERT_SONG = "insert into public.music_tracks (prompt, lyrics) values (%s, 'La.')"
FORGET = "delete from music.generations where track_id is not null"
UNFINISHED = "select count(*) from public.music_tracks where status in ('pending', 'generating')"
SEEN = """
select g.mureka_task_id, extract(epoch from t.completed_at)::float,
  (select extract(epoch from min(e.at))::float from music.events e
   where e.track_id = t.id and e.kind = 'stage' and e.detail->>'stage' = 'streaming')
from public.music_tracks t join music.generations g on g.track_id = t.id
where t.status = 'completed'
"""


@dataclass
class Figures:
    """Of each generation the seconds that its stream and its end were seen late; what it cost."""

    tracks: int
    sound_late: list[float] = field(default_factory=list)
    end_late: list[float] = field(default_factory=list)
    polls: float = 0
    cpu_ms: float = 0
    cores: float = 0
    took_seconds: float = 0
    requests: float = 0  # to Supabase, besides the upload


@dataclass
class Bench:
    """A stack and a worker on it."""

    stack: Stack
    operator: psycopg.AsyncConnection[Any]
    process: asyncio.subprocess.Process
    idle_cores: float = 0

    async def warm_up(self) -> None:
        """Have the music made, as a song, which teaches nothing of instrumentals."""
        self.stack.simulator.seconds = 1
        await self.operator.execute(INSERT_SONG, (PROMPT,))
        await self._until_finished(60)
        await self.operator.execute(FORGET)
        before = cpu_seconds(self.process)
        await asyncio.sleep(IDLE_SECONDS)
        self.idle_cores = (cpu_seconds(self.process) - before) / IDLE_SECONDS

    async def make(self, tracks: int, seconds: float, over_seconds: float) -> Figures:
        """Have tracks made, inserted over a time, and see when and at what cost."""
        await self.operator.execute("delete from public.music_tracks")
        known = set(self.stack.simulator.account.tasks)
        polls = self.stack.faults.mureka.count("/query/")
        requests = self.stack.faults.gateway.count("/")
        uploads = self.stack.faults.gateway.count("/storage/v1/object/")
        loop = asyncio.get_running_loop()
        began, cpu_before = loop.time(), cpu_seconds(self.process)
        varying = asyncio.create_task(self._vary(seconds))
        try:
            await self._insert(tracks, over_seconds)
            await self._until_finished(seconds * (1 + SPREAD) + over_seconds + 300)
        finally:
            varying.cancel()
        figures = Figures(tracks, took_seconds=loop.time() - began)
        cpu = cpu_seconds(self.process) - cpu_before
        figures.cores = cpu / figures.took_seconds
        figures.cpu_ms = 1000 * max(cpu - self.idle_cores * figures.took_seconds, 0) / tracks
        figures.polls = polls.met / tracks
        figures.requests = (requests.met - uploads.met) / tracks
        self.stack.faults.clear()
        await self._compare(figures, known)
        return figures

    async def _insert(self, tracks: int, over_seconds: float) -> None:
        if not over_seconds:
            await self.operator.execute(INSERT, (PROMPT, tracks))
            return
        for _ in range(tracks):
            await self.operator.execute(INSERT, (PROMPT, 1))
            await asyncio.sleep(over_seconds / tracks * random.uniform(0.5, 1.5))

    async def _vary(self, seconds: float) -> None:
        while True:
            self.stack.simulator.seconds = seconds * random.uniform(1 - SPREAD, 1 + SPREAD)
            await asyncio.sleep(0.01)

    async def _until_finished(self, patience_seconds: float) -> None:
        async with asyncio.timeout(patience_seconds):
            while True:
                await asyncio.sleep(0.5)
                [unfinished] = await self._first(UNFINISHED)
                if not unfinished:
                    return

    async def _compare(self, figures: Figures, known: set[str]) -> None:
        tasks = self.stack.simulator.account.tasks
        cursor = await self.operator.execute(SEEN)
        for task_id, completed_at, sound_at in await cursor.fetchall():
            task = tasks[task_id]
            if task_id in known:
                continue
            figures.end_late.append(completed_at - task.finished_at)
            # One that was not shown before its end was as late as that.
            figures.sound_late.append(
                (sound_at or completed_at) - (task.accepted_at + task.seconds / 2)
            )
        if len(figures.end_late) != figures.tracks:
            raise SystemExit(f"{len(figures.end_late)} of {figures.tracks} tracks were completed.")

    async def _first(self, query: str) -> Any:
        return await (await self.operator.execute(query)).fetchone()


@asynccontextmanager
async def bench(tracks: int, settings: dict[str, str]) -> AsyncIterator[Bench]:
    """An idle stack that makes whatever is asked for, and one worker that has made one track."""
    with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
        Path(folder).chmod(0o755)
        async with Stack(Path(folder), Ports.free(), project_dir=ROOT) as stack:
            stack.simulator.account.concurrent_request_limit = 10 * tracks + 100
            stack.simulator.music_seconds = MUSIC_SECONDS
            async with await psycopg.AsyncConnection.connect(
                stack.database_url, autocommit=True
            ) as operator:
                await operator.execute(UNLIMITED)
                limit = str(min(max(tracks, 10), 1000))
                async with worker(stack, MUSIC_MAX_CONCURRENT=limit, **settings) as process:
                    ready = Bench(stack, operator, process)
                    await ready.warm_up()
                    yield ready


async def figures_of(
    policy: str, tracks: int, seconds: float
) -> list[tuple[str, float, str, Figures]]:
    """Those of a worker that knows nothing yet, and of the same worker after that."""
    async with bench(tracks, POLICIES[policy]) as ready:
        over_seconds = min(seconds / 3, 10)
        first = await ready.make(tracks, seconds, over_seconds)
        following = await ready.make(tracks, seconds, over_seconds)
        return [(policy, seconds, "first", first), (policy, seconds, "next", following)]


async def compare(tracks: int, lengths: Sequence[float]) -> None:
    """Measure both policies with each length and print them under each other."""
    table = Table(
        *("seconds", "polls", "tracks", "end p50 s", "p95", "sound p50 s", "p95"),
        *("polls each", "CPU ms each"),
    )
    console = Console()
    for seconds in lengths:
        with console.status(f"{tracks} generations of {seconds:g} s, twice"):
            both = await asyncio.gather(*(figures_of(each, tracks, seconds) for each in POLICIES))
        for policy, length, which, figures in [row for rows in both for row in rows]:
            late = (*_quantiles(figures.end_late), *_quantiles(figures.sound_late))
            table.add_row(
                *(f"{length:g}", policy, which),
                *(f"{value:.2f}" for value in late),
                *(f"{figures.polls:.1f}", f"{figures.cpu_ms:.0f}"),
            )
    console.print(table)


async def many(tracks: int) -> None:
    """So many at once: when all are completed, and what of a core that takes."""
    table = Table(
        *("tracks", "polls", "all done after s", "end p50 s", "p95", "sound p50 s", "p95"),
        *("polls each", "CPU ms each", "cores"),
    )
    console = Console()
    for policy, settings in POLICIES.items():
        with console.status(f"{tracks} generations of {MANY_SECONDS:g} s at once, {policy}"):
            async with bench(tracks, settings) as ready:
                figures = await ready.make(tracks, MANY_SECONDS, 0)
        late = (*_quantiles(figures.end_late), *_quantiles(figures.sound_late))
        table.add_row(
            *(f"{tracks}", policy, f"{figures.took_seconds:.0f}"),
            *(f"{value:.2f}" for value in late),
            *(f"{figures.polls:.1f}", f"{figures.cpu_ms:.0f}", f"{figures.cores:.2f}"),
        )
    console.print(table)


def _quantiles(values: list[float]) -> tuple[float, float]:
    known = sorted(values)
    return known[len(known) // 2], known[int(0.95 * (len(known) - 1))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench overhead")
    parser.add_argument("tracks", nargs="?", type=int, default=TRACKS)
    parser.add_argument("seconds", nargs="*", type=float, default=SECONDS)
    parser.add_argument("--many", type=int, metavar="TRACKS")
    given = parser.parse_args()
    asyncio.run(many(given.many) if given.many else compare(given.tracks, given.seconds))

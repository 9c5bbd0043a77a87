"""How much one worker holds, and how many tracks a minute workers make of an instant provider."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from local_supabase.stack import Stack
from tests.bench import processes, sides
from tests.bench.names import OURS

PATIENCE_SECONDS = 120
SAMPLES = 5
AT_ONCE = 25  # places of each worker where only the speed counts
MUSIC_SECONDS = 5  # about the shortest that is taken for music
ONE_SONG = "rain"  # the same for all, so that the stand-in makes one file
_INSERT = "insert into public.music_tracks (prompt) select %s from generate_series(1, %s)"
_UNFINISHED = """
select count(*) as n from public.music_tracks where status in ('pending', 'generating')
"""
_FORGET = """
delete from public.music_tracks;
delete from music.generations where true;
truncate bench.inserted, bench.receipts, bench.made;
"""


async def forget(stack: Stack) -> None:
    """No track, no paid call, no task of before."""
    async with stack.database.administrator() as connection:
        await connection.execute(_FORGET)
    stack.simulator.account.forget()


async def memory_mb(stack: Stack, tracks: int) -> list[float]:
    """Samples of what a fresh worker holds in memory while it has so many tracks at Mureka."""
    await forget(stack)
    stack.simulator.seconds = 3600
    await _insert(stack, tracks)
    async with sides.started(OURS, stack, MUSIC_MAX_CONCURRENT="1000") as process:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(stack.simulator.account.tasks) < tracks:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.2)
        await asyncio.sleep(3)
        samples = list[float]()
        for _ in range(SAMPLES):
            await asyncio.sleep(1)
            samples.append(processes.memory_mb(process.pid))
    await forget(stack)
    return samples


@dataclass(frozen=True)
class Throughput:
    """Tracks a minute, and of what processor time they were made: cores by part."""

    tracks_per_minute: float
    cores: dict[str, float]

    @property
    def limited_by(self) -> str:
        """In words: what was busy all the time."""
        parts = sorted(self.cores.items(), key=lambda part: -part[1])
        busy = ", ".join(f"{name} {cores:.2f}" for name, cores in parts if cores >= 0.05)
        used, there = sum(self.cores.values()), os.cpu_count() or 1
        if used >= 0.85 * there:
            return f"the machine: {used:.1f} of {there} cores busy ({busy})"
        if self.cores.get("the stand-in", 0) >= 0.85:
            return f"the stand-in, which has one core ({busy})"
        return f"waiting, not the processor: {used:.1f} of {there} cores busy ({busy})"


async def throughput(stack: Stack, workers: int, tracks: int) -> Throughput:
    """Have so many tracks made by an instant provider, after a warm-up of some."""
    await forget(stack)
    stack.simulator.seconds = 0
    stack.simulator.music_seconds = MUSIC_SECONDS
    async with AsyncExitStack() as open_:
        pids = []
        for _ in range(workers):
            started = sides.started(OURS, stack, MUSIC_MAX_CONCURRENT=str(AT_ONCE))
            pids.append((await open_.enter_async_context(started)).pid)
        for warm_up in (2 * workers, 2 * workers):
            await _insert(stack, warm_up)
            await _until_made(stack)
        before, began = processes.cpu_by_part(pids), time.monotonic()
        await _insert(stack, tracks)
        await _until_made(stack)
        seconds = time.monotonic() - began
        after = processes.cpu_by_part(pids)
    await forget(stack)
    cores = {part: (spent - before[part]) / seconds for part, spent in after.items()}
    return Throughput(60 * tracks / seconds, cores)


async def _insert(stack: Stack, tracks: int) -> None:
    async with stack.database.administrator() as connection:
        await connection.execute(
            "alter table public.music_tracks disable trigger bench_note_insert"
        )
        await connection.execute(_INSERT, (ONE_SONG, tracks))
        await connection.execute("alter table public.music_tracks enable trigger bench_note_insert")


async def _until_made(stack: Stack) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await asyncio.sleep(0.05)
            async with stack.database.administrator() as connection:
                row = await (await connection.execute(_UNFINISHED)).fetchone()
            if row == {"n": 0}:
                return

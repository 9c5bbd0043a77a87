"""How soon an insert becomes a paid call: ours beside the others, and a bare LISTEN.

All workers wait at the same time, on one Postgres; each round asks all of them in turn, in another
order each time. From the insert's transaction to the arrival of the paid call at Mureka is the
same distance for everybody: ours has been claimed and its intent written by then. Ours alone has a
history, which tells of the claim by itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from local_supabase.stack import Stack
from tests.bench import sides
from tests.bench.names import LISTEN, OURS, PGQUEUER, POLLING, PROCRASTINATE
from tests.bench.sides import Asking

COMPARED = (OURS, PROCRASTINATE, PGQUEUER, POLLING)
CLAIMED = f"{OURS}, claim"
LOST_SHARE = 0.1
PATIENCE_SECONDS = 60
FOLLOWED_SECONDS = 5  # until a worker that has just been started hears of everything
# Mureka takes so long that nothing is polled or made meanwhile. The sweep is as it comes.
HELD = {
    "MUSIC_MAX_CONCURRENT": "1000",
    "MUREKA_POLL_SECONDS": "3600",
    "MUREKA_TIMEOUT_SECONDS": "7200",
}
_INSERTED = "select job, extract(epoch from at)::float as at from bench.inserted"
_CLAIMED = """
select t.prompt as job, extract(epoch from e.at)::float as at
from music.events e join public.music_tracks t on t.id = e.track_id where e.kind = 'claimed'
"""


@dataclass
class Heard:
    """Of each job the moments of its paid call, its claim and its notification, in unix seconds."""

    paid: dict[str, float] = field(default_factory=dict)
    claimed: dict[str, float] = field(default_factory=dict)
    notified: dict[str, float] = field(default_factory=dict)


@asynccontextmanager
async def waiting_workers(stack: Stack, heard: Heard) -> AsyncIterator[None]:
    """One worker of each side, which all have made a track."""
    async with AsyncExitStack() as open_:
        for side in COMPARED:
            settings = HELD if side == OURS else {}
            await open_.enter_async_context(sides.started(side, stack, **settings))
        listener = await open_.enter_async_context(sides.started(LISTEN, stack))
        reading = asyncio.create_task(_read(listener, heard), name="what LISTEN hears")
        open_.callback(reading.cancel)
        yield


async def _read(listener: asyncio.subprocess.Process, heard: Heard) -> None:
    assert listener.stdout is not None
    async for line in listener.stdout:
        at, _, job = line.decode().rstrip("\n").partition(" ")
        heard.notified[job] = float(at)


async def warm_up(stack: Stack, asking: Asking, names: Sequence[str] = COMPARED) -> None:
    """Ask each side for a track until each has answered one, and once more when all hear."""
    for turn in range(2):
        asked = [f"{name} warm-up {turn}" for name in names]
        for name, job in zip(names, asked, strict=True):
            await asking.of[name](job)
        await _until_paid(stack, asked)
        await asyncio.sleep(FOLLOWED_SECONDS if turn == 0 else 0)


async def rounds_of(
    stack: Stack,
    asking: Asking,
    heard: Heard,
    *,
    rounds: int,
    inserts: int,
    gap_seconds: float,
    names: Sequence[str] = COMPARED,
    tag: str = "round",
) -> dict[str, list[list[float]]]:
    """Milliseconds from insert to paid call of each side and round; of ours to the claim, too."""
    jobs = [_jobs(names, f"{tag} {turn}", inserts) for turn in range(rounds)]
    for of_round in jobs:
        for turn in range(inserts):
            for name in random.sample(names, len(names)):
                await asking.of[name](of_round[name][turn])
                await asyncio.sleep(random.expovariate(len(names) / gap_seconds))
        await _until_paid(stack, [job for made in of_round.values() for job in made])
    inserted = await _moments(stack, _INSERTED)
    heard.paid = {task["prompt"]: task["accepted_at"] for task in stack.simulator.ledger}
    heard.claimed = await _moments(stack, _CLAIMED)
    found = {name: [_late(each[name], inserted, heard.paid) for each in jobs] for name in names}
    found[CLAIMED] = [_late(of_round[OURS], inserted, heard.claimed) for of_round in jobs]
    found[LISTEN] = [_late(of_round[OURS], inserted, heard.notified) for of_round in jobs]
    return found


def _jobs(names: Sequence[str], tag: str, inserts: int) -> dict[str, list[str]]:
    return {name: [f"{name} {tag} {number}" for number in range(inserts)] for name in names}


def _late(jobs: list[str], since: dict[str, float], until: dict[str, float]) -> list[float]:
    return [1000 * (until[job] - since[job]) for job in jobs if job in until]


async def _moments(stack: Stack, query: str) -> dict[str, float]:
    async with stack.database.administrator() as connection:
        cursor = await connection.execute(query.encode())
        return {row["job"]: row["at"] for row in await cursor.fetchall()}


async def _until_paid(stack: Stack, jobs: list[str]) -> None:
    """Wait until Mureka has been asked for all of these; raises TimeoutError with the others."""
    tasks, missing = stack.simulator.account.tasks, set(jobs)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while missing := missing - {task.prompt for task in tasks.values()}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(missing)} were never submitted, such as {min(missing)}")
        await asyncio.sleep(0.1)

"""How often each side pays for a track while its workers are killed, all at the same moments.

Two workers of each side make the same number of tracks: a paid call, then polls until the music is
there. At each kill one of the two gets SIGKILL, on every side at once, and is started again. A side
that runs a job again does so once its worker has given no sign of life for the same time. The
others are as their documents have them, each job repeated from its beginning until it succeeds;
one of them also with a job that keeps the id of Mureka's task as soon as it has it, which anybody
would write who has paid twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from local_supabase.stack import Stack
from tests.bench import sides
from tests.bench.capacity import MUSIC_SECONDS, forget
from tests.bench.names import OURS, PGQUEUER, POLLING, PROCRASTINATE, WITH_RECEIPTS
from tests.bench.sides import Asking

COMPARED = (OURS, PROCRASTINATE, PGQUEUER, WITH_RECEIPTS, POLLING)
WORKERS = 2
SIGN_OF_LIFE_SECONDS = 5.0
GENERATION_SECONDS = 3.0
SUBMIT_SECONDS = (0.1, 0.6)
POLL_SECONDS = "0.5"
PATIENCE_SECONDS = 90
_SETTINGS = {
    OURS: {
        "MUSIC_LEASE_SECONDS": str(SIGN_OF_LIFE_SECONDS),
        "MUSIC_SWEEP_SECONDS": "1",
        "MUREKA_POLL_SECONDS": POLL_SECONDS,
    },
    PROCRASTINATE: {"BENCH_STALLED_CRON": "* * * * * */2"},
}
_OF_OTHERS = {"BENCH_POLL_SECONDS": POLL_SECONDS, "BENCH_TIMEOUT": str(SIGN_OF_LIFE_SECONDS)}
_ENDS = """
select prompt as job, coalesce(error_code, status) as how from public.music_tracks
"""
_MADE = "select job, 'completed' as how from bench.made"


@dataclass(frozen=True)
class Paid:
    """What became of the tracks of a side; the rest was not finished when patience ended.

    `for_a_person` have an unanswered paid call, which nobody repeats unasked.
    """

    tracks: int
    calls: int
    completed: int
    for_a_person: int

    @property
    def per_track(self) -> float:
        """Paid calls for each track."""
        return self.calls / self.tracks


async def paid_under_kills(
    stack: Stack, asking: Asking, *, tracks: int, kills: int, seconds: float, seed: int
) -> dict[str, Paid]:
    """Of each side, what it paid and made."""
    await forget(stack)
    simulator = stack.simulator
    simulator.seconds, simulator.submit_seconds = GENERATION_SECONDS, SUBMIT_SECONDS
    simulator.music_seconds = MUSIC_SECONDS
    running: dict[str, list[asyncio.subprocess.Process]] = {}
    try:
        for side in COMPARED:
            running[side] = [await _start(side, stack) for _ in range(WORKERS)]
        await _warm_up(stack, asking)
        asked = asyncio.create_task(_ask(asking, tracks, seconds), name="asking")
        await _kill(stack, running, random.Random(seed), kills, seconds)
        await asked
        await _until_ended(stack, _jobs(tracks, [side for side in COMPARED if side != POLLING]))
        ends = await _ends(stack)
    finally:
        simulator.submit_seconds = (0.0, 0.0)
        started = [process for workers in running.values() for process in workers]
        await asyncio.gather(*map(sides.end, started))
    return {side: _paid(stack, side, tracks, ends) for side in COMPARED}


async def _start(side: str, stack: Stack) -> asyncio.subprocess.Process:
    settings = _SETTINGS.get(side, {}) | ({} if side == OURS else _OF_OTHERS)
    return await sides.start(side, stack, **settings)


async def _warm_up(stack: Stack, asking: Asking) -> None:
    for side in COMPARED:
        await asking.of[side](f"{side} warm-up of kills")
    missing = await _until_ended(stack, [f"{side} warm-up of kills" for side in COMPARED])
    if missing:
        raise TimeoutError(f"not made: {', '.join(missing)}")


async def _ask(asking: Asking, tracks: int, seconds: float) -> None:
    for number in range(tracks):
        for side in COMPARED:
            await asking.of[side](f"{side} killed {number}")
        await asyncio.sleep(seconds / tracks)


async def _kill(
    stack: Stack,
    running: dict[str, list[asyncio.subprocess.Process]],
    chance: random.Random,
    kills: int,
    seconds: float,
) -> None:
    """One of the two workers of every side, by turns, at moments that chance chooses."""
    began = time.monotonic()
    for number in range(kills):
        at = seconds * (number + chance.uniform(0.5, 1.0)) / kills
        await asyncio.sleep(max(began + at - time.monotonic(), 0))
        victim = number % WORKERS
        for workers in running.values():
            if workers[victim].returncode is None:
                workers[victim].kill()
        for side, workers in running.items():
            await workers[victim].wait()
            workers[victim] = await _start(side, stack)


def _jobs(tracks: int, names: Sequence[str]) -> list[str]:
    return [f"{side} killed {number}" for side in names for number in range(tracks)]


async def _until_ended(stack: Stack, jobs: list[str]) -> list[str]:
    """Wait until these have ended, but not without end; answers which have not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (  # noqa: ASYNC110  nobody is told
        missing := await _open(stack, jobs)
    ) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return missing


async def _open(stack: Stack, jobs: list[str]) -> list[str]:
    ends = await _ends(stack)
    return [job for job in jobs if ends.get(job, "pending") in ("pending", "generating")]


async def _ends(stack: Stack) -> dict[str, str]:
    async with stack.database.administrator() as connection:
        found = [
            row
            for query in (_ENDS, _MADE)
            for row in await (await connection.execute(query)).fetchall()
        ]
    return {row["job"]: row["how"] for row in found}


def _paid(stack: Stack, side: str, tracks: int, ends: dict[str, str]) -> Paid:
    jobs = _jobs(tracks, [side])
    calls = Counter(task["prompt"] for task in stack.simulator.ledger)
    how = Counter(ends.get(job, "lost") for job in jobs)
    return Paid(
        tracks, sum(calls[job] for job in jobs), how["completed"], how["submission_unknown"]
    )

"""Two workers by the systemd unit, restarted one after another while tracks are asked for.

The verdict is the simulator's ledger: each track is completed, by one paid call and no attempt that
failed. `ExecStart`, the signal and the patience are those of the unit file.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.project import IS_FULL, ROOT
from tests.support.releases import last_release, unpacked
from tests.support.systemd import Instances, Unit
from tests.support.tracks import Tracks

UNIT = Unit.read(ROOT / "deploy" / "systemd" / "music-service@.service")
ROUNDS = 6 if IS_FULL else 2
AT_ONCE = 5
PATIENT = {"MUSIC_LEASE_SECONDS": "30"}  # a machine may be slow; none is to be taken over here
INSTANCES = ("1", "2")


@pytest.fixture
def service(fleet: Fleet) -> Instances:
    """Workers as the unit says."""
    return Instances(UNIT, fleet)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the last release."""
    folder = tmp_path_factory.mktemp("older")
    return unpacked(last_release(), folder, "service/music_service") / "service"


@contextlib.asynccontextmanager
async def load(tracks: Tracks) -> AsyncIterator[list[uuid.UUID]]:
    """Tracks that are asked for all the while, so that some are always open; those so far."""
    asked: list[uuid.UUID] = []

    async def ask() -> None:
        while True:
            if await _open(tracks) < AT_ONCE:
                asked.append(await tracks.ask())
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask(), name="load")
    try:
        yield asked
        assert not asking.done(), "asking went on to the end"
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@pytest.fixture(autouse=True)
def slow_submits(stack: Stack) -> Iterator[None]:
    """Paid calls take long enough that each stop meets some in the air."""
    stack.simulator.submit_seconds = (0.3, 1.2)
    yield
    stack.simulator.submit_seconds = (0.0, 0.0)


async def restart_all(service: Instances, asked: list[uuid.UUID], **environment: str) -> list[int]:
    """Restart each worker once more tracks have been asked for; answers the exit codes."""
    codes = []
    for instance in INSTANCES:
        await until(partial(_reached, asked, len(asked) + 5), "more tracks are asked for")
        codes.append(await service.restart(instance, **PATIENT, **environment))
    return codes


async def _open(tracks: Tracks) -> int:
    [row] = await tracks.sql(
        "select count(*) from public.music_tracks where status in ('pending', 'generating')"
    )
    return int(row["count"])


async def _reached(asked: list[uuid.UUID], count: int) -> bool:
    return len(asked) >= count


async def judge(stack: Stack, tracks: Tracks, asked: list[uuid.UUID]) -> None:
    """Every track is there, made by one paid call."""
    rows = [await tracks.ends(track_id) for track_id in asked]
    ends = {(row["status"], row["error_code"], row["attempts"]) for row in rows}
    assert ends == {("completed", None, 0)}
    assert {await tracks.paid(track_id) for track_id in asked} == {1}
    calls = await tracks.sql(
        "select count(*) as calls, count(distinct track_id) as tracks from music.generations"
        " where track_id = any (%s)",
        asked,
    )
    assert calls == [{"calls": len(asked), "tracks": len(asked)}]


@pytest.mark.timeout(300)
async def test_a_rolling_restart_under_load_loses_nothing_and_pays_nothing_twice(
    stack: Stack, tracks: Tracks, service: Instances
) -> None:
    for instance in INSTANCES:
        await service.start(instance, **PATIENT)
    codes = []
    async with load(tracks) as asked:
        for _ in range(ROUNDS):
            codes += await restart_all(service, asked)
    await judge(stack, tracks, asked)
    assert set(codes) == {0}
    assert service.killed == [], "each was drained before its patience ended"
    [in_the_air] = await tracks.sql(
        "select count(*) from music.events where kind = 'released' and track_id = any (%s)", asked
    )
    assert in_the_air["count"] > 0, "some were at work when they were stopped"
    print(f"{len(codes)} restarts, {len(asked)} tracks, {in_the_air['count']} handed over")


@pytest.mark.timeout(300)
async def test_an_upgrade_and_the_way_back_under_load_lose_nothing_and_pay_nothing_twice(
    stack: Stack, tracks: Tracks, service: Instances, older: Path
) -> None:
    before, now = {"PYTHONPATH": str(older)}, {"PYTHONPATH": str(ROOT / "service")}
    for instance in INSTANCES:
        await service.start(instance, **PATIENT, **before)
    async with load(tracks) as asked:
        codes = await restart_all(service, asked, **now)
        codes += await restart_all(service, asked, **before)
        codes += await restart_all(service, asked, **now)
    await judge(stack, tracks, asked)
    assert (set(codes), service.killed) == ({0}, [])

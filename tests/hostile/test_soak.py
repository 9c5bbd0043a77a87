"""The soak: users, kills, outages and a provider that errs, for as long as one likes.

`scripts/soak` runs it for an hour, `scripts/soak 5` for five minutes; else it is a rehearsal
of half a minute. The verdict is reckoned from Mureka's own ledger, the database and the processes.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from psycopg.rows import DictRow

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support import soak as parts
from tests.support.fleet import fleet_of
from tests.support.project import ROOT, SignedIn
from tests.support.soak import Size, Soak, most_at_once, size_of
from tests.support.times import QUICK
from tests.support.tracks import Tracks

MINUTES = float(os.environ.get("MUSIC_SOAK_MINUTES", "0.5"))
USERS = 6
OF_ALL, OF_A_USER = 8, 2
WAITING_OF_A_USER = 15  # or hours of asking would take hours to end
GENERATION_SECONDS = 3.0
PATIENCE_SECONDS = 300

MakeUser = Callable[[], Awaitable[SignedIn]]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack of its own, whose Mureka takes a few seconds."""
    data_dir = tmp_path_factory.mktemp("soak")
    async with Stack(
        data_dir,
        Ports.free(),
        project_dir=ROOT,
        simulator_seconds=GENERATION_SECONDS,
        times=QUICK,
        durable=False,
    ) as running:
        running.simulator.music_seconds = 5
        running.simulator.submit_seconds = (0.05, 0.8)
        yield running


@pytest.fixture
async def soak(stack: Stack) -> AsyncIterator[Soak]:
    """Two workers under limits."""
    tracks = await Tracks.of(
        stack,
        max_concurrent=OF_ALL,
        max_concurrent_per_user=OF_A_USER,
        max_pending_per_user=WAITING_OF_A_USER,
        daily_budget_cents=None,
    )
    seed = int(os.environ.get("MUSIC_TEST_SEED", random.randrange(10**9)))
    print(f"MUSIC_TEST_SEED={seed}")
    async with fleet_of(stack) as fleet:
        port = Ports.free().gateway
        steady = await fleet.start("steady", HEALTH_PORT=f"{port}", **parts.WORKER)
        doomed = await fleet.start("doomed", **parts.WORKER)
        running = Soak(
            stack,
            tracks,
            fleet,
            random.Random(seed),
            steady,
            doomed,
            f"http://127.0.0.1:{port}/readyz",
        )
        yield running
    await tracks.close()


@pytest.mark.timeout(MINUTES * 60 + PATIENCE_SECONDS + 120)
async def test_paid_once_ended_bounded_and_flat_whatever_happens(
    soak: Soak, make_user: MakeUser
) -> None:
    users = [await make_user() for _ in range(USERS)]
    sizes = await rage(soak, users)
    print(await parts.shown(soak, soak.began_at))
    await calm(soak)
    print(await parts.shown(soak, soak.began_at))
    print(" · ".join(f"{name} {count}" for name, count in sorted(soak.done.items())))
    await judge_payments(soak)
    await judge_ends(soak)
    judge_limits(soak, users)
    judge_sizes(sizes)
    for worker in (soak.steady, soak.doomed):
        assert worker.exit_code is None
        assert [line for line in worker.log if "exception" in line] == []


async def rage(soak: Soak, users: list[SignedIn]) -> list[Size]:
    """Everything at once for the time of the soak; answers the steady worker's sizes."""
    seconds = MINUTES * 60
    jobs = [parts.live(soak, user, mean_pause_seconds=4) for user in users]
    jobs += [
        parts.edit(soak),
        parts.err(soak),
        parts.kill(soak, mean_pause_seconds=min(20, seconds / 4)),
        parts.cut_off(soak, mean_pause_seconds=min(90, seconds / 3)),
    ]
    tasks = [asyncio.create_task(job) for job in jobs]
    sizes: list[Size] = []
    told = 0
    try:
        while (passed := time.monotonic() - soak.began_at) < seconds:
            await asyncio.sleep(2)
            if (size := await size_of(soak)) is not None:
                sizes.append(size)
            if passed // 60 > told:
                told = int(passed // 60)
                print(await parts.shown(soak, soak.began_at), sizes[-1], flush=True)
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return sizes


async def calm(soak: Soak) -> None:
    """Nothing goes wrong any more: every row ends."""
    soak.stack.faults.clear()
    await parts.revive(soak)
    until = time.monotonic() + PATIENCE_SECONDS
    while await left(soak):
        assert time.monotonic() < until, await left(soak)
        await soak.operate(
            "update public.music_tracks set run_after = now()"
            " where status = 'pending' and run_after > now() + interval '1 s'"
        )
        await asyncio.sleep(1)


async def left(soak: Soak) -> list[DictRow]:
    """Rows that have not ended."""
    return await soak.tracks.sql(
        "select id, status, run_after, error_code, error_message from public.music_tracks"
        " where status in ('pending', 'generating')"
    )


async def judge_payments(soak: Soak) -> None:
    """Mureka's ledger and ours say the same, and nobody paid twice for what was asked once."""
    calls = await soak.tracks.sql(
        "select track_id::text, mureka_task_id, request #>> '{body,prompt}' as prompt"
        " from music.generations"
    )
    accepted = soak.stack.simulator.account.tasks
    receipts = {call["mureka_task_id"] for call in calls if call["mureka_task_id"]}
    assert receipts <= set(accepted)
    without = Counter(task.prompt for task in accepted.values() if task.id not in receipts)
    unknown = Counter(call["prompt"] for call in calls if not call["mureka_task_id"])
    assert without <= unknown, "a task that nobody wrote down"
    again = await soak.tracks.sql(
        "select track_id::text, count(*) as times from music.events"
        " where kind in ('retried', 'requeued', 'regenerated') group by track_id"
    )
    asked_again = {row["track_id"]: row["times"] for row in again}
    track_of = {call["prompt"]: call["track_id"] for call in calls}
    paid = Counter(task.prompt for task in accepted.values())
    twice = {
        prompt: count
        for prompt, count in paid.items()
        if count > 1 + asked_again.get(track_of[prompt], 0)
    }
    assert twice == {}
    print(
        f"paid {paid.total()} · receipts {len(receipts)} · unknown {without.total()}"
        f" · tracks paid more than once, as people asked: {sum(n > 1 for n in paid.values())}"
    )


async def judge_ends(soak: Soak) -> None:
    """Each row says how it ended, and each completed one has its audio."""
    rows = await soak.tracks.sql(
        "select t.id, t.status, t.error_code, t.error_message, t.file_url, o.id is not null as kept"
        " from public.music_tracks t left join storage.objects o on o.name = t.storage_path"
    )
    ends = Counter(row["error_code"] or row["status"] for row in rows)
    print(" · ".join(f"{name} {count}" for name, count in ends.most_common()))
    assert ends["completed"] > 0
    assert [row for row in rows if row["status"] == "error" and not row["error_message"]] == []
    assert [row for row in rows if row["status"] == "completed" and not row["kept"]] == []
    async with httpx.AsyncClient() as http:
        for row in [row for row in rows if row["status"] == "completed"][-20:]:
            answer = await http.get(row["file_url"])
            assert answer.status_code == 200


def judge_limits(soak: Soak, users: list[SignedIn]) -> None:
    """In no moment of Mureka's own ledger did more run than the limits allow."""
    accepted = list(soak.stack.simulator.account.tasks.values())
    of_all = most_at_once(accepted)
    of_a_user = max(
        most_at_once([task for task in accepted if task.prompt.startswith(user.id)])
        for user in users
    )
    print(f"most at once: {of_all} of all ({OF_ALL}), {of_a_user} of a user ({OF_A_USER})")
    assert of_all <= OF_ALL
    assert of_a_user <= OF_A_USER


def judge_sizes(sizes: list[Size]) -> None:
    """The steady worker is in the end as big as it was when it had warmed up."""
    quarter = len(sizes) // 4
    early, late = sizes[quarter : 2 * quarter], sizes[-quarter:]
    print(f"steady worker, early {highest(early)}, late {highest(late)}")
    before, after = highest(early), highest(late)
    assert after.memory_kib < before.memory_kib * 1.25 + 10_000
    assert after.files <= before.files + 15
    assert after.tasks <= before.tasks + 15


def highest(sizes: list[Size]) -> Size:
    return Size(
        max(size.memory_kib for size in sizes),
        max(size.files for size in sizes),
        max(size.tasks for size in sizes),
    )

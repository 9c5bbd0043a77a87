"""Users who ask, cancel and are deleted, again and again: the limits hold, and others are served.

Measured by Mureka's own ledger, in every moment of it.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.fleet import Fleet, fleet_of, until
from tests.support.project import IS_FULL, ROOT, SignedIn, ask
from tests.support.soak import most_at_once
from tests.support.times import QUICK
from tests.support.tracks import Tracks

MakeUser = Callable[[], Awaitable[SignedIn]]
LOOPS = 200 if IS_FULL else 15
USERS, WORKERS = 5, 3
OF_ALL, OF_A_USER = 3, 1


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack of its own, whose Mureka takes a second and answers a submit slowly."""
    async with Stack(
        tmp_path_factory.mktemp("places"),
        Ports.free(),
        project_dir=ROOT,
        simulator_seconds=1,
        times=QUICK,
        durable=False,
    ) as running:
        running.simulator.music_seconds = 5
        running.simulator.submit_seconds = (0.05, 0.6)
        yield running


@pytest.fixture
async def tracks(stack: Stack) -> AsyncIterator[Tracks]:
    """The tracks as an operator sees them; limits for all and for each user."""
    tracks = await Tracks.of(
        stack, max_concurrent=OF_ALL, max_concurrent_per_user=OF_A_USER, daily_budget_cents=None
    )
    yield tracks
    await tracks.close()


@pytest.fixture
async def fleet(stack: Stack) -> AsyncIterator[Fleet]:
    async with fleet_of(stack) as running:
        yield running


@pytest.mark.timeout(900 if IS_FULL else 240)
async def test_no_limit_is_exceeded_by_asking_and_not_wanting(
    stack: Stack, tracks: Tracks, fleet: Fleet, make_user: MakeUser
) -> None:
    users = [await make_user() for _ in range(USERS)]
    for _ in range(WORKERS):
        await fleet.start("worker")
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    chance = random.Random(seed)
    operating = asyncio.Lock()

    async def change_mind(user: SignedIn) -> None:
        for _ in range(LOOPS // USERS):
            track_id = await ask(user, prompt=f"{user.id} wants this")
            await until(lambda: has_begun(tracks, operating, track_id), "it has begun")  # noqa: B023
            await asyncio.sleep(chance.choice((0.0, 0.1, 0.3, 0.6)))
            if chance.random() < 0.3:  # the account's data is deleted by the app's backend
                async with operating:
                    await tracks.sql("delete from public.music_tracks where id = %s", track_id)
                continue
            wish = user.client.table("music_tracks").update({"status": "error"})
            await wish.eq("id", str(track_id)).in_("status", ["pending", "generating"]).execute()

    await asyncio.gather(*map(change_mind, users))
    accepted = list(stack.simulator.account.tasks.values())
    of_all = most_at_once(accepted)
    of_each = [most_at_once(t for t in accepted if t.prompt.startswith(u.id)) for u in users]
    print(f"{len(accepted)} paid of {LOOPS}; most at once {of_all}, of each user {of_each}")
    assert len(accepted) > LOOPS / 2
    assert of_all <= OF_ALL
    assert max(of_each) <= OF_A_USER
    slowed = await tracks.sql("select slowed_down_at from music.account")
    assert [row["slowed_down_at"] for row in slowed if row["slowed_down_at"]] == []


async def test_ten_inserts_and_ten_cancels_keep_nobody_waiting_once_mureka_is_done(
    stack: Stack, tracks: Tracks, fleet: Fleet, make_user: MakeUser
) -> None:
    hostile, other = await make_user(), await make_user()
    # Calls that the test before left unanswered keep their places for a minute or more.
    await tracks.sql("delete from public.music_tracks")
    await tracks.sql("delete from music.generations")
    await tracks.sql(
        "update music.settings set max_concurrent = 10, max_concurrent_per_user = null where id"
    )
    worker = await fleet.start("worker", MUSIC_MAX_CONCURRENT="10")
    for _ in range(10):
        await ask(hostile, prompt="never mind")
    await until(lambda: submitted(tracks, hostile, 10), "all ten are at Mureka")
    cancel = hostile.client.table("music_tracks").update({"status": "error"})
    await cancel.eq("status", "generating").execute()
    cancelled_at = time.time()
    track_id = await ask(other, prompt="please")
    row = await tracks.ends(track_id)
    assert row["status"] == "completed"
    last_done_at = max(
        task.finished_at
        for task in stack.simulator.account.tasks.values()
        if task.prompt == "never mind"
    )
    [claimed] = await tracks.events(track_id, "claimed")
    print(
        f"cancelled {last_done_at - cancelled_at:.1f} s before Mureka was done; the other was"
        f" taken up {claimed['at'].timestamp() - last_done_at:.1f} s after"
    )
    await until(lambda: none_left(tracks), "the left-over tasks are closed")
    assert [line for line in worker.log if line["event"] == "left_over_ended"]


async def has_begun(tracks: Tracks, operating: asyncio.Lock, track_id: uuid.UUID) -> bool:
    async with operating:
        return bool((await tracks.row(track_id))["status"] != "pending")


async def submitted(tracks: Tracks, user: SignedIn, count: int) -> bool:
    [row] = await tracks.sql(
        "select count(*) as calls from music.generations"
        " where user_id = %s and mureka_task_id is not null",
        user.id,
    )
    return bool(row["calls"] == count)


async def none_left(tracks: Tracks) -> bool:
    [row] = await tracks.sql("select left_over from public.music_queue_health")
    return bool(row["left_over"] == 0)

"""Many workers and people at once: no track is claimed twice, no limit passed, nobody deadlocks."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from tests.support.database import Connection, Project, rows

WORKERS = 16
TRACKS = 240
USERS = 30
CLAIM = "select * from public.claim_music_tracks(%s, %s, 30)"
RENEW = "select * from public.renew_music_claims(%s, %s, 30)"
RELEASE = "select * from public.release_music_claims(%s, %s)"
BEGIN = "select * from public.begin_music_generation(%s, gen_random_uuid(), '{}', 'mureka-9', 4.5)"
RECEIPT = """
    select public.record_music_task(g.id, g.id::text, null)
    from music.generations g join music.claims c on c.track_id = g.track_id
    where c.id = %s and g.state = 'intent'
"""
COMPLETE = "select * from public.complete_music_track(%s, 'path', 'https://file', 1000)"
DEFER = "select * from public.defer_music_track(%s, 0, 'open', 'internal', 'Later.', false)"
KINDS = ["claim", "renew", "end", "release", "cancel-all", "retry", "requeue", "lose", "delete"]
RUNNING = """
    select count(*) as fleet, coalesce(max(mine.tracks), 0) as one_user from (
      select count(*) over (partition by user_id) as tracks
      from public.music_tracks where status = 'generating') mine
"""


async def ask_for_many(project: Project, tracks: int = TRACKS, users: int = USERS) -> None:
    await project.sql("update music.settings set daily_budget_cents = null")
    await project.sql(
        "insert into auth.users (id, email)"
        " select gen_random_uuid(), n || '@example.com' from generate_series(1, %s) n",
        users,
    )
    await project.sql(
        "insert into public.music_tracks (user_id, prompt)"
        " select u.id, 'rain' from auth.users u, generate_series(1, %s)",
        tracks // users,
    )


@dataclass
class Crew:
    """Workers that claim at once, each over its own connection, and what they were given."""

    connections: list[Connection]
    calls: int = 0
    taken: list[uuid.UUID] = field(default_factory=list)

    @classmethod
    async def of(cls, project: Project) -> Crew:
        return cls([await project.another_connection() for _ in range(WORKERS)])

    async def claim(self, worker: int, limit: int) -> list[dict[str, Any]]:
        self.calls += 1
        found = await rows(self.connections[worker], CLAIM, f"worker-{worker}", limit)
        self.taken += [row["track_id"] for row in found]
        return list(found)

    async def all_at_once(self, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in range(WORKERS):
                group.create_task(work(worker), name=f"worker-{worker}")


@pytest.mark.parametrize("limit", [1, 10])
async def test_sixteen_workers_share_out_all_tracks_once_each_and_with_few_calls(
    project: Project, limit: int
) -> None:
    await project.sql("update music.settings set max_concurrent = null")
    await ask_for_many(project)
    crew = await Crew.of(project)

    async def take_all(worker: int) -> None:
        while await crew.claim(worker, limit):
            pass

    await crew.all_at_once(take_all)
    assert len(crew.taken) == TRACKS
    assert set(Counter(crew.taken).values()) == {1}
    assert crew.calls <= -(-TRACKS // limit) + 2 * WORKERS, "calls that found nothing"
    assert crew.calls <= 3 * TRACKS
    assert await project.value("select count(*) from music.claims") == TRACKS
    print(f"{crew.calls} claim calls for {TRACKS} tracks, up to {limit} at a time")


async def test_the_limits_hold_at_every_moment_while_sixteen_workers_make_all_tracks(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_concurrent = 7, max_concurrent_per_user = 2")
    await ask_for_many(project, users=5)
    crew = await Crew.of(project)
    done = asyncio.Event()
    observed = await project.another_connection()
    highest = Counter[str]()

    async def observe() -> None:
        while not done.is_set():
            [now] = await rows(observed, RUNNING)
            for name, tracks in now.items():
                highest[name] = max(highest[name], tracks)

    held: list[list[dict[str, Any]]] = [[] for _ in range(WORKERS)]

    async def take(worker: int) -> None:
        held[worker] = await crew.claim(worker, 3)

    async def make_all(worker: int) -> None:
        connection = crew.connections[worker]
        while held[worker] or len(crew.taken) < TRACKS:
            for claim in held[worker]:
                for step in (BEGIN, RECEIPT, COMPLETE):
                    await rows(connection, step, claim["claim_id"])
            await take(worker)

    await crew.all_at_once(take)
    assert await rows(observed, RUNNING) == [{"fleet": 7, "one_user": 2}], "to the limits at once"
    observer = asyncio.create_task(observe(), name="observer")
    try:
        await crew.all_at_once(make_all)
    finally:
        done.set()
        await observer
    assert set(Counter(crew.taken).values()) == {1}
    assert highest["fleet"] <= 7
    assert highest["one_user"] <= 2
    assert (
        await project.value("select count(*) from public.music_tracks where status = 'completed'")
        == TRACKS
    )


async def test_workers_people_and_accounts_that_go_never_deadlock(project: Project) -> None:
    await project.sql(
        "update music.settings set max_concurrent = null, on_unknown_submission = 'resubmit'"
    )
    await ask_for_many(project)
    crew = await Crew.of(project)
    chance = random.Random(7)
    held: dict[int, list[uuid.UUID]] = {worker: [] for worker in range(WORKERS)}
    users = [row["id"] for row in await project.sql("select id from auth.users")]
    tracks = [row["id"] for row in await project.sql("select id from public.music_tracks")]
    calls = Counter[str]()
    set_status = "update public.music_tracks set status = %s where id = %s and status = any (%s)"

    async def call(worker: int) -> None:
        run, name = crew.connections[worker], f"worker-{worker}"
        mine = held[worker]
        kind = chance.choice([*KINDS, "claim", "renew"])
        calls[kind] += 1
        match kind:
            case "claim":
                mine += [row["claim_id"] for row in await crew.claim(worker, 20)]
            case "renew":
                everything = [claim for claims in held.values() for claim in claims]
                chance.shuffle(everything)
                await rows(run, RENEW, name, everything)
            case "end":
                for claim in mine[-3:]:
                    await rows(run, chance.choice([BEGIN, COMPLETE, DEFER]), claim)
            case "release":
                await rows(run, RELEASE, name, mine[:1])
            case "cancel-all":
                user = chance.choice(users)
                await rows(
                    run,
                    "update public.music_tracks set status = 'error'"
                    " where user_id = %s and status in ('pending', 'generating')",
                    user,
                )
            case "retry":
                await rows(run, set_status, "pending", chance.choice(tracks), ["error"])
            case "requeue":
                await rows(run, set_status, "pending", chance.choice(tracks), ["generating"])
            case "lose":
                await rows(
                    run,
                    "update music.claims set lease_expires_at = now() - interval '1 second'"
                    " where id = any (%s)",
                    mine[-1:],
                )
            case "delete":
                await rows(
                    run, "delete from public.music_tracks where id = %s", chance.choice(tracks)
                )

    async def fifty_calls(worker: int) -> None:
        for _ in range(50):
            try:
                await call(worker)
            except psycopg.errors.DeadlockDetected as deadlock:
                raise AssertionError(f"worker-{worker}: {deadlock}") from deadlock

    await crew.all_at_once(fifty_calls)
    print(dict(calls))


async def test_renewing_waits_for_nobody_and_keeps_what_somebody_is_just_writing(
    project: Project,
) -> None:
    """It locks many claims without their tracks: waiting for one would be half a deadlock."""
    for _ in range(2):
        await project.new_track()
    first, last = sorted(await project.claim(), key=lambda claim: str(claim["track_id"]))
    both = [first["claim_id"], last["claim_id"]]
    worker = await project.another_connection()
    await rows(worker, "set lock_timeout = '2s'")
    cancel = "update public.music_tracks set status = 'error' where id = %s"
    async with project.operator.transaction():
        await project.sql(cancel, last["track_id"])
        renewed = await rows(worker, RENEW, "worker-1", both)
        await project.sql(cancel, first["track_id"])
    assert {next(iter(row.values())) for row in renewed} == set(both)
    assert await rows(worker, RENEW, "worker-1", both) == []


async def test_a_raised_budget_and_a_cancel_of_the_same_tracks_never_deadlock(
    project: Project,
) -> None:
    """What raises a budget waits for no track: one that somebody is just writing goes later."""
    low, high = sorted(str(uuid.uuid4()) for _ in range(2))
    for track_id in (high, low):  # not in the order of their places in the table
        await project.new_track(id=track_id)
    await project.sql("update music.settings set daily_budget_cents = 0")
    assert await project.claim() == []
    operator = await project.another_connection()
    cancel = "select * from public.cancel_music_tracks(%s)"
    async with project.operator.transaction():
        await project.sql(cancel, [low])
        await rows(operator, "update music.settings set daily_budget_cents = null")
        await project.sql(cancel, [high])
    assert await project.value("select count(*) from public.music_tracks where status = 'error'")

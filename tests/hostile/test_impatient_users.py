"""Users who cancel and retry to wait less or to be paid for without end."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from local_supabase.stack import Stack
from music_service.client import wait_for_track
from tests.support.project import Connection, SignedIn, ask, rows
from tests.support.workers import StartWorker, starting_workers_on

PENDING, CANCEL = {"status": "pending"}, {"status": "error"}


@pytest.fixture
def start_worker(stack: Stack) -> StartWorker:
    """Runs a worker in this process for the length of a block."""
    return starting_workers_on(stack)


async def patch(stack: Stack, user: SignedIn, track_id: uuid.UUID, change: Any) -> httpx.Response:
    """One PATCH with the user's token, as the app sends it."""
    session = await user.client.auth.get_session()
    assert session is not None
    headers = {
        "apikey": stack.keys.publishable,
        "authorization": f"Bearer {session.access_token}",
        "prefer": "return=representation",
    }
    async with httpx.AsyncClient(timeout=20) as http:
        url = f"{stack.url}/rest/v1/music_tracks?id=eq.{track_id}"
        return await http.patch(url, json=change, headers=headers)


async def test_a_track_that_always_fails_is_paid_for_four_times_a_day_at_most(
    stack: Stack, user: SignedIn, start_worker: StartWorker
) -> None:
    prompt = f"hopeless {uuid.uuid4().hex}"
    stack.faults.simulator.plan(on="task", outcome="failed", match=prompt, times=20)
    track_id = await ask(user, prompt=prompt)
    answers = []
    async with start_worker():
        for _ in range(8):
            assert (await wait_for_track(user.client, track_id))["status"] == "error"
            answers.append(await patch(stack, user, track_id, PENDING))
    assert [answer.status_code for answer in answers] == [200] * 3 + [400] * 5
    assert answers[-1].json()["code"] == "MU010"
    assert "3 times" in answers[-1].json()["message"]
    assert len(stack.simulator.tasks_for(prompt)) == 4


async def test_cancel_and_retry_do_not_get_around_waiting(
    stack: Stack, user: SignedIn, database: Connection, start_worker: StartWorker
) -> None:
    track_id = await ask(user)
    cursor = await database.execute(
        "update public.music_tracks set run_after = now() + interval '1 hour' where id = %s"
        " returning run_after",
        (track_id,),
    )
    put_off = await cursor.fetchone()
    for _ in range(5):
        assert (await patch(stack, user, track_id, CANCEL)).status_code == 200
        assert (await patch(stack, user, track_id, PENDING)).status_code == 200
    async with start_worker():
        await wait_for_track(user.client, await ask(user))
    found = await user.client.table("music_tracks").select("*").eq("id", track_id).execute()
    [row] = rows(found)
    assert row["status"] == "pending"
    cursor = await database.execute(
        "select run_after from public.music_tracks where id = %s", (track_id,)
    )
    assert await cursor.fetchone() == put_off


async def test_a_storm_of_toggles_costs_a_bounded_number_of_claims(
    stack: Stack, user: SignedIn, start_worker: StartWorker
) -> None:
    loop = asyncio.get_running_loop()
    tracks = [await ask(user) for _ in range(4)]

    async def toggle(track_id: uuid.UUID, until: float) -> None:
        while loop.time() < until:
            for change in (CANCEL, PENDING):
                await patch(stack, user, track_id, change)

    counted = stack.faults.gateway.count("rpc/claim_music_tracks")
    began_at = loop.time()
    try:
        async with start_worker(sweep_seconds=60.0):
            await asyncio.gather(*(toggle(track_id, began_at + 4) for track_id in tracks))
        assert counted.met <= 12 + 10 * (loop.time() - began_at)
    finally:
        stack.faults.gateway.clear()
        for track_id in tracks:
            await patch(stack, user, track_id, CANCEL)

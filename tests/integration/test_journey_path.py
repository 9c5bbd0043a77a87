"""The app's way from scratch: sign up, begin a journey, hear its music, read on, finish."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from local_supabase.stack import Stack
from music_service.client import wait_for_track
from tests.support.fleet import until
from tests.support.project import Connection, SignedIn, ask, rows
from tests.support.workers import StartWorker

BOOK = {"p_book_title": "Emma", "p_book_author": "Jane Austen"}
WHOLE_JOURNEY = "*,reading_logs(*,music_tracks(*))"


async def call(user: SignedIn, function: str, **arguments: Any) -> Any:
    return (await user.client.rpc(function, arguments).execute()).data


async def test_a_new_user_reads_a_book_and_every_station_gets_its_music(
    make_user: Callable[[], Awaitable[SignedIn]], start_worker: StartWorker
) -> None:
    reader = await make_user()
    async with start_worker():
        began = await call(reader, "create_journey", **BOOK, p_emotions=["hopeful"])
        journey_id = began["journey"]["id"]
        assert (began["log"]["version"], began["track"]["status"]) == ("v0", "pending")
        first = await wait_for_track(reader.client, uuid.UUID(began["track"]["id"]))
        read = await call(
            reader,
            "add_reading_log",
            p_journey_id=journey_id,
            p_quote="Badly done, Emma!",
            p_memo="I blushed with her.",
            p_emotions=["shame"],
        )
        assert "hopeful" in read["track"]["prompt"], "the story so far"
        finished = await call(reader, "finish_journey", p_journey_id=journey_id)
        again = await call(reader, "finish_journey", p_journey_id=journey_id)
        assert again["log"] == finished["log"]
        for station in (read, finished):
            await wait_for_track(reader.client, uuid.UUID(station["track"]["id"]))
    assert first["status"] == "completed"
    answer = await (
        reader.client.table("journeys").select(WHOLE_JOURNEY).order("created_at").execute()
    )
    [journey] = rows(answer)
    assert journey["book_title"] == "Emma"
    assert journey["finished_at"] is not None
    logs = {log["version"]: log for log in journey["reading_logs"]}
    assert sorted(logs) == ["v0", "v1", "vFinal"]
    assert all(log["music_tracks"]["status"] == "completed" for log in logs.values())
    assert len({log["music_tracks"]["file_url"] for log in logs.values()}) == 3


async def test_fifty_logs_at_once_through_the_api_are_numbered_one_to_fifty(
    user: SignedIn,
) -> None:
    journey_id = (await call(user, "create_journey", **BOOK))["journey"]["id"]
    await asyncio.gather(
        *(
            call(user, "add_reading_log", p_journey_id=journey_id, p_memo=f"number {number}")
            for number in range(50)
        )
    )
    answer = await (
        user.client.table("reading_logs")
        .select("version,music_tracks(status)")
        .eq("journey_id", journey_id)
        .execute()
    )
    found = rows(answer)
    assert {log["version"] for log in found} == {f"v{number}" for number in range(51)}
    assert len(found) == 51
    assert all(log["music_tracks"]["status"] == "pending" for log in found)
    await user.client.table("journeys").delete().eq("id", journey_id).execute()


@pytest.mark.parametrize("goes", ["the account", "the journey"])
async def test_a_worker_in_the_middle_of_what_is_deleted_stops_quietly_and_keeps_the_receipt(
    stack: Stack, user: SignedIn, database: Connection, start_worker: StartWorker, goes: str
) -> None:
    async with start_worker():
        held = stack.faults.mureka.hold_after("/generate")
        station = await call(user, "create_journey", **BOOK)
        await asyncio.wait_for(held.reached.wait(), 20)
        [order] = stack.simulator.tasks_for(station["track"]["prompt"])[-1:]
        if goes == "the account":
            await database.execute("delete from auth.users where id = %s", (user.id,))
        else:
            await (
                user.client.table("journeys").delete().eq("id", station["journey"]["id"]).execute()
            )
        held.release()

        async def receipt() -> dict[str, Any] | None:
            cursor = await database.execute(
                "select track_id, user_id from music.generations where mureka_task_id = %s",
                (order["task_id"],),
            )
            return await cursor.fetchone()

        await until(receipt, "the receipt is in the ledger")
        kept = await receipt()
        assert kept is not None
        assert kept["track_id"] is None
        assert str(kept["user_id"]) == user.id
        if goes == "the journey":
            row = await wait_for_track(user.client, await ask(user))
            assert row["status"] == "completed", "the worker goes on with others"
    cursor = await database.execute(
        "select count(*) as left from public.music_tracks"
        " where user_id = %s and status <> 'completed'",
        (user.id,),
    )
    found = await cursor.fetchone()
    assert found is not None
    assert found["left"] == 0


async def test_raising_the_budget_lets_a_waiting_track_go_at_once(
    user: SignedIn, database: Connection, start_worker: StartWorker
) -> None:
    await database.execute("update music.settings set daily_budget_cents = 0")
    try:
        async with start_worker(sweep_seconds=60):
            track_id = await ask(user)

            async def waits() -> bool:
                cursor = await database.execute(
                    "select 1 from public.music_tracks where id = %s"
                    " and error_code = 'over_budget' and run_after = music.start_of_tomorrow()",
                    (track_id,),
                )
                return await cursor.fetchone() is not None

            await until(waits, "the row says that it waits for tomorrow")
            await database.execute("update music.settings set daily_budget_cents = null")
            row = await wait_for_track(user.client, track_id)
        assert row["status"] == "completed"
    finally:
        await database.execute("update music.settings set daily_budget_cents = null")


async def test_a_paused_queue_goes_on_at_once_when_it_is_resumed(
    user: SignedIn, database: Connection, start_worker: StartWorker
) -> None:
    await database.execute("select public.pause_music_queue('A test.')")
    try:
        async with start_worker(sweep_seconds=60):
            track_id = await ask(user)
            await database.execute("select public.resume_music_queue()")
            row = await wait_for_track(user.client, track_id)
        assert row["status"] == "completed"
    finally:
        await database.execute("select public.resume_music_queue()")

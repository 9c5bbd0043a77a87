"""The main path with official clients: a pending row becomes a playable track."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import httpx
import miniaudio
import pytest
from structlog.testing import capture_logs

from local_supabase.stack import Stack
from music_service.client import wait_for_track, watch_track
from tests.support.limits import LIFT_LIMITS
from tests.support.project import Connection, SignedIn, ask, rows
from tests.support.workers import StartWorker

LIFE = ["pending", "generating", "completed"]


@pytest.mark.usefixtures("worker")
async def test_a_track_ends_as_an_mp3_as_long_as_the_row_says(user: SignedIn) -> None:
    row = await wait_for_track(user.client, await ask(user))
    assert row["status"] == "completed"
    assert row["storage_path"]
    assert row["file_url"]
    assert row["duration_ms"]
    assert row["storage_path"].startswith(f"{user.id}/{row['id']}/")
    assert (row["stage"], row["stream_url"], row["error_code"]) == (None, None, None)
    async with httpx.AsyncClient() as anybody:
        audio = (await anybody.get(row["file_url"])).raise_for_status()
    assert audio.headers["content-type"] == "audio/mpeg"
    heard = miniaudio.decode(audio.content)
    assert (heard.sample_rate, heard.nchannels) == (44_100, 2)
    assert heard.num_frames / 44.1 == pytest.approx(row["duration_ms"], abs=100)
    assert max(heard.samples) > 3000, "it is not silence"


@pytest.mark.parametrize(("cents", "told"), [(1000, 1000), (None, "no limit")])
async def test_the_first_line_of_a_worker_says_what_a_day_may_cost(
    database: Connection, start_worker: StartWorker, cents: int | None, told: Any
) -> None:
    change = b"update music.settings set daily_budget_cents = %s where id"
    await database.execute(change, (cents,))
    try:
        with capture_logs() as lines:
            async with start_worker():
                pass
    finally:
        await database.execute(LIFT_LIMITS.encode())
    assert (lines[0]["event"], lines[0]["daily_budget_cents"]) == ("started", told)


async def test_a_project_with_another_name_for_apps_is_named_so_in_the_url(
    user: SignedIn, start_worker: StartWorker
) -> None:
    async with start_worker(public_url="https://api.example.com/"):
        row = await wait_for_track(user.client, await ask(user))
    assert row["file_url"] == (
        f"https://api.example.com/storage/v1/object/public/music-tracks/{row['storage_path']}"
    )


@pytest.mark.usefixtures("worker")
async def test_twenty_tracks_at_once_are_each_seen_through_their_life(user: SignedIn) -> None:
    seen: dict[str, list[str]] = defaultdict(list)
    subscribed, all_done = asyncio.Event(), asyncio.Event()

    def on_change(message: Any) -> None:
        record = message["data"]["record"]
        if record["status"] not in seen[record["id"]]:
            seen[record["id"]].append(record["status"])
        if sum(life == LIFE for life in seen.values()) == 20:
            all_done.set()

    channel = user.client.channel("mine")
    channel.on_postgres_changes("*", on_change, table="music_tracks", schema="public")  # type: ignore[arg-type]
    channel.on_system(lambda _: subscribed.set())
    session = await user.client.auth.get_session()
    assert session is not None
    await user.client.realtime.set_auth(session.access_token)
    await channel.subscribe()
    await asyncio.wait_for(subscribed.wait(), 10)
    tracks = [{"prompt": f"number {number}"} for number in range(20)]
    await user.client.table("music_tracks").insert(tracks).execute()
    await asyncio.wait_for(all_done.wait(), 60)
    assert len(seen) == 20
    assert all(life == LIFE for life in seen.values())


@pytest.mark.usefixtures("worker")
async def test_words_make_it_a_song_and_none_an_instrumental(stack: Stack, user: SignedIn) -> None:
    prompt = uuid.uuid4().hex
    sung = await ask(user, prompt=prompt, lyrics="La la la", genre="folk", mood="calm", duration=90)
    await wait_for_track(user.client, sung)
    [order] = stack.simulator.tasks_for(prompt)
    assert order["kind"] == "song"
    assert order["prompt"] == f"{prompt} (genre: folk; mood: calm; length: about 90 seconds)"
    task = stack.simulator.account.tasks[order["task_id"]]
    assert (task.body["n"], task.body["model"]) == (1, "mureka-9")
    assert task.body["lyrics"] == "La la la"


@pytest.mark.usefixtures("worker")
async def test_repeating_an_insert_with_the_same_id_is_harmless(
    stack: Stack, user: SignedIn
) -> None:
    prompt, track_id = uuid.uuid4().hex, uuid.uuid4()
    table = user.client.table("music_tracks")
    for _ in range(2):
        track = {"id": str(track_id), "prompt": prompt}
        await table.upsert(track, ignore_duplicates=True).execute()
    row = await wait_for_track(user.client, track_id)
    assert row["status"] == "completed"
    assert len(stack.simulator.tasks_for(prompt)) == 1


async def test_the_stream_is_offered_while_generating_and_gone_when_completed(
    stack: Stack, user: SignedIn, start_worker: StartWorker
) -> None:
    stack.simulator.seconds = 2.0
    try:
        async with start_worker():
            seen = [row async for row in watch_track(user.client, await ask(user))]
    finally:
        stack.simulator.seconds = 0.3
    streaming = [row for row in seen if row["stream_url"]]
    assert {row["status"] for row in streaming} == {"generating"}
    assert streaming[0]["stage"] == "streaming"
    assert seen[-1]["status"] == "completed"
    assert seen[-1]["stream_url"] is None


async def test_without_streaming_no_stream_is_offered(
    stack: Stack, user: SignedIn, start_worker: StartWorker
) -> None:
    async with start_worker(stream=False):
        seen = [row async for row in watch_track(user.client, await ask(user))]
    assert seen[-1]["status"] == "completed"
    assert not any(row["stream_url"] for row in seen)


@pytest.mark.usefixtures("worker")
async def test_the_expected_time_comes_from_recent_generations(user: SignedIn) -> None:
    await wait_for_track(user.client, await ask(user))
    expected = [
        datetime.fromisoformat(row["expected_ready_at"]) - datetime.fromisoformat(row["started_at"])
        async for row in watch_track(user.client, await ask(user))
        if row["status"] == "generating" and row["expected_ready_at"] and row["started_at"]
    ]
    assert expected, "it was seen while it was made"
    assert all(timedelta(0) < each < timedelta(seconds=30) for each in expected), "no mere guess"


@pytest.mark.usefixtures("worker")
async def test_a_backend_makes_a_track_that_no_user_sees(stack: Stack, user: SignedIn) -> None:
    headers = {"apikey": stack.keys.secret, "prefer": "return=representation"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers) as backend:
        answer = await backend.post("/rest/v1/music_tracks", json={"prompt": "for everybody"})
        [row] = answer.json()
        assert row["user_id"] is None
        path = f"/rest/v1/music_tracks?id=eq.{row['id']}"
        while row["status"] != "completed":
            [row] = (await backend.get(path)).json()
            assert row["status"] != "error"
    assert row["storage_path"].startswith(f"service/{row['id']}/")
    seen = await user.client.table("music_tracks").select("id").eq("id", row["id"]).execute()
    assert rows(seen) == []

"""Realtime in every way of not working: no track waits longer than a sweep, and hints come back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from local_supabase.stack import Stack
from tests.support.fleet import until
from tests.support.realtime_link import Link
from tests.support.tracks import Tracks
from tests.support.workers import StartWorker

SWEEP_SECONDS = 2.0


@pytest.fixture
async def link(stack: Stack) -> Any:
    async with Link(int(stack.url.rsplit(":", 1)[1])).opened() as opened:
        yield opened


def said(logs: list[Any], event: str) -> Callable[[], Any]:
    async def is_said() -> bool:
        return any(line["event"] == event for line in logs)

    return is_said


async def pick_up_seconds(tracks: Tracks) -> float:
    """How long one insert waits for its claim, by the database's clock."""
    track_id = await tracks.ask()
    await tracks.ends(track_id)
    [created] = await tracks.events(track_id, "created")
    [claimed] = await tracks.events(track_id, "claimed")
    return float((claimed["at"] - created["at"]).total_seconds())


async def recovers(tracks: Tracks, logs: list[Any], since: float, what: str) -> None:
    """Hints are back, and used: nothing is left to the sweep."""
    await until(said(logs, "realtime_subscribed"), "the worker is subscribed again")
    print(f"{what}: subscribed again {time.monotonic() - since:.1f} s after it could be")
    logs.clear()
    await pick_up_seconds(tracks)
    assert not await said(logs, "found_by_sweep")()


async def test_a_worker_lives_by_broadcasts_where_the_table_is_left_out_of_the_publication(
    stack: Stack, tracks: Tracks, start_worker: StartWorker
) -> None:
    publication = "alter publication supabase_realtime {} table public.music_tracks"
    await tracks.sql(publication.format("drop"))
    try:
        with capture_logs() as logs:
            async with start_worker(sweep_seconds=SWEEP_SECONDS):
                await until(said(logs, "realtime_subscribed"), "the worker is subscribed")
                await pick_up_seconds(tracks)
        events = [line["event"] for line in logs]
        assert "realtime_without_changes" in events
        assert not {"found_by_sweep", "realtime_lost", "realtime_not_back"} & set(events)
    finally:
        await tracks.sql(publication.format("add"))


def spoil(link: Link, stack: Stack, how: str) -> None:
    match how:
        case "refused":
            link.mode = "refuse"
            link.cut_all()
        case "half-open":
            link.mode = "vanish"
        case "never ready":
            link.mode = "only_upgrade"
            link.cut_all()
        case "closed":
            link.cut_all()
        case "restarted":
            stack.faults.realtime.drop_all()
        case "silent":
            stack.faults.realtime.swallow()


@pytest.mark.parametrize(
    "how", ["refused", "half-open", "never ready", "closed", "restarted", "silent"]
)
async def test_whatever_ails_realtime_the_sweep_finds_the_track_and_hints_come_back(
    stack: Stack, tracks: Tracks, link: Link, start_worker: StartWorker, how: str
) -> None:
    with capture_logs() as logs:
        async with start_worker(link.url, sweep_seconds=SWEEP_SECONDS, realtime_ready_seconds=2.0):
            await until(said(logs, "realtime_subscribed"), "the worker is subscribed")
            logs.clear()
            spoil(link, stack, how)
            waits: list[float] = []
            while not waits or not await said(logs, "realtime_lost")():
                # Spread out: the slot that a track has just freed finds the next by itself.
                await asyncio.sleep(random.uniform(0.3, 1.0))
                waits.append(await pick_up_seconds(tracks))
            print(f"{how}: picked up after {max(waits):.2f} s (sweep {SWEEP_SECONDS:g} s)")
            link.mode = "sound"
            stack.faults.realtime.clear()
            if how == "half-open":
                link.cut_all()
            await recovers(tracks, logs, time.monotonic(), how)


async def test_a_refused_private_channel_falls_back_to_a_public_one_and_says_so(
    stack: Stack, tracks: Tracks, start_worker: StartWorker
) -> None:
    stack.faults.realtime.refuse_private = True
    try:
        with capture_logs() as logs:
            async with start_worker(sweep_seconds=60):
                await until(said(logs, "realtime_subscribed"), "the worker is subscribed")
                assert await said(logs, "realtime_private_refused")()
                waited = await pick_up_seconds(tracks)
                print(f"public channel: picked up after {waited:.2f} s")
    finally:
        stack.faults.realtime.clear()


async def test_a_track_that_a_limit_held_back_is_no_sign_of_deafness(
    stack: Stack, tracks: Tracks, start_worker: StartWorker
) -> None:
    await tracks.sql("update music.settings set max_concurrent = 0")
    with capture_logs() as logs:
        async with start_worker(sweep_seconds=SWEEP_SECONDS):
            await until(said(logs, "realtime_subscribed"), "the worker is subscribed")
            track_id = await tracks.ask()
            counted = stack.faults.gateway.count("/rpc/claim_music_tracks")

            async def has_looked() -> bool:
                return counted.met > 1

            await until(has_looked, "hint and sweep have looked in vain")
            await tracks.sql("update music.settings set max_concurrent = null")
            await tracks.ends(track_id)
    assert not await said(logs, "found_by_sweep")()
    assert not await said(logs, "realtime_lost")()


async def test_a_burst_of_inserts_is_claimed_in_few_calls(
    stack: Stack, tracks: Tracks, start_worker: StartWorker
) -> None:
    with capture_logs() as logs:
        async with start_worker(sweep_seconds=60, capacity=60):
            await until(said(logs, "realtime_subscribed"), "the worker is subscribed")
            counted = stack.faults.gateway.count("/rpc/claim_music_tracks")
            await tracks.sql(
                "insert into public.music_tracks (prompt)"
                " select 'burst ' || n from generate_series(1, 40) n"
            )

            async def all_claimed() -> bool:
                return len([line for line in logs if line["event"] == "claimed"]) == 40

            await until(all_claimed, "forty tracks are claimed")
            assert counted.met <= 3

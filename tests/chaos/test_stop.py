"""SIGTERM, SIGINT and a second signal: what a stop costs and how the process ends."""

from __future__ import annotations

import signal
import time

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.tracks import Tracks

DRAIN_SECONDS = 30  # what the product waits for a paid call in the air


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_hands_ten_tracks_over_at_once_and_counts_no_attempt(
    stack: Stack, tracks: Tracks, fleet: Fleet, number: signal.Signals
) -> None:
    stack.simulator.seconds = 60
    leaving = await fleet.start("leaving", MUSIC_LEASE_SECONDS="30", MUSIC_MAX_CONCURRENT="10")
    ids = [await tracks.ask() for _ in range(10)]

    async def all_submitted() -> bool:
        [row] = await tracks.sql(
            "select count(*) from music.generations where mureka_task_id is not null"
            " and track_id = any (%s)",
            ids,
        )
        return bool(row["count"] == 10)

    await until(all_submitted, "ten tracks are in flight")
    await fleet.start("staying", MUSIC_LEASE_SECONDS="30", MUSIC_MAX_CONCURRENT="10")
    began, asked_at = time.monotonic(), time.time()
    leaving.send(number)
    assert await leaving.ended() == 0
    exit_seconds = time.monotonic() - began
    stack.simulator.seconds = 0.5
    for task in stack.simulator.account.tasks.values():
        task.seconds = 0.5
    rows = [await tracks.ends(track_id) for track_id in ids]
    resumed = [(await tracks.events(track_id, "claimed"))[-1]["at"].timestamp() for track_id in ids]
    print(
        f"exit {exit_seconds:.2f} s after {number.name},"
        f" all resumed elsewhere after {max(resumed) - asked_at:.2f} s"
    )
    assert {(row["status"], row["attempts"]) for row in rows} == {("completed", 0)}
    assert [await tracks.paid(track_id) for track_id in ids] == [1] * 10


async def test_an_order_in_the_air_gets_its_receipt_before_the_process_ends(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    leaving = await fleet.start("leaving", MUSIC_LEASE_SECONDS="10")
    held = stack.faults.mureka.hold_after("/generate")
    track_id = await tracks.ask()
    await held.reached.wait()
    leaving.send(signal.SIGTERM)
    await leaving.says("draining")
    held.release()
    assert await leaving.ended() == 0
    [generation] = await tracks.sql("select * from music.generations where track_id = %s", track_id)
    assert generation["mureka_task_id"] is not None
    assert (await tracks.row(track_id))["status"] == "pending"
    await fleet.start("staying")
    row = await tracks.ends(track_id)
    assert (row["status"], row["attempts"]) == ("completed", 0)
    assert await tracks.paid(track_id) == 1


async def test_a_stopping_worker_claims_nothing_more(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    leaving = await fleet.start("leaving")
    held = stack.faults.mureka.hold_after("/generate")
    await tracks.ask()
    await held.reached.wait()
    leaving.send(signal.SIGTERM)
    await leaving.says("draining")
    late = await tracks.ask()
    held.release()
    assert await leaving.ended() == 0
    assert (await tracks.row(late))["status"] == "pending"
    assert await tracks.events(late, "claimed") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_process_at_once(
    stack: Stack, tracks: Tracks, fleet: Fleet, number: signal.Signals
) -> None:
    leaving = await fleet.start("leaving")
    held = stack.faults.mureka.hold_after("/generate")
    await tracks.ask()
    await held.reached.wait()
    leaving.send(number)
    await leaving.says("draining")
    leaving.send(number)
    began = time.monotonic()
    assert await leaving.ended() == -number
    assert time.monotonic() - began < DRAIN_SECONDS / 2
    held.release()


async def test_an_idle_worker_ends_at_once(fleet: Fleet) -> None:
    idle = await fleet.start("idle")
    began = time.monotonic()
    idle.send(signal.SIGTERM)
    assert await idle.ended() == 0
    print(f"idle worker ended in {time.monotonic() - began:.2f} s")

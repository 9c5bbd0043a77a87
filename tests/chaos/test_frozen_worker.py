"""A worker that sleeps past its lease and wakes up believing that nothing has happened."""

from __future__ import annotations

import signal

from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.tracks import Tracks


async def test_a_frozen_worker_changes_nothing_once_another_has_its_track(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    frozen = await fleet.start("frozen")
    held = stack.faults.mureka.hold_after("/query/")
    track_id = await tracks.ask()
    await held.reached.wait()
    frozen.send(signal.SIGSTOP)
    held.release()  # the answer waits in the frozen worker's socket
    await fleet.start("heir")
    before = await tracks.ends(track_id)
    assert before["status"] == "completed"
    frozen.send(signal.SIGCONT)
    await frozen.says("claim_lost", "lost", "cut_off")
    assert await tracks.row(track_id) == before
    assert await tracks.paid(track_id) == 1


async def test_a_frozen_worker_s_receipt_is_kept_and_puts_the_track_back_to_work(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    frozen = await fleet.start("frozen")
    held = stack.faults.mureka.hold_after("/generate")
    track_id = await tracks.ask()
    await held.reached.wait()
    frozen.send(signal.SIGSTOP)
    held.release()
    await fleet.start("heir")
    assert (await tracks.ends(track_id))["error_code"] == "submission_unknown"
    frozen.send(signal.SIGCONT)
    await tracks.leaves_error(track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    assert await tracks.paid(track_id) == 1


async def test_a_frozen_worker_without_an_intent_submits_nothing(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    frozen = await fleet.start("frozen")
    held = stack.faults.gateway.hold_before("/rest/v1/rpc/begin_music_generation")
    track_id = await tracks.ask()
    await held.reached.wait()
    frozen.send(signal.SIGSTOP)
    await fleet.start("heir")
    before = await tracks.ends(track_id)
    assert before["status"] == "completed"
    held.release()
    frozen.send(signal.SIGCONT)
    await frozen.says("claim_lost", "lost", "cut_off")
    assert await tracks.row(track_id) == before
    assert await tracks.paid(track_id) == 1


async def test_renewals_fail_for_a_whole_lease_and_the_worker_lets_go_until_one_succeeds(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    worker = await fleet.start("worker")
    stack.simulator.seconds = 60
    track_id = await tracks.ask()
    await worker.says("submitted")
    plan = stack.faults.gateway.cut("/rest/v1/rpc/renew_music_claims", times=10_000)
    await worker.says("cut_off")
    stack.simulator.seconds = 0.5
    claims = len(await tracks.events(track_id, "taken_over"))
    second = await tracks.ask()
    assert (await tracks.row(second))["status"] == "pending"
    stack.faults.gateway.clear()
    await worker.says("renewal_works_again")
    assert plan.met > 0

    async def resumed() -> bool:
        return len(await tracks.events(track_id, "taken_over")) == claims + 1

    await until(resumed, "the worker takes its track up again")
    assert (await tracks.ends(second))["status"] == "completed"
    assert await tracks.paid(track_id) == 1

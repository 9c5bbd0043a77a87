"""A worker killed at each step of one generation, and what another worker makes of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet
from tests.support.tracks import Tracks

RPC = "/rest/v1/rpc"


@dataclass(frozen=True)
class Step:
    """Where the worker is held when it is killed, and how the track then ends.

    `at` holds a request to the `side`: `before` it is acted on, or `after` that, unanswered.
    """

    name: str
    side: Literal["supabase", "mureka"]
    at: str
    when: Literal["before", "after"]
    ends: tuple[str, str | None] = ("completed", None)
    paid: int = 1


UNKNOWN = ("error", "submission_unknown")
STEPS = [
    Step("after the claim", "supabase", f"{RPC}/begin_music_generation", "before"),
    Step("after the intent", "supabase", f"{RPC}/begin_music_generation", "after", UNKNOWN, 0),
    Step("in the paid call, not accepted yet", "mureka", "/generate", "before", UNKNOWN, 0),
    Step("in the paid call, accepted", "mureka", "/generate", "after", UNKNOWN, 1),
    Step("before the receipt", "supabase", f"{RPC}/record_music_task", "before", UNKNOWN, 1),
    Step("after the receipt", "supabase", f"{RPC}/record_music_task", "after"),
    Step("while polling", "mureka", "/query/", "before"),
    Step("while showing a stage", "supabase", f"{RPC}/report_music_stage", "after"),
    Step("in the download", "mureka", "/audio/", "before"),
    Step("before the upload", "supabase", "/storage/v1/object/", "before"),
    Step("after the upload", "supabase", "/storage/v1/object/", "after"),
    Step("before completion", "supabase", f"{RPC}/complete_music_track", "before"),
    Step("after completion", "supabase", f"{RPC}/complete_music_track", "after"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_a_worker_killed_at_a_step_costs_a_lease_and_never_a_second_payment(
    stack: Stack, tracks: Tracks, fleet: Fleet, step: Step
) -> None:
    side = stack.faults.gateway if step.side == "supabase" else stack.faults.mureka
    hold = side.hold_before if step.when == "before" else side.hold_after
    doomed = await fleet.start("doomed")
    held = hold(step.at)
    track_id = await tracks.ask()
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    row = await tracks.ends(track_id)
    assert (row["status"], row["error_code"]) == step.ends
    assert await tracks.paid(track_id) == step.paid
    assert doomed.exit_code == -signal.SIGKILL
    if row["status"] == "completed":
        [stored] = await tracks.sql(
            "select count(*) as files from storage.objects where name like %s", f"%{track_id}%"
        )
        assert stored["files"] == 1


async def test_a_receipt_that_arrives_after_its_worker_died_puts_the_track_back_to_work(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    doomed = await fleet.start("doomed")
    held = stack.faults.gateway.hold_before(f"{RPC}/record_music_task")
    track_id = await tracks.ask()
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    assert (await tracks.ends(track_id))["error_code"] == "submission_unknown"
    held.release()
    await tracks.leaves_error(track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    assert await tracks.paid(track_id) == 1


async def test_an_unknown_submission_is_sent_again_only_where_the_operator_prefers_that(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    await tracks.sql("update music.settings set on_unknown_submission = 'resubmit'")
    doomed = await fleet.start("doomed")
    held = stack.faults.mureka.hold_after("/generate")
    track_id = await tracks.ask()
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    row = await tracks.ends(track_id)
    await tracks.sql("update music.settings set on_unknown_submission = 'error'")
    assert row["status"] == "completed"
    assert await tracks.paid(track_id) == 2


async def test_an_unknown_submission_is_sent_again_when_a_person_retries(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    doomed = await fleet.start("doomed")
    held = stack.faults.gateway.hold_after(f"{RPC}/begin_music_generation")
    track_id = await tracks.ask()
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    assert (await tracks.ends(track_id))["error_code"] == "submission_unknown"
    await tracks.sql(
        "update music.generations set intent_at = intent_at - interval '2 minutes'"
        " where track_id = %s",
        track_id,
    )
    await tracks.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    assert await tracks.paid(track_id) == 1

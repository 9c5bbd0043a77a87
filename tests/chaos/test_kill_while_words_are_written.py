"""A worker killed between the words of a song and the song: each is paid for at most once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet
from tests.support.tracks import Tracks

RPC = "/rest/v1/rpc"
UNKNOWN = ("error", "submission_unknown")
DONE = ("completed", None)
BOTH = ("lyrics", "song")


@dataclass(frozen=True)
class Step:
    """Where the worker is held when it is killed, how the track then ends, what was paid for."""

    name: str
    side: Literal["supabase", "mureka"]
    at: str
    when: Literal["before", "after"]
    ends: tuple[str, str | None]
    paid: tuple[str, ...]


STEPS = [
    Step("after the claim", "supabase", f"{RPC}/begin_music_generation", "before", DONE, BOTH),
    Step("after the intent", "supabase", f"{RPC}/begin_music_generation", "after", UNKNOWN, ()),
    Step("words not accepted yet", "mureka", "/lyrics/generate", "before", UNKNOWN, ()),
    Step("words accepted", "mureka", "/lyrics/generate", "after", UNKNOWN, ("lyrics",)),
    Step("words not stored", "supabase", f"{RPC}/record_music_lyrics", "before", UNKNOWN,
         ("lyrics",)),
    Step("words stored", "supabase", f"{RPC}/record_music_lyrics", "after", DONE, BOTH),
    Step("song not accepted yet", "mureka", "/song/generate", "before", UNKNOWN, ("lyrics",)),
    Step("song accepted", "mureka", "/song/generate", "after", UNKNOWN, BOTH),
    Step("receipt not stored", "supabase", f"{RPC}/record_music_task", "before", UNKNOWN, BOTH),
    Step("receipt stored", "supabase", f"{RPC}/record_music_task", "after", DONE, BOTH),
    Step("while polling", "mureka", "/query/", "before", DONE, BOTH),
    Step("before completion", "supabase", f"{RPC}/complete_music_track", "before", DONE, BOTH),
]  # fmt: skip


async def ask(tracks: Tracks) -> uuid.UUID:
    """A track whose words are to be written; its ledger entries have its prompt."""
    tag = f"sung {uuid.uuid4().hex}"
    [row] = await tracks.sql(
        "insert into public.music_tracks (prompt, lyrics_prompt) values (%s, %s) returning id",
        tag,
        tag,
    )
    return uuid.UUID(str(row["id"]))


async def paid(stack: Stack, tracks: Tracks, track_id: uuid.UUID) -> tuple[str, ...]:
    """What Mureka charged for a track, in order."""
    prompt = (await tracks.row(track_id))["prompt"]
    return tuple(entry["kind"] for entry in stack.simulator.tasks_for(prompt))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_neither_words_nor_song_are_paid_for_twice(
    stack: Stack, tracks: Tracks, fleet: Fleet, step: Step
) -> None:
    side = stack.faults.gateway if step.side == "supabase" else stack.faults.mureka
    hold = side.hold_before if step.when == "before" else side.hold_after
    doomed = await fleet.start("doomed")
    held = hold(step.at)
    track_id = await ask(tracks)
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    row = await tracks.ends(track_id)
    assert (row["status"], row["error_code"]) == step.ends
    assert await paid(stack, tracks, track_id) == step.paid
    has_words = step.ends == DONE or "song" in step.name or "receipt" in step.name
    assert bool(row["lyrics"]) is has_words
    if step.ends == DONE:
        assert row["title"]
        timed = "select sections from public.music_timed_lyrics where track_id = %s"
        assert await tracks.sql(timed, track_id)


async def test_words_that_arrive_after_their_worker_died_are_sung(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    doomed = await fleet.start("doomed")
    held = stack.faults.gateway.hold_before(f"{RPC}/record_music_lyrics")
    track_id = await ask(tracks)
    await held.reached.wait()
    await doomed.kill()
    await fleet.start("heir")
    assert (await tracks.ends(track_id))["error_code"] == "submission_unknown"
    held.release()
    await tracks.leaves_error(track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    assert await paid(stack, tracks, track_id) == BOTH


async def test_a_track_cancelled_while_its_words_are_written_pays_for_nothing_more(
    stack: Stack, tracks: Tracks, fleet: Fleet
) -> None:
    await fleet.start("worker")
    held = stack.faults.mureka.hold_after("/lyrics/generate")
    track_id = await ask(tracks)
    await held.reached.wait()
    await tracks.sql("update public.music_tracks set status = 'error' where id = %s", track_id)
    held.release()
    row = await tracks.row(track_id)
    while not row["lyrics"]:
        row = await tracks.row(track_id)
    assert (row["status"], row["error_code"]) == ("error", "cancelled")
    assert await paid(stack, tracks, track_id) == ("lyrics",)
    await tracks.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    assert (await tracks.ends(track_id))["status"] == "completed"
    assert await paid(stack, tracks, track_id) == BOTH

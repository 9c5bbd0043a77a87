"""An outage is a line of the log and its end, however many tracks meet it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from starlette.responses import JSONResponse

from local_supabase.stack import Stack
from tests.support.fleet import Fleet, until
from tests.support.tracks import Tracks

TRACKS = 20
OUTAGE_SECONDS = 6  # of a worker that sweeps and polls thirty and twenty times as often as usual
LIFE = ("claimed", "resumed", "submitted", "left_over_ended", "completed")


def mureka_away(stack: Stack) -> None:
    stack.faults.mureka.answer("/v1/", JSONResponse({}, 503), times=1_000_000)


def database_away(stack: Stack) -> None:
    stack.faults.gateway.answer(
        "/rest/v1/",
        JSONResponse({"code": "PGRST002", "message": "Could not query"}, 503),
        times=1_000_000,
    )


def storage_away(stack: Stack) -> None:
    stack.faults.gateway.answer("/storage/v1/", JSONResponse({}, 503), times=1_000_000)


@pytest.mark.parametrize(
    ("cut", "party"),
    [(mureka_away, "mureka"), (database_away, "database"), (storage_away, "storage")],
)
async def test_twenty_tracks_in_an_outage_are_a_line_and_its_end(
    stack: Stack,
    tracks: Tracks,
    fleet: Fleet,
    cut: Callable[[Stack], None],
    party: str,
) -> None:
    worker = await fleet.start("worker", MUSIC_MAX_CONCURRENT=f"{TRACKS}", MUSIC_LEASE_SECONDS="30")
    stack.simulator.seconds = 4
    ids = [await tracks.ask() for _ in range(TRACKS)]

    async def are_submitted() -> bool:
        return Counter(line["event"] for line in worker.log)["submitted"] == TRACKS

    await until(are_submitted, "all are submitted")
    cut(stack)
    began = len(worker.log)
    await worker.says("outage")
    await asyncio.sleep(OUTAGE_SECONDS)
    stack.faults.clear()
    over = await worker.says("outage_over")
    assert {(await tracks.ends(track_id))["status"] for track_id in ids} == {"completed"}

    async def have_all_said_so() -> bool:  # a row is completed before its line is read
        return Counter(line["event"] for line in worker.log)["completed"] == TRACKS

    await until(have_all_said_so, "each has its line")
    said = Counter(line["event"] for line in worker.log[began:])
    print(party, dict(said), f"of {over['failures']} failures in {over['seconds']} s")
    assert said["outage"] == said["outage_over"] == 1
    assert over["of"] == party
    assert over["failures"] >= 5
    assert max(said[event] for event in LIFE) <= TRACKS
    others = sum(said.values()) - sum(said[event] for event in (*LIFE, "outage", "outage_over"))
    assert others <= 5, said

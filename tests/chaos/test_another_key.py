"""Keys that are replaced: workers with the old and the new one side by side, and nothing stops."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from local_supabase.stack import SIMULATOR_KEY, Stack
from tests.support.fleet import Fleet, until
from tests.support.project import ROOT
from tests.support.systemd import Instances, Unit
from tests.support.tracks import Tracks

UNIT = Unit.read(ROOT / "deploy" / "systemd" / "music-service@.service")
PATIENT = {"MUSIC_LEASE_SECONDS": "30"}  # a machine may be slow; none is to be taken over here


@pytest.fixture
def service(fleet: Fleet) -> Instances:
    """Workers as the unit says."""
    return Instances(UNIT, fleet)


@pytest.fixture
def two_keys(stack: Stack) -> Iterator[str]:
    """Another key of the same account, beside the first."""
    key = "another-simulated-key"
    stack.simulator.api_keys.add(key)
    yield key
    stack.simulator.api_keys = {SIMULATOR_KEY}


async def test_a_new_key_of_the_project_stops_nothing(
    stack: Stack, tracks: Tracks, service: Instances
) -> None:
    old, new = stack.keys.service_role, stack.keys.secret
    stack.simulator.submit_seconds = (0.2, 0.5)
    for instance in ("1", "2"):
        await service.start(instance, SUPABASE_SECRET_KEY=old, **PATIENT)
    asked = [await tracks.ask() for _ in range(10)]
    for instance in ("1", "2"):
        assert await service.restart(instance, SUPABASE_SECRET_KEY=new, **PATIENT) == 0
        asked += [await tracks.ask() for _ in range(5)]
    rows = [await tracks.ends(track_id) for track_id in asked]
    stack.simulator.submit_seconds = (0.0, 0.0)
    assert {(row["status"], row["attempts"]) for row in rows} == {("completed", 0)}
    assert {await tracks.paid(track_id) for track_id in asked} == {1}


async def test_a_new_key_of_the_account_stops_nothing_and_what_the_old_one_submitted_is_had(
    stack: Stack, tracks: Tracks, service: Instances, two_keys: str
) -> None:
    stack.simulator.seconds = 60
    await service.start("1", **PATIENT)
    early = [await tracks.ask() for _ in range(5)]
    await until(lambda: _are_submitted(tracks, early), "five are submitted")
    assert await service.restart("1", MUREKA_API_KEY=two_keys, **PATIENT) == 0
    stack.simulator.api_keys.remove(SIMULATOR_KEY)
    stack.simulator.seconds = 0.5
    for task in stack.simulator.account.tasks.values():
        task.seconds = 0.5
    late = [await tracks.ask() for _ in range(5)]
    rows = [await tracks.ends(track_id) for track_id in early + late]
    assert {(row["status"], row["attempts"]) for row in rows} == {("completed", 0)}
    assert {await tracks.paid(track_id) for track_id in early + late} == {1}


async def _are_submitted(tracks: Tracks, asked: list[uuid.UUID]) -> bool:
    [row] = await tracks.sql(
        "select count(*) from music.generations"
        " where mureka_task_id is not null and track_id = any (%s)",
        asked,
    )
    return bool(row["count"] == len(asked))

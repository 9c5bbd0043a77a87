"""Today's worker on the database of the last release, where workers were replaced first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.store.schema_version import SchemaVersion
from tests.support.fleet import fleet_of
from tests.support.programs import environment, run_program
from tests.support.releases import last_release, unpacked
from tests.support.times import QUICK
from tests.support.tracks import Tracks


@pytest.fixture
async def older(tmp_path: Path) -> AsyncIterator[Stack]:
    """A project with the migrations of the last release."""
    folder = unpacked(last_release(), tmp_path / "project", "supabase")
    async with Stack(
        tmp_path / "stack",
        Ports.free(),
        project_dir=folder,
        simulator_seconds=0.3,
        times=QUICK,
        durable=False,
    ) as running:
        yield running


async def test_a_newer_worker_works_or_says_that_the_database_comes_first(
    older: Stack, tmp_path: Path
) -> None:
    tracks = await Tracks.of(older, paused=False)
    waiting = await tracks.ask("an early waltz")
    there = SchemaVersion.read(await tracks.sql("select * from public.music_schema_version()"))
    if there.misfit is None:
        async with fleet_of(older) as fleet:
            await fleet.start("newer")
            assert (await tracks.ends(waiting))["status"] == "completed"
    else:
        ended = await run_program(tmp_path, environment(older), "run")
        assert ended.code == 2, ended
        assert "music-service init" in ended.sentence
        assert (await tracks.row(waiting))["status"] == "pending"
        assert older.simulator.account.tasks == {}
    await tracks.close()

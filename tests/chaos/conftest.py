"""A stack of one's own for each module, and workers as processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.fleet import Fleet, fleet_of
from tests.support.project import ROOT
from tests.support.times import QUICK
from tests.support.tracks import Tracks
from tests.support.workers import StartWorker, starting_workers_on


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """An embedded Supabase that the tests of one module may shake."""
    data_dir = tmp_path_factory.mktemp("chaos")
    async with Stack(
        data_dir, Ports.free(), project_dir=ROOT, simulator_seconds=0.5, times=QUICK, durable=False
    ) as running:
        running.simulator.music_seconds = 5
        running.simulator.account.concurrent_request_limit = 1000
        yield running


@pytest.fixture
async def tracks(stack: Stack) -> AsyncIterator[Tracks]:
    """The tracks of the stack; none of an earlier test, and no limit of the fleet."""
    stack.faults.clear()
    tracks = await Tracks.of(
        stack,
        max_concurrent=None,
        max_attempts=10,
        paused=False,
        daily_budget_cents=None,
        daily_budget_cents_of_guests=None,
    )
    await tracks.sql("delete from public.music_tracks")
    yield tracks
    await tracks.close()


@pytest.fixture
async def fleet(stack: Stack) -> AsyncIterator[Fleet]:
    """Starts workers as processes; none outlives the test."""
    async with fleet_of(stack) as running:
        yield running


@pytest.fixture
def start_worker(stack: Stack) -> StartWorker:
    """Runs a worker in this process for the length of a block."""
    return starting_workers_on(stack)

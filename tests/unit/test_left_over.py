"""Tasks that no track waits for: asked after until Mureka is done, and told to the database."""

from __future__ import annotations

import asyncio
import itertools
from uuid import uuid4

import pytest

from music_service.errors import (
    LostClaimError,
    MusicServiceError,
    PermanentError,
    TransientError,
)
from music_service.tracks import Generation, GenerationRequest, LeftOverTask
from tests.support.attempts import RUNNING, Working
from tests.support.clock import settled
from tests.support.fakes import FakeTask

AWAY = TransientError("away")


def leave_task(work: Working, age_seconds: float = 5.0) -> LeftOverTask:
    """Let Mureka work on something that no track waits for."""
    generation = Generation(uuid4(), GenerationRequest("instrumental", {}), f"task {uuid4()}")
    work.fakes.provider.know(generation)
    assert generation.mureka_task_id is not None
    task = LeftOverTask(generation.id, "instrumental", generation.mureka_task_id, age_seconds)
    work.fakes.queue.left_over.append(task)
    return task


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
async def test_one_that_mureka_is_done_with_frees_its_place_and_wakes_the_worker(
    status: str,
) -> None:
    work = Working()
    work.fakes.provider.answers = [RUNNING, FakeTask(status)]
    task = leave_task(work)
    async with work.at_work():
        call = await work.journal.reached("close")
        assert (call.generation_id, call.status) == (task.generation_id, status)
        known = len(work.journal.of("claim"))
        claim = await work.journal.reached("claim", known + 1)
        assert claim.at == call.at, "it was woken, and not by the next sweep"
        assert work.worker.status()["left_over"] == 0
        assert work.journal.of("download") == []


async def test_while_one_runs_it_is_asked_after_at_the_pace_of_polls_and_then_seldom() -> None:
    work = Working()
    work.take_long()
    leave_task(work)
    async with work.at_work():
        await work.journal.reached("left_over", 6)
        assert work.worker.status()["left_over"] == 1
        work.fakes.queue.left_over.clear()
        await work.journal.reached("left_over", 10)
    times = [call.at for call in work.journal.of("left_over")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(3.2 <= pause <= 4.8 for pause in pauses[:6])
    assert all(36 <= pause <= 54 for pause in pauses[7:])


async def test_a_worker_that_makes_something_looks_at_each_sweep() -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    async with work.at_work():
        await work.journal.reached("poll")
        await work.journal.reached("left_over", 4)
    times = [call.at for call in work.journal.of("left_over")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(12 <= pause <= 18 for pause in pauses)


@pytest.mark.parametrize("step", ["left_over", "poll", "close"])
async def test_what_fails_is_tried_again(step: str) -> None:
    work = Working()
    leave_task(work)
    work.journal.fail(step, AWAY, AWAY)
    async with work.at_work():
        await work.journal.reached("close", 3 if step == "close" else 1)
        await settled()
        assert work.fakes.queue.left_over == []


@pytest.mark.parametrize(("age_seconds", "is_closed"), [(5.0, False), (61.0, True)])
async def test_one_that_mureka_does_not_know_is_done_with_once_it_is_no_fresh_one(
    age_seconds: float, is_closed: bool
) -> None:
    work = Working()
    unknown: MusicServiceError = PermanentError("Invalid task id")
    work.journal.break_down("poll", unknown)
    leave_task(work, age_seconds)
    async with work.at_work():
        await work.journal.reached("poll", 2 if not is_closed else 1)
        await settled()
        assert bool(work.journal.of("close")) is is_closed


async def test_a_track_that_is_lost_has_its_task_looked_after_at_once() -> None:
    work = Working(sweep_seconds=1000)
    work.take_long()
    [claim] = work.waiting(1)
    async with work.at_work():
        await work.journal.reached("poll")
        assert work.journal.of("left_over") == []
        work.fakes.queue.lose(claim.id)
        before = asyncio.get_running_loop().time()
        call = await work.journal.reached("left_over")
        assert call.at - before < 30


async def test_so_has_one_whose_loss_a_write_of_its_own_tells_first() -> None:
    work = Working(sweep_seconds=1000, lease_seconds=10_000)
    work.take_long()
    work.waiting(1)
    work.journal.fail("stage", LostClaimError("cancelled meanwhile"))
    async with work.at_work():
        lost = await work.journal.reached("stage")
        call = await work.journal.reached("left_over")
        assert call.at == lost.at


async def test_a_track_that_is_lost_while_its_call_is_in_the_air_too() -> None:
    work = Working(sweep_seconds=1000)
    answer = work.journal.hold("submit")
    [claim] = work.waiting(1)
    async with work.at_work():
        await work.journal.reached("submit")
        work.fakes.queue.lose(claim.id)
        await work.journal.reached("left_over")
        answer.set()
        await work.journal.reached("receipt")
        await work.journal.reached("left_over", 2)

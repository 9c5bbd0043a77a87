"""The end of a worker: what is paid for keeps its receipt, all else is handed back at once."""

from __future__ import annotations

import asyncio

import pytest

from music_service.errors import MusicServiceError, PermanentError, RateLimitedError, TransientError
from tests.support.attempts import Working
from tests.support.clock import now, settled

AWAY = TransientError("away")


async def test_tracks_that_only_wait_are_handed_back_at_once_in_one_call() -> None:
    work = Working()
    work.take_long()
    claims = work.waiting(3)
    async with work.at_work():
        await asyncio.sleep(17)
    assert now() == 17
    (release,) = work.journal.of("release")
    assert release.claim_ids == {claim.id for claim in claims}
    assert work.journal.steps("complete", "defer", "fail") == []


async def test_a_worker_without_tracks_releases_nothing() -> None:
    work = Working()
    async with work.at_work():
        pass
    assert work.journal.of("release") == []


async def test_a_paid_call_in_the_air_gets_its_receipt_and_is_then_handed_back() -> None:
    work = Working()
    work.take_long()
    (idle,) = work.waiting(1)
    running = work.start()
    await work.journal.reached("receipt")
    answered = work.journal.hold("submit")
    (submitted,) = work.waiting(1)
    await work.hint()
    work.stop.set()
    await asyncio.sleep(5)
    assert [call.claim_ids for call in work.journal.of("release")] == [{idle.id}]
    assert work.state == "stopping"
    assert not running.done()
    answered.set()
    await running
    assert work.journal.steps("submit", "receipt", "release")[-2:] == ["receipt", "release"]
    assert work.journal.of("release")[-1].claim_ids == {submitted.id}
    assert now() == 5


async def test_after_the_stop_nothing_is_claimed() -> None:
    work = Working()
    work.journal.hold("submit")
    work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.stop.set()
    await settled()
    work.waiting(3)
    await work.hint()
    work.fakes.feed.gap()
    await running
    assert len(work.journal.of("claim")) == 1


async def test_a_claim_that_is_answered_after_the_stop_is_handed_back_without_a_paid_call() -> None:
    work = Working()
    answered = work.journal.hold("claim")
    claims = work.waiting(2)
    running = work.start()
    await work.journal.reached("claim")
    work.stop.set()
    await settled()
    answered.set()
    await running
    assert work.journal.steps("intent", "submit") == []
    (release,) = work.journal.of("release")
    assert release.claim_ids == {claim.id for claim in claims}


async def test_a_receipt_is_kept_when_the_database_comes_back_during_the_drain() -> None:
    work = Working()
    work.journal.break_down("receipt", AWAY)
    work.waiting(1)
    running = work.start()
    await work.journal.reached("receipt")
    work.stop.set()
    await asyncio.sleep(20)
    work.journal.repair("receipt")
    await running
    assert 20 <= now() < 30
    assert work.journal.steps()[-3:] == ["receipt", "release", "report"]


async def test_a_paid_call_without_an_answer_is_abandoned_when_the_drain_is_over() -> None:
    work = Working(drain_seconds=30)
    work.journal.hold("submit")
    (claim,) = work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.stop.set()
    await running
    assert now() == 30
    assert work.journal.steps("receipt") == []
    assert work.journal.of("release")[-1].claim_ids == {claim.id}
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others == set()


async def test_a_database_that_does_not_answer_makes_the_drain_no_longer() -> None:
    work = Working(drain_seconds=30)
    answered = work.journal.hold("submit")
    work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    for step in ("release", "report"):
        work.journal.hold(step)
    work.stop.set()
    await running
    assert not answered.is_set()
    assert now() <= 40


@pytest.mark.parametrize(
    ("error", "step"), [(RateLimitedError("Busy."), "defer"), (PermanentError("No."), "fail")]
)
async def test_a_refusal_that_comes_during_the_drain_is_written(
    error: MusicServiceError, step: str
) -> None:
    work = Working()
    answered = work.journal.hold("submit")
    work.journal.fail("submit", error)
    (claim,) = work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.stop.set()
    await asyncio.sleep(3)
    answered.set()
    await running
    (end,) = work.journal.of(step)
    assert end.claim_id == claim.id
    assert now() == 3


async def test_a_paid_call_whose_track_was_lost_is_waited_for_too() -> None:
    work = Working()
    answered = work.journal.hold("submit")
    (claim,) = work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.fakes.queue.lose(claim.id)
    await work.journal.reached("renew")
    await settled()
    assert work.worker.status()["running"] == 0
    work.stop.set()
    await asyncio.sleep(1)
    assert not running.done()
    answered.set()
    await running
    assert work.journal.steps("receipt") == ["receipt"]


async def test_leases_are_kept_during_the_drain() -> None:
    work = Working()
    work.journal.hold("submit")
    (claim,) = work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.stop.set()
    await running
    assert [call.claim_ids for call in work.journal.of("renew")][:2] == [{claim.id}] * 2


async def test_a_release_that_fails_does_not_keep_the_worker() -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    work.journal.break_down("release", AWAY)
    async with work.at_work():
        pass
    assert work.journal.of("report")[-1].state == "stopped"


async def test_a_worker_that_is_stopped_before_its_start_does_nothing() -> None:
    work = Working()
    work.waiting(1)
    work.stop.set()
    await work.start()
    assert work.journal.steps("claim", "intent", "release") == []
    assert work.journal.of("report")[-1].state == "stopped"


async def test_a_second_stop_changes_nothing() -> None:
    work = Working()
    answered = work.journal.hold("submit")
    work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.stop.set()
    await settled()
    work.stop.set()
    await settled()
    answered.set()
    await running
    work.stop.set()
    assert work.journal.steps("receipt", "release") == ["receipt", "release"]
    assert [call.state for call in work.journal.of("report")].count("stopped") == 1


@pytest.mark.parametrize("step", ["feed", "claim"])
async def test_a_bug_in_a_part_of_the_worker_ends_it_with_that_error(step: str) -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    bug = RuntimeError("a bug")
    work.journal.fail(step, bug)
    running = work.start()
    await asyncio.wait([running])
    error = running.exception()
    assert isinstance(error, ExceptionGroup)
    assert error.exceptions == (bug,)
    assert [call.state for call in work.journal.of("report")] == ["running"]


async def test_a_bug_in_the_worker_does_not_cost_the_receipt_of_a_paid_call() -> None:
    work = Working()
    answered = work.journal.hold("submit")
    work.waiting(1)
    running = work.start()
    await work.journal.reached("submit")
    work.journal.fail("claim", RuntimeError("a bug"))
    work.fakes.feed.hint()
    await settled()
    assert not running.done()
    answered.set()
    await asyncio.wait([running])
    assert work.journal.steps("receipt") == ["receipt"]
    assert isinstance(running.exception(), ExceptionGroup)

"""Leases: renewed together, given up when they cannot be, and obeyed when they are gone."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from music_service.errors import (
    ConfigurationError,
    MusicServiceError,
    PermanentError,
    TransientError,
)
from music_service.tracks import Status
from tests.support.attempts import Working
from tests.support.clock import settled

AWAY = TransientError("away")


async def test_all_leases_are_renewed_in_one_call_at_every_third_of_their_time() -> None:
    work = Working()
    work.take_long()
    claims = work.waiting(3)
    async with work.at_work():
        await work.journal.reached("renew", 10)
        renewals = work.journal.of("renew")
        assert [call.at for call in renewals] == pytest.approx([10.0 * n for n in range(1, 11)])
        assert all(call.claim_ids == {claim.id for claim in claims} for call in renewals)
        assert {call.lease_seconds for call in renewals} == {30}


async def test_an_idle_worker_gives_a_sign_of_life() -> None:
    work = Working()
    async with work.at_work():
        assert (await work.journal.reached("renew")).claim_ids == set()


async def test_a_renewal_that_fails_is_soon_made_again_and_costs_nothing() -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    work.journal.fail("renew", AWAY, ConfigurationError("the key"), AWAY)
    async with work.at_work():
        await asyncio.sleep(29)
        renewals = work.journal.of("renew")
        assert renewals[3].at < 20
        await asyncio.sleep(300)
        assert work.worker.counters.lost == 0
        assert work.worker.status()["running"] == 1
        pauses = [later.at - earlier.at for earlier, later in pairwise(renewals[3:])]
        assert pauses == pytest.approx([10.0] * len(pauses))


@pytest.mark.parametrize("error", [AWAY, ConfigurationError("the key was changed")])
async def test_after_a_whole_lease_without_renewal_the_tracks_are_lost(
    error: MusicServiceError,
) -> None:
    work = Working()
    work.take_long()
    work.waiting(3)
    work.journal.break_down("renew", error)
    async with work.at_work():
        await asyncio.sleep(29)
        assert work.worker.status()["running"] == 3
        await asyncio.sleep(4)
        assert work.worker.status()["running"] == 0
        assert work.worker.counters.lost == 3
        assert work.worker.status()["state"] == "cut_off"
        [reason] = work.worker.status()["reasons"]
        assert reason == f"The leases cannot be renewed: {error}."
        written = len(work.journal.of("stage"))
        await asyncio.sleep(100)
        assert len(work.journal.of("stage")) == written


async def test_the_time_without_renewal_counts_from_the_last_one_that_succeeded() -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    async with work.at_work():
        await work.journal.reached("renew", 20)
        await settled()
        work.journal.break_down("renew", AWAY)
        await asyncio.sleep(29)
        assert work.worker.status()["running"] == 1
        await asyncio.sleep(4)
        assert work.worker.status()["running"] == 0


async def test_a_renewal_without_an_answer_loses_the_tracks_before_the_lease_is_over() -> None:
    work = Working()
    work.take_long()
    work.waiting(1)
    work.journal.hold("renew")
    async with work.at_work():
        await asyncio.sleep(29)
        assert work.worker.status()["running"] == 1
        await asyncio.sleep(1.1)
        assert work.worker.status()["running"] == 0


async def test_a_worker_that_is_cut_off_claims_nothing_until_a_renewal_succeeds() -> None:
    work = Working(sweep_seconds=5000)
    work.take_long()
    work.journal.break_down("renew", AWAY)
    async with work.at_work():
        await asyncio.sleep(40)
        claims = len(work.journal.of("claim"))
        work.waiting(1)
        await work.hint()
        await asyncio.sleep(200)
        assert len(work.journal.of("claim")) == claims
        work.journal.repair("renew")
        sent = await work.journal.reached("intent")
        assert sent.at == work.journal.of("renew")[-1].at
        assert (work.state, work.worker.status()["reasons"]) == ("running", [])


async def test_a_paid_call_in_the_air_keeps_its_receipt_when_its_lease_is_lost() -> None:
    work = Working()
    work.waiting(1)
    work.journal.break_down("renew", AWAY)
    answered = work.journal.hold("submit")
    async with work.at_work():
        await asyncio.sleep(40)
        assert work.worker.status()["running"] == 0
        answered.set()
        await work.journal.reached("receipt")
        await settled()
        assert work.journal.steps("submit", "receipt", "poll") == ["submit", "receipt"]


async def test_a_track_that_was_taken_is_lost_and_the_others_go_on() -> None:
    work = Working()
    work.take_long()
    taken, kept = work.waiting(2)
    async with work.at_work():
        await work.journal.reached("stage", 2)  # then the queue is not asked for a while
        work.fakes.queue.lose(taken.id)
        await work.journal.reached("renew")
        await settled()
        assert work.worker.counters.lost == 1
        assert (await work.journal.reached("renew", 2)).claim_ids == {kept.id}
        polls = len(work.journal.of("poll"))
        await asyncio.sleep(40)
        assert 8 <= len(work.journal.of("poll")) - polls <= 13  # of one track


async def test_a_track_claimed_during_a_renewal_is_not_taken_for_lost() -> None:
    work = Working()
    work.take_long()
    async with work.at_work():
        answered = work.journal.hold("renew")
        await work.journal.reached("renew")
        (claim,) = work.waiting(1)
        await work.hint()
        answered.set()
        await settled()
        assert work.worker.counters.lost == 0
        assert (await work.journal.reached("renew", 2)).claim_ids == {claim.id}


async def test_a_slot_of_a_lost_track_is_filled_at_once() -> None:
    work = Working(capacity=1, sweep_seconds=5000)
    work.take_long()
    (taken,) = work.waiting(1)
    async with work.at_work():
        (following,) = work.waiting(1)
        await work.journal.reached("stage")
        work.fakes.queue.lose(taken.id)
        sent = await work.journal.reached("intent", 2)
        assert (sent.claim_id, sent.at) == (following.id, 10)


async def test_what_is_ending_when_the_leases_are_lost_may_still_be_written() -> None:
    work = Working()
    (claim,) = work.waiting(1)
    work.journal.fail("submit", PermanentError("No."))
    work.journal.break_down("fail", AWAY)
    work.journal.break_down("renew", AWAY)
    async with work.at_work():
        await asyncio.sleep(40)
        assert (work.state, work.worker.counters.lost) == ("cut_off", 0)
        work.journal.repair("fail")
        await asyncio.sleep(1.1)
        assert work.fakes.queue.row(claim.track.id).status is Status.ERROR
        assert work.worker.status()["running"] == 0

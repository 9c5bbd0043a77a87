"""The loop: what wakes the worker, what it claims, and what it says of itself."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from music_service.errors import (
    ContractError,
    ErrorCode,
    ProviderBlockedError,
    RateLimitedError,
    TransientError,
)
from tests.support.attempts import RUNNING, Working
from tests.support.builders import a_claim
from tests.support.clock import now, settled
from tests.support.fakes import DONE

AWAY = TransientError("away")
NO_MONEY = ProviderBlockedError("No money.", code=ErrorCode.QUOTA_EXHAUSTED)


async def test_the_first_claim_asks_for_as_much_as_there_is_room_for() -> None:
    work = Working(capacity=3)
    work.take_long()
    claims = work.waiting(2)
    async with work.at_work():
        (call,) = work.journal.of("claim")
        assert (call.limit, call.lease_seconds) == (3, 30)
        sent = {intent.claim_id for intent in work.journal.of("intent")}
        assert sent == {claim.id for claim in claims}


async def test_only_free_slots_are_claimed() -> None:
    work = Working(capacity=3)
    work.take_long()
    work.waiting(2)
    async with work.at_work():
        work.waiting(5)
        await work.hint()
        assert [call.limit for call in work.journal.of("claim")] == [3, 1]
        await work.hint()
        assert [call.limit for call in work.journal.of("claim")] == [3, 1]
        assert len(work.fakes.queue.due) == 4


async def test_a_burst_of_hints_is_one_claim() -> None:
    work = Working()
    async with work.at_work():
        for _ in range(100):
            work.fakes.feed.hint()
        await settled()
        assert len(work.journal.of("claim")) == 2
        assert work.worker.counters.hints == 100


async def test_hints_during_a_claim_cause_exactly_one_more() -> None:
    work = Working()
    async with work.at_work():
        go_on = work.journal.hold("claim")
        await work.hint()
        for _ in range(10):
            await work.hint()
        assert len(work.journal.of("claim")) == 2
        go_on.set()
        await settled()
        assert len(work.journal.of("claim")) == 3


async def test_a_freed_slot_is_filled_at_once() -> None:
    work = Working(capacity=1, sweep_seconds=5000)
    work.waiting(3)
    async with work.at_work():
        await work.journal.reached("complete", 3)
        ends = [call.at for call in work.journal.of("complete")]
        intents = [call.at for call in work.journal.of("intent")]
        assert intents[1:] == ends[:-1]
        assert {call.limit for call in work.journal.of("claim")} == {1}


async def test_a_slot_that_is_freed_while_nobody_waits_costs_no_claim() -> None:
    work = Working(sweep_seconds=5000)
    work.waiting(2)
    async with work.at_work():
        await work.journal.reached("complete", 2)
        await settled()
        assert len(work.journal.of("claim")) == 1


async def test_who_came_while_there_was_no_room_is_made_whatever_the_end_of_another_says() -> None:
    work = Working(capacity=1, sweep_seconds=5000)
    work.waiting(1)
    async with work.at_work():
        go_on = work.journal.hold("complete")
        await work.journal.reached("complete", 1)
        work.fakes.queue.completing_looks_too_soon = True
        work.waiting(1)
        await work.hint()
        go_on.set()
        await work.journal.reached("complete", 2)
        ends = [call.at for call in work.journal.of("complete")]
        assert ends[1] - ends[0] < 1000


async def test_of_a_burst_that_meets_an_end_nobody_is_left_to_the_sweep() -> None:
    work = Working(capacity=2, sweep_seconds=5000)
    work.waiting(1)
    async with work.at_work():
        go_on = work.journal.hold("complete")
        await work.journal.reached("complete", 1)
        work.take_long()
        work.fakes.queue.completing_looks_too_soon = True
        work.waiting(2)
        await work.hint()  # there is room for one of them
        go_on.set()
        await settled()
        assert work.worker.status()["running"] == 2


async def test_tracks_of_a_lost_worker_follow_each_other_without_a_sweep() -> None:
    work = Working(capacity=2, sweep_seconds=5000)
    async with work.at_work():
        await asyncio.sleep(1)
        lost = [a_claim() for _ in range(5)]
        for claim in lost:
            work.fakes.queue.hold(claim)
            work.fakes.queue.run_out(claim.id)
        await work.hint()
        await work.journal.reached("complete", len(lost))
        assert now() < 1000


async def test_a_new_subscription_makes_the_worker_claim() -> None:
    work = Working()
    work.take_long()
    async with work.at_work():
        work.waiting(1)
        work.fakes.feed.gap()
        await settled()
        assert work.worker.counters.claimed == 1
        assert work.worker.counters.unannounced == 0


async def test_without_any_hint_the_worker_claims_at_every_sweep() -> None:
    work = Working(sweep_seconds=15)
    async with work.at_work():
        await work.journal.reached("claim", 20)
        times = [call.at for call in work.journal.of("claim")]
        pauses = {later - earlier for earlier, later in pairwise(times)}
        assert all(12 <= pause <= 18 for pause in pauses)
        assert len(pauses) > 1
        assert work.worker.counters.sweeps == 19
        assert work.fakes.feed.distrusted == 0


async def test_what_only_a_sweep_finds_is_counted_and_held_against_the_feed() -> None:
    work = Working()
    async with work.at_work():
        work.waiting(2)
        await work.journal.reached("complete", 2)
        assert work.worker.counters.unannounced == 2
        assert work.fakes.feed.distrusted == 1


async def test_what_a_hint_announced_is_not_held_against_the_feed() -> None:
    work = Working()
    async with work.at_work():
        await asyncio.sleep(100)
        work.waiting(2)
        await work.hint()
        await work.journal.reached("complete", 2)
        assert work.worker.counters.claimed == 2
        assert work.worker.counters.unannounced == 0
        assert work.fakes.feed.distrusted == 0


async def test_a_deferred_track_is_claimed_when_it_is_due() -> None:
    work = Working(sweep_seconds=5000)
    work.journal.fail("submit", RateLimitedError("Busy."))
    work.waiting(1)
    async with work.at_work():
        (deferred,) = work.journal.of("defer")
        known = len(work.journal.of("claim"))
        work.waiting(1)
        claim = await work.journal.reached("claim", known + 1)
        assert claim.at == pytest.approx(deferred.at + deferred.delay_seconds)
        assert work.worker.counters.unannounced == 0


@pytest.mark.parametrize("error", [AWAY, ContractError("odd")])
async def test_a_claim_that_fails_is_made_again_at_the_next_sweep(error: Exception) -> None:
    work = Working()
    work.waiting(1)
    work.journal.fail("claim", error)
    async with work.at_work():
        await work.journal.reached("complete")


async def test_operators_hear_when_the_worker_starts_and_stops() -> None:
    work = Working()
    async with work.at_work():
        pass
    states = [call.state for call in work.journal.of("report")]
    assert states == ["running", "draining", "stopped"]
    assert {call.capacity for call in work.journal.of("report")} == {10}


async def test_a_report_that_cannot_be_written_stops_nothing() -> None:
    work = Working()
    work.journal.break_down("report", AWAY)
    work.waiting(1)
    async with work.at_work():
        await work.journal.reached("complete")


async def test_while_the_account_is_blocked_nothing_is_claimed_but_leases_are_kept() -> None:
    work = Working()
    work.take_long()
    work.fakes.provider.balance_cents = 0
    (running,) = work.waiting(1)
    async with work.at_work():
        work.journal.fail("submit", NO_MONEY)
        work.waiting(1)
        await work.hint()
        claims = len(work.journal.of("claim"))
        work.waiting(1)
        await work.hint()
        await asyncio.sleep(300)
        await work.hint()
        assert len(work.journal.of("claim")) == claims
        assert work.journal.of("renew")[-1].claim_ids == {running.id}
        assert work.journal.of("renew")[-1].at > 280
        assert (work.state, work.worker.status()["reasons"]) == ("blocked", ["No money."])


async def test_operators_hear_that_and_why_the_worker_is_blocked() -> None:
    work = Working()
    work.journal.fail("submit", NO_MONEY)
    work.waiting(1)
    async with work.at_work():
        report = work.journal.of("report")[-1]
        assert (report.state, report.note) == ("blocked", "No money.")


async def test_a_blocked_worker_asks_for_the_balance_and_resumes_when_there_is_money() -> None:
    work = Working(sweep_seconds=5000)
    work.journal.fail("submit", NO_MONEY)
    work.fakes.provider.balance_cents = 0
    work.waiting(1)
    async with work.at_work():
        work.waiting(1)
        work.journal.fail("billing", AWAY, NO_MONEY)
        await work.journal.reached("billing", 4)
        assert [round(call.at) for call in work.journal.of("billing")] == [60, 120, 180, 240]
        assert work.state == "blocked"
        work.fakes.provider.balance_cents = 500
        sent = await work.journal.reached("intent", 2)
        assert sent.at == 300
        assert work.journal.of("report")[-1].state == "running"
        assert (work.state, work.worker.status()["reasons"]) == ("running", [])


async def test_a_worker_can_be_blocked_a_second_time() -> None:
    work = Working()
    work.journal.fail("submit", NO_MONEY, ProviderBlockedError("The key is refused."))
    work.waiting(1)
    async with work.at_work():
        work.waiting(1)
        await work.journal.reached("submit", 2)
        await settled()
        assert work.worker.status()["reasons"] == ["The key is refused."]
        assert [call.state for call in work.journal.of("report")] == [
            "running", "blocked", "running", "blocked"
        ]  # fmt: skip


async def test_tracks_that_are_already_paid_go_on_while_the_account_is_blocked() -> None:
    work = Working()
    work.take_long()
    work.fakes.provider.balance_cents = 0
    (paid,) = work.waiting(1)
    async with work.at_work():
        work.journal.fail("submit", NO_MONEY)
        work.waiting(1)
        await work.hint()
        work.fakes.provider.answers = [RUNNING, DONE]
        assert (await work.journal.reached("complete")).claim_id == paid.id
        assert work.state == "blocked"


async def test_the_status_says_who_works_on_how_much() -> None:
    work = Working(capacity=4)
    work.take_long()
    work.waiting(2)
    async with work.at_work():
        await work.hint()
        expected: dict[str, Any] = {
            "worker_id": "worker",
            "state": "running",
            "reasons": [],
            "realtime": "subscribed",
            "reconnects": 0,
            "running": 2,
            "capacity": 4,
            "left_over": 0,
            "tasks": len(asyncio.all_tasks()),
            "claimed": 2,
            "hints": 1,
            "sweeps": 0,
            "unannounced": 0,
            "lost": 0,
        }
        assert work.worker.status() == expected
        work.fakes.feed.is_working = False
        assert work.worker.status()["realtime"] == "silent"
    assert (work.state, work.worker.status()["running"]) == ("stopping", 0)
    assert now() == 0

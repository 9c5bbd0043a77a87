"""How often a worker claims: a lone hint is followed at once, a storm costs ten claims a second."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from music_service.errors import LostClaimError
from tests.support.attempts import Working
from tests.support.clock import now, settled


async def test_a_lone_hint_is_followed_without_any_pause() -> None:
    work = Working(sweep_seconds=5000)
    async with work.at_work():
        for number in range(1, 200):
            await asyncio.sleep(0.25)
            asked_at = now()
            await work.hint()
            claims = work.journal.of("claim")
            assert len(claims) == 1 + number
            assert claims[-1].at == asked_at


async def test_a_handful_of_hints_that_come_together_waits_for_nothing() -> None:
    work = Working(sweep_seconds=5000)
    async with work.at_work():
        await asyncio.sleep(10)
        asked_at = now()
        for _ in range(10):
            await work.hint()
        assert [call.at for call in work.journal.of("claim")][1:] == [asked_at] * 10


async def test_a_storm_of_hints_costs_ten_claims_a_second_and_none_after_it() -> None:
    work = Working(sweep_seconds=5000)
    async with work.at_work():
        began_at = now()
        for _ in range(30 * 500):
            await asyncio.sleep(1 / 500)
            work.fakes.feed.hint()
        lasted = now() - began_at
        await asyncio.sleep(1)
        claims = len(work.journal.of("claim"))
        assert lasted * 10 - 10 < claims <= lasted * 10 + 12
        assert work.worker.counters.hints == 30 * 500
        await asyncio.sleep(100)
        assert len(work.journal.of("claim")) == claims, "wake-ups were put by for later"


async def test_the_last_hint_of_a_storm_is_followed_after_one_pause() -> None:
    work = Working(sweep_seconds=5000)
    work.take_long()
    async with work.at_work():
        for _ in range(2000):
            await asyncio.sleep(0.002)
            work.fakes.feed.hint()
        [last] = work.waiting(1)
        asked_at = now()
        await work.hint()
        await work.journal.reached("intent")
        (intent,) = work.journal.of("intent")
        assert intent.claim_id == last.id
        assert intent.at - asked_at <= 0.1001
        gaps = [after.at - before.at for before, after in pairwise(work.journal.of("claim"))]
        assert max(gaps[-30:-1]) <= 0.1021


async def test_tracks_that_end_at_once_do_not_hasten_the_claims_of_a_storm() -> None:
    work = Working(sweep_seconds=5000)
    async with work.at_work():
        began_at = now()
        for _ in range(5 * 200):
            await asyncio.sleep(1 / 200)
            for claim in work.waiting(1):
                work.journal.fail("intent", LostClaimError("cancelled meanwhile"))
                assert claim.generation is None
            work.fakes.feed.hint()
        claims = len(work.journal.of("claim"))
        assert claims <= (now() - began_at) * 10 + 12


async def test_a_stop_does_not_wait_for_the_pause() -> None:
    work = Working(sweep_seconds=5000)
    async with work.at_work():
        for _ in range(20):
            await work.hint()
        asked_at = now()
    assert now() == asked_at
    await settled()

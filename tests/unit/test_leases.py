"""The keeper of leases alone: one call for all claims, and which of them are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from uuid import UUID

import pytest

from music_service.errors import ConfigurationError, TransientError
from music_service.tracks import Claim
from music_service.worker.leases import LeaseKeeper
from music_service.worker.outages import Outage
from tests.support.builders import a_claim
from tests.support.clock import now, settled
from tests.support.fakes import Fakes

AWAY = TransientError("away")
LEASE_SECONDS = 30


class Keeping:
    """A keeper, the claims that it keeps, and what it told."""

    def __init__(self, claims: int = 1) -> None:
        self.fakes = Fakes()
        self.journal = self.fakes.journal
        self.claims = [self.claim() for _ in range(claims)]
        self.lost: list[tuple[float, set[UUID], str]] = []
        self.restored: list[float] = []
        self.keeper = LeaseKeeper(
            self.fakes.queue,
            LEASE_SECONDS,
            held=lambda: {claim.id for claim in self.claims},
            on_lost=lambda ids, why: self.lost.append((now(), ids, why)),
            on_restored=lambda: self.restored.append(now()),
            outage=Outage("database", quiet_seconds=30),
        )

    def claim(self) -> Claim:
        claim = a_claim()
        self.fakes.queue.hold(claim)
        return claim

    @property
    def ids(self) -> set[UUID]:
        return {claim.id for claim in self.claims}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self.keeper.run())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            assert keeping.cancelled()


async def test_all_claims_are_renewed_in_one_call_at_every_third_of_the_lease() -> None:
    keeping = Keeping(claims=3)
    async with keeping.at_work():
        await keeping.journal.reached("renew", 10)
    renewals = keeping.journal.of("renew")
    assert [call.at for call in renewals] == pytest.approx([10.0 * n for n in range(1, 11)])
    assert all(call.claim_ids == keeping.ids for call in renewals)
    assert {call.lease_seconds for call in renewals} == {LEASE_SECONDS}
    assert keeping.lost == []


async def test_without_a_claim_it_is_a_sign_of_life_half_as_often() -> None:
    keeping = Keeping(claims=0)
    async with keeping.at_work():
        await keeping.journal.reached("renew", 3)
        keeping.claims.append(keeping.claim())
        await keeping.journal.reached("renew", 5)
    renewals = keeping.journal.of("renew")
    assert [call.at for call in renewals] == pytest.approx([20.0, 40.0, 60.0, 70.0, 80.0])
    assert [len(call.claim_ids) for call in renewals] == [0, 0, 0, 1, 1]


async def test_what_is_held_is_asked_for_at_each_renewal() -> None:
    keeping = Keeping()
    async with keeping.at_work():
        await keeping.journal.reached("renew")
        keeping.claims = [keeping.claim()]
        assert (await keeping.journal.reached("renew", 2)).claim_ids == keeping.ids


async def test_a_claim_that_somebody_took_is_lost_and_the_others_are_not() -> None:
    keeping = Keeping(claims=2)
    taken = keeping.claims[0].id
    keeping.fakes.queue.lose(taken)
    async with keeping.at_work():
        await keeping.journal.reached("renew")
        await settled()
    assert keeping.lost == [(10, {taken}, "taken by somebody else")]
    assert not keeping.keeper.is_cut_off


@pytest.mark.parametrize("error", [AWAY, ConfigurationError("the key"), RuntimeError("a bug")])
async def test_a_renewal_that_fails_is_soon_made_again(error: Exception) -> None:
    keeping = Keeping()
    keeping.journal.fail("renew", error)
    async with keeping.at_work():
        await keeping.journal.reached("renew", 4)
    times = [call.at for call in keeping.journal.of("renew")]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([3, 10, 10])
    assert keeping.lost == []


async def test_after_a_whole_lease_without_renewal_all_are_lost() -> None:
    keeping = Keeping(claims=3)
    keeping.journal.break_down("renew", AWAY)
    async with keeping.at_work():
        await asyncio.sleep(LEASE_SECONDS - 0.1)
        assert (keeping.lost, keeping.keeper.is_cut_off) == ([], False)
        await asyncio.sleep(3)
        assert keeping.keeper.is_cut_off
    assert keeping.lost[0] == (LEASE_SECONDS, keeping.ids, "the leases could not be renewed")


async def test_a_renewal_without_an_answer_is_given_up_before_the_lease_is_over() -> None:
    keeping = Keeping()
    keeping.journal.hold("renew")
    async with keeping.at_work():
        await asyncio.sleep(LEASE_SECONDS + 0.1)
        assert [at for at, _, _ in keeping.lost] == pytest.approx([LEASE_SECONDS])


async def test_the_lease_counts_from_the_question_and_not_from_its_answer() -> None:
    keeping = Keeping()
    answered = keeping.journal.hold("renew")
    async with keeping.at_work():
        await keeping.journal.reached("renew")
        await asyncio.sleep(9)
        answered.set()
        await settled()
        keeping.journal.break_down("renew", AWAY)
        await asyncio.sleep(100)
        lost_at, _, _ = keeping.lost[0]
        assert lost_at == pytest.approx(10 + LEASE_SECONDS)


async def test_when_renewing_works_again_it_says_so_once() -> None:
    keeping = Keeping()
    keeping.journal.break_down("renew", AWAY)
    async with keeping.at_work():
        await asyncio.sleep(100)
        keeping.journal.repair("renew")
        await asyncio.sleep(100)
    assert len(keeping.restored) == 1
    assert 100 <= keeping.restored[0] <= 103
    assert not keeping.keeper.is_cut_off

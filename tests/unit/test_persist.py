"""Writes that must reach the database: tried without end while it is away."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from music_service.errors import ConfigurationError, ContractError, LostClaimError, TransientError
from music_service.worker.persist import MOST_REFUSALS, persist
from tests.support.clock import now
from tests.support.journal import Journal

AWAY = TransientError("away")


class Write:
    """One write, and what was said of its failures."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.failures: list[Exception] = []

    async def until_taken(self, longest_pause_seconds: float = 10) -> None:
        await persist(
            lambda: self.journal.take("write"),
            on_failure=self.failures.append,
            first_pause_seconds=0.5,
            longest_pause_seconds=longest_pause_seconds,
        )


async def test_a_write_that_is_taken_is_made_once() -> None:
    write = Write()
    await write.until_taken()
    assert write.journal.steps() == ["write"]
    assert write.failures == []


async def test_a_database_that_is_away_is_waited_for_without_end() -> None:
    write = Write()
    write.journal.break_down("write", AWAY)
    writing = asyncio.create_task(write.until_taken())
    await asyncio.sleep(3600)
    write.journal.repair("write")
    await writing
    assert now() == pytest.approx(3600, abs=10)
    assert len(write.journal.calls) > 300


async def test_pauses_double_up_to_the_longest() -> None:
    write = Write()
    write.journal.fail("write", *[AWAY] * 7)
    await write.until_taken()
    times = [call.at for call in write.journal.calls]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]
    assert write.failures == [AWAY] * 7


@pytest.mark.parametrize(
    "error", [ContractError("odd"), ConfigurationError("the key"), ValueError("a bug")]
)
async def test_a_write_that_is_refused_for_good_is_given_up(error: Exception) -> None:
    write = Write()
    write.journal.break_down("write", error)
    with pytest.raises(type(error)):
        await write.until_taken()
    assert len(write.journal.calls) == len(write.failures) == MOST_REFUSALS


async def test_time_away_is_no_refusal() -> None:
    write = Write()
    write.journal.fail("write", *[AWAY, ContractError("odd")] * (MOST_REFUSALS - 1))
    await write.until_taken()
    assert write.journal.steps() == ["write"] * (2 * MOST_REFUSALS - 1)


async def test_a_lost_claim_is_not_written_again() -> None:
    write = Write()
    write.journal.break_down("write", LostClaimError("gone"))
    with pytest.raises(LostClaimError):
        await write.until_taken()
    assert (write.journal.steps(), write.failures) == (["write"], [])


async def test_a_write_can_be_cancelled() -> None:
    write = Write()
    write.journal.break_down("write", AWAY)
    writing = asyncio.create_task(write.until_taken())
    await asyncio.sleep(100)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()

"""Whichever of several things comes first."""

from __future__ import annotations

import asyncio

import pytest

from music_service.waiting import first_of
from tests.support.clock import now


async def test_the_first_to_come_is_answered_by_its_place() -> None:
    assert await first_of(asyncio.sleep(3), asyncio.sleep(1), asyncio.sleep(2)) == 1
    assert now() == 1


async def test_of_two_that_come_together_the_first_named_counts() -> None:
    assert await first_of(asyncio.sleep(0), asyncio.sleep(0)) == 0


async def test_coroutines_that_were_not_first_have_ended() -> None:
    await first_of(asyncio.sleep(1), asyncio.Event().wait())
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_of_somebody_else_goes_on() -> None:
    theirs = asyncio.create_task(asyncio.sleep(10))
    assert await first_of(theirs, asyncio.sleep(1)) == 1
    await theirs
    assert now() == 10


async def fail_after(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise RuntimeError("a bug")


async def test_what_the_first_raised_is_raised() -> None:
    with pytest.raises(RuntimeError):
        await first_of(asyncio.sleep(2), fail_after(1))


async def test_a_failure_that_comes_together_with_another_is_not_passed_over() -> None:
    with pytest.raises(RuntimeError):
        await first_of(asyncio.sleep(1), fail_after(1))


async def test_who_waits_can_be_cancelled_and_takes_its_coroutines_along() -> None:
    waiting = asyncio.create_task(first_of(asyncio.Event().wait(), asyncio.sleep(1000)))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}

"""The paid call: announced, sent once, and its receipt kept whatever happens."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from music_service.errors import (
    ContractError,
    LostClaimError,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.tracks import Claim, request_for
from music_service.worker.ports import Options
from music_service.worker.submit import Ordered, order
from tests.support.clock import now
from tests.support.fakes import World, a_claim, a_track, options

AWAY = TransientError("The database cannot be reached.")


async def ordered(world: World, claim: Claim | None = None, how: Options | None = None) -> Ordered:
    return await order(claim or a_claim(), world.queue, world.provider, how or options())


async def test_an_order_is_announced_then_sent_and_then_its_receipt_is_kept() -> None:
    world, claim = World(), a_claim(a_track(lyrics="la la"))
    got = await ordered(world, claim)
    assert world.journal.steps() == ["begin", "submit", "record"]
    begin, submit, record = world.journal.calls
    assert begin.claim_id == claim.id
    assert begin.request == submit.request == got.request
    assert begin.generation_id == record.generation_id == got.id
    assert (record.task_id, record.trace_id) == ("task-1", "trace")
    assert (got.task_id, got.age_seconds) == ("task-1", 0)


async def test_what_is_announced_is_what_the_options_say() -> None:
    world, claim = World(), a_claim()
    how = options(model="mureka-8", stream=False)
    await ordered(world, claim, how)
    (begin,) = world.journal.of("begin")
    assert begin.request == request_for(claim.track, model="mureka-8", stream=False)
    assert (begin.model, begin.cost_cents) == ("mureka-8", how.cost_cents)


@pytest.mark.parametrize("error", [LostClaimError("gone"), AWAY, RuntimeError("a bug")])
async def test_what_cannot_be_announced_is_not_sent(error: Exception) -> None:
    world = World()
    world.journal.fail("begin", error)
    with pytest.raises(type(error)):
        await ordered(world)
    assert world.journal.steps() == ["begin"]


@pytest.mark.parametrize(
    "error",
    [
        RateLimitedError("Busy."),
        ProviderBlockedError("No money."),
        PermanentError("Refused."),
        TransientError("Not reached."),
        SubmissionUnknownError("Lost."),
    ],
)
async def test_a_refused_order_is_not_sent_again(error: MusicServiceError) -> None:
    world = World()
    world.journal.fail("submit", error)
    with pytest.raises(type(error)) as caught:
        await ordered(world)
    assert caught.value is error
    assert world.journal.steps() == ["begin", "submit"]


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), KeyError("id"), TimeoutError()])
async def test_after_an_unexpected_error_the_fate_of_the_order_is_unknown(bug: Exception) -> None:
    world = World()
    world.journal.fail("submit", bug)
    with pytest.raises(SubmissionUnknownError) as caught:
        await ordered(world)
    assert type(bug).__name__ in str(caught.value)
    assert caught.value.__cause__ is bug
    assert world.journal.steps() == ["begin", "submit"]


async def test_a_receipt_is_kept_however_long_the_database_is_away() -> None:
    world = World()
    world.journal.break_down("record", AWAY)
    running = asyncio.create_task(ordered(world))
    await asyncio.sleep(3600)
    assert not running.done()
    world.journal.mend("record")
    await running
    assert world.journal.steps("begin", "submit") == ["begin", "submit"]
    records = world.journal.of("record")
    assert {(r.generation_id, r.task_id, r.trace_id) for r in records} == {
        (records[0].generation_id, "task-1", "trace")
    }
    assert len(records) > 300
    assert now() == pytest.approx(3600, abs=10)


async def test_a_receipt_is_kept_ever_more_seldom_but_soon_at_first() -> None:
    world = World()
    world.journal.fail("record", *[AWAY] * 9)
    await ordered(world)
    times = [call.at for call in world.journal.of("record")]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 1
    assert pauses[-1] <= 10


@pytest.mark.parametrize(
    "error", [ContractError("odd"), MusicServiceError("any"), ValueError("a bug of a library")]
)
async def test_no_error_makes_the_receipt_be_given_up(error: Exception) -> None:
    world = World()
    world.journal.fail("record", error)
    await ordered(world)
    assert world.journal.steps() == ["begin", "submit", "record", "record"]


class FullDisk:
    """A log that cannot be written."""

    def bind(self, **_: object) -> FullDisk:
        return self

    def info(self, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    error = info


async def test_a_log_that_cannot_be_written_costs_no_receipt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("music_service.worker.submit.log", FullDisk())
    world = World()
    world.journal.fail("record", AWAY)
    got = await ordered(world)
    assert world.journal.steps() == ["begin", "submit", "record", "record"]
    assert got.task_id == "task-1"


@pytest.mark.timeout(20)
async def test_a_receipt_that_the_database_refuses_for_good_is_left_to_a_person() -> None:
    world = World()
    world.journal.break_down("record", ContractError("Already known."))
    with pytest.raises(SubmissionUnknownError, match="was accepted"):
        await ordered(world)
    assert len(world.journal.of("record")) == 20

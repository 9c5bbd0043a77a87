"""The paid call: its intent written, sent once, and its receipt stored whatever happens."""

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
from music_service.observe.observer import TrackObserver
from music_service.tracks import Claim, Generation, request_for
from music_service.worker.ports import Options
from music_service.worker.submit import submit
from tests.support.builders import a_claim, a_track, options
from tests.support.clock import now
from tests.support.fakes import Fakes

AWAY = TransientError("The database cannot be reached.")


async def submitted(
    fakes: Fakes, claim: Claim | None = None, how: Options | None = None
) -> Generation:
    claim = claim or a_claim()
    fakes.queue.hold(claim)
    return await submit(claim, fakes.queue, fakes.provider, how or options(), TrackObserver())


async def test_the_intent_is_written_then_the_call_sent_and_then_its_receipt_stored() -> None:
    fakes, claim = Fakes(), a_claim(a_track(lyrics="la la"))
    got = await submitted(fakes, claim)
    assert fakes.journal.steps() == ["intent", "submit", "receipt"]
    intent, call, receipt = fakes.journal.calls
    assert intent.claim_id == claim.id
    assert intent.request == call.request == got.request
    assert intent.generation_id == receipt.generation_id == got.id
    assert (receipt.task_id, receipt.trace_id) == ("task-1", "trace")
    assert (got.mureka_task_id, got.age_seconds) == ("task-1", 0)


async def test_the_intent_says_what_the_options_say() -> None:
    fakes, claim = Fakes(), a_claim()
    how = options(model="mureka-8", stream=False)
    await submitted(fakes, claim, how)
    (intent,) = fakes.journal.of("intent")
    assert intent.request == request_for(claim.track, model="mureka-8", stream=False)
    assert (intent.model, intent.expected_cost_cents) == ("mureka-8", how.expected_cost_cents)


@pytest.mark.parametrize("error", [LostClaimError("gone"), AWAY, RuntimeError("a bug")])
async def test_without_an_intent_nothing_is_sent(error: Exception) -> None:
    fakes = Fakes()
    fakes.journal.fail("intent", error)
    with pytest.raises(type(error)):
        await submitted(fakes)
    assert fakes.journal.steps() == ["intent"]


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
async def test_a_refused_call_is_not_sent_again(error: MusicServiceError) -> None:
    fakes = Fakes()
    fakes.journal.fail("submit", error)
    with pytest.raises(type(error)) as caught:
        await submitted(fakes)
    assert caught.value is error
    told = [] if isinstance(error, SubmissionUnknownError) else ["refuse"]
    assert fakes.journal.steps() == ["intent", "submit", *told]


async def test_a_refusal_that_cannot_be_told_is_left_to_the_attempt() -> None:
    fakes = Fakes()
    fakes.journal.fail("submit", PermanentError("Refused."))
    fakes.journal.fail("refuse", TransientError("away"))
    with pytest.raises(PermanentError, match=r"Refused\."):
        await submitted(fakes)


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), KeyError("id"), TimeoutError()])
async def test_after_an_unexpected_error_the_call_may_have_been_accepted(
    bug: Exception,
) -> None:
    fakes = Fakes()
    fakes.journal.fail("submit", bug)
    with pytest.raises(SubmissionUnknownError) as caught:
        await submitted(fakes)
    assert type(bug).__name__ in str(caught.value)
    assert caught.value.__cause__ is bug
    assert fakes.journal.steps() == ["intent", "submit"]


async def test_a_receipt_is_stored_however_long_the_database_is_away() -> None:
    fakes = Fakes()
    fakes.journal.break_down("receipt", AWAY)
    running = asyncio.create_task(submitted(fakes))
    await asyncio.sleep(3600)
    assert not running.done()
    fakes.journal.repair("receipt")
    await running
    assert fakes.journal.steps("intent", "submit") == ["intent", "submit"]
    receipts = fakes.journal.of("receipt")
    assert {(r.generation_id, r.task_id, r.trace_id) for r in receipts} == {
        (receipts[0].generation_id, "task-1", "trace")
    }
    assert len(receipts) > 300
    assert now() == pytest.approx(3600, abs=10)


async def test_a_receipt_is_tried_ever_more_seldom_but_soon_at_first() -> None:
    fakes = Fakes()
    fakes.journal.fail("receipt", *[AWAY] * 9)
    await submitted(fakes)
    times = [call.at for call in fakes.journal.of("receipt")]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 1
    assert pauses[-1] <= 10


@pytest.mark.parametrize(
    "error", [ContractError("odd"), MusicServiceError("any"), ValueError("a bug of a library")]
)
async def test_no_error_makes_the_receipt_be_given_up(error: Exception) -> None:
    fakes = Fakes()
    fakes.journal.fail("receipt", error)
    await submitted(fakes)
    assert fakes.journal.steps() == ["intent", "submit", "receipt", "receipt"]


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
    fakes = Fakes()
    fakes.journal.fail("receipt", AWAY)
    got = await submitted(fakes)
    assert fakes.journal.steps() == ["intent", "submit", "receipt", "receipt"]
    assert got.mureka_task_id == "task-1"


@pytest.mark.timeout(20)
async def test_a_receipt_that_the_database_refuses_for_good_is_left_to_a_person() -> None:
    fakes = Fakes()
    fakes.journal.break_down("receipt", ContractError("Already known."))
    with pytest.raises(SubmissionUnknownError, match="was accepted"):
        await submitted(fakes)
    assert len(fakes.journal.of("receipt")) == 20

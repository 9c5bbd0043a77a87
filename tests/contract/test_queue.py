"""The worker functions, obeyed by the fake queue of the unit tests and by the database alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from local_supabase.stack import Stack
from music_service.errors import ContractError, ErrorCode, LostClaimError
from music_service.store.client import connect
from music_service.tracks import Claim, GenerationRequest, Outcome, Status
from music_service.worker.ports import Queue
from tests.support.builders import some_music
from tests.support.project import Connection
from tests.support.queues import DatabaseAtHand, FakeAtHand, QueueAtHand

LEASE_SECONDS = 60
HOUR = 3600
REQUEST = GenerationRequest("instrumental", {"model": "mureka-9", "n": 1, "prompt": "rain"})


@pytest.fixture
def fake() -> FakeAtHand:
    return FakeAtHand()


@pytest.fixture
async def real(stack: Stack, database: Connection) -> AsyncIterator[DatabaseAtHand]:
    async with connect(stack.url, stack.keys.secret) as client:
        hand = DatabaseAtHand(client, database)
        await hand.clear()
        yield hand
        await hand.clear()


@pytest.fixture(params=["fake", "real"])
def hand(request: pytest.FixtureRequest) -> QueueAtHand:
    chosen: QueueAtHand = request.getfixturevalue(request.param)
    return chosen


async def claimed(hand: QueueAtHand) -> Claim:
    """The one track that is due."""
    [claim] = await hand.queue.claim(10, LEASE_SECONDS)
    return claim


async def asked_and_claimed(hand: QueueAtHand) -> Claim:
    await hand.ask()
    return await claimed(hand)


async def intend(hand: QueueAtHand, claim: Claim, generation_id: UUID | None = None) -> UUID:
    """Write the intent of a paid call; answers the generation's id."""
    generation_id = generation_id or uuid4()
    await hand.queue.write_intent(
        claim.id, generation_id, REQUEST, model="mureka-9", expected_cost_cents=Decimal("4.5")
    )
    return generation_id


async def submit(hand: QueueAtHand, claim: Claim) -> tuple[UUID, str]:
    """Write the intent and its receipt; answers both ids."""
    generation_id, task_id = await intend(hand, claim), uuid4().hex
    await hand.queue.store_receipt(generation_id, task_id, "trace")
    return generation_id, task_id


async def defer(
    hand: QueueAtHand,
    claim: Claim,
    *,
    outcome: Outcome = Outcome.REFUSED,
    code: ErrorCode = ErrorCode.PROVIDER_UNAVAILABLE,
    delay_seconds: float = 0,
    counts_as_attempt: bool = False,
) -> Status:
    return await hand.queue.defer(
        claim.id,
        delay_seconds=delay_seconds,
        outcome=outcome,
        code=code,
        message="The reason.",
        counts_as_attempt=counts_as_attempt,
    )


async def fail(
    hand: QueueAtHand,
    claim: Claim,
    outcome: Outcome,
    code: ErrorCode = ErrorCode.GENERATION_FAILED,
) -> None:
    await hand.queue.fail(claim.id, outcome=outcome, code=code, message="The reason.")


async def test_a_claim_has_the_wish_of_its_track(hand: QueueAtHand) -> None:
    wish = {"prompt": "rain", "lyrics": "la la", "genre": "folk", "mood": "calm", "tempo": "slow"}
    track_id = await hand.ask(**wish, duration_seconds=90)
    track = (await claimed(hand)).track
    assert (track.id, track.user_id, track.kind) == (track_id, None, "song")
    assert {name: getattr(track, name) for name in wish} == wish
    assert (track.duration_seconds, track.attempts) == (90, 0)


async def test_an_intent_answers_what_the_call_costs_also_the_second_time(
    hand: QueueAtHand,
) -> None:
    claim, generation_id = await asked_and_claimed(hand), uuid4()
    for _ in range(2):
        cents = await hand.queue.write_intent(
            claim.id, generation_id, REQUEST, model="mureka-9", expected_cost_cents=None
        )
        assert cents == Decimal("4.5")


async def test_no_more_is_claimed_than_was_asked_for(hand: QueueAtHand) -> None:
    asked = {await hand.ask() for _ in range(3)}
    first = await hand.queue.claim(2, LEASE_SECONDS)
    second = await hand.queue.claim(2, LEASE_SECONDS)
    assert (len(first), len(second)) == (2, 1)
    assert {claim.track.id for claim in first + second} == asked
    assert len({claim.id for claim in first + second}) == 3
    assert await hand.queue.claim(0, LEASE_SECONDS) == []


async def test_a_claimed_track_is_nobody_elses_while_its_lease_lasts(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    assert await hand.state(claim.track.id) == ("generating", None)
    assert await hand.queue.claim(10, LEASE_SECONDS) == []


async def test_a_track_whose_lease_ran_out_has_a_new_fence_and_a_counted_attempt(
    hand: QueueAtHand,
) -> None:
    claim = await asked_and_claimed(hand)
    await hand.run_out(claim)
    taken_over = await claimed(hand)
    assert taken_over.track.id == claim.track.id
    assert taken_over.id != claim.id
    assert taken_over.track.attempts == claim.track.attempts + 1
    assert await hand.queue.renew([claim.id, taken_over.id], LEASE_SECONDS) == {taken_over.id}


async def test_renewing_answers_what_is_still_held(hand: QueueAtHand) -> None:
    kept, ended = [await asked_and_claimed(hand) for _ in range(2)]
    await fail(hand, ended, Outcome.REFUSED)
    held = await hand.queue.renew([kept.id, ended.id, uuid4()], LEASE_SECONDS)
    assert held == {kept.id}
    assert await hand.queue.renew([], LEASE_SECONDS) == set()


async def test_a_released_track_is_due_at_once_and_no_attempt_is_counted(
    hand: QueueAtHand,
) -> None:
    claim = await asked_and_claimed(hand)
    await hand.queue.release([claim.id])
    assert await hand.state(claim.track.id) == ("pending", None)
    again = await claimed(hand)
    assert again.id != claim.id
    assert again.track == claim.track


Write = Callable[[Queue, UUID], Awaitable[object]]
WRITES: dict[str, Write] = {
    "intent": lambda queue, fence: queue.write_intent(
        fence, uuid4(), REQUEST, model="mureka-9", expected_cost_cents=Decimal("4.5")
    ),
    "stage": lambda queue, fence: queue.report_stage(fence, "running", None),
    "complete": lambda queue, fence: queue.complete(fence, some_music()),
    "defer": lambda queue, fence: queue.defer(
        fence,
        delay_seconds=0,
        outcome=Outcome.OPEN,
        code=ErrorCode.INTERNAL,
        message="Later.",
        counts_as_attempt=False,
    ),
    "fail": lambda queue, fence: queue.fail(
        fence, outcome=Outcome.OPEN, code=ErrorCode.INTERNAL, message="No."
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_without_its_claim_a_worker_writes_nothing(hand: QueueAtHand, write: Write) -> None:
    lost = await asked_and_claimed(hand)
    await hand.run_out(lost)
    heir = await claimed(hand)
    with pytest.raises(LostClaimError):
        await write(hand.queue, lost.id)
    assert await hand.state(heir.track.id) == ("generating", None)
    assert await hand.queue.renew([heir.id], LEASE_SECONDS) == {heir.id}


async def test_a_receipt_is_resumed_by_the_next_claim(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    assert claim.generation is None
    generation_id, task_id = await submit(hand, claim)
    await hand.queue.release([claim.id])
    resumed = (await claimed(hand)).generation
    assert resumed is not None
    assert (resumed.id, resumed.mureka_task_id) == (generation_id, task_id)
    assert resumed.request == REQUEST
    assert 0 <= resumed.age_seconds < 60


async def test_the_same_intent_may_be_written_again(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    generation_id = await intend(hand, claim)
    await intend(hand, claim, generation_id)


@pytest.mark.parametrize("has_receipt", [False, True])
async def test_while_a_paid_call_is_open_no_other_is_sent(
    hand: QueueAtHand, has_receipt: bool
) -> None:
    claim = await asked_and_claimed(hand)
    await (submit if has_receipt else intend)(hand, claim)
    with pytest.raises(LostClaimError):
        await intend(hand, claim)


async def test_the_same_receipt_may_be_stored_again_and_another_may_not(
    hand: QueueAtHand,
) -> None:
    generation_id, task_id = await submit(hand, await asked_and_claimed(hand))
    await hand.queue.store_receipt(generation_id, task_id, "trace")
    with pytest.raises(ContractError):
        await hand.queue.store_receipt(generation_id, "another", None)


async def test_a_receipt_of_an_unknown_generation_is_no_error(hand: QueueAtHand) -> None:
    await hand.queue.store_receipt(uuid4(), uuid4().hex, None)


async def test_a_receipt_needs_no_claim(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    generation_id = await intend(hand, claim)
    await hand.run_out(claim)
    await hand.queue.store_receipt(generation_id, uuid4().hex, "trace")
    resumed = (await claimed(hand)).generation
    assert resumed is not None
    assert resumed.id == generation_id


async def test_an_intent_that_was_left_alone_is_never_sent_again(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    generation_id = await intend(hand, claim)
    await hand.run_out(claim)
    assert await hand.queue.claim(10, LEASE_SECONDS) == []
    assert await hand.state(claim.track.id) == ("error", "submission_unknown")
    await hand.queue.store_receipt(generation_id, uuid4().hex, "trace")  # late, but not lost
    resumed = (await claimed(hand)).generation
    assert resumed is not None
    assert resumed.id == generation_id


async def test_a_completed_track_is_at_its_end(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    await submit(hand, claim)
    await hand.queue.report_stage(claim.id, "running", None)
    await hand.queue.complete(claim.id, some_music("https://project.example/key"))
    assert await hand.state(claim.track.id) == ("completed", None)
    with pytest.raises(LostClaimError):
        await hand.queue.complete(claim.id, some_music())
    assert await hand.queue.claim(10, LEASE_SECONDS) == []


async def test_completing_tells_whether_another_track_is_due(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    await submit(hand, claim)
    later = await asked_and_claimed(hand)
    await defer(hand, later, delay_seconds=HOUR)
    assert await hand.queue.complete(claim.id, some_music()) is False
    claim = await asked_and_claimed(hand)
    await submit(hand, claim)
    await hand.ask()
    assert await hand.queue.complete(claim.id, some_music()) is True


async def test_a_deferred_track_is_due_later_and_says_why(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    assert await defer(hand, claim, delay_seconds=HOUR) is Status.PENDING
    assert await hand.state(claim.track.id) == ("pending", "provider_unavailable")
    assert await hand.queue.claim(10, LEASE_SECONDS) == []
    with pytest.raises(LostClaimError):
        await defer(hand, claim)


@pytest.mark.parametrize("counts", [False, True])
async def test_a_deferral_counts_as_an_attempt_where_it_says_so(
    hand: QueueAtHand, counts: bool
) -> None:
    claim = await asked_and_claimed(hand)
    await defer(hand, claim, counts_as_attempt=counts)
    again = await claimed(hand)
    assert (again.track.id, again.track.attempts) == (claim.track.id, int(counts))
    assert await hand.state(claim.track.id) == ("generating", None)


async def test_a_track_whose_attempts_are_used_up_ends(hand: QueueAtHand) -> None:
    track_id = await hand.ask()
    answers = [await defer(hand, await claimed(hand), counts_as_attempt=True) for _ in range(10)]
    assert answers == [Status.PENDING] * 9 + [Status.ERROR]
    assert await hand.state(track_id) == ("error", "attempts_exhausted")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.REFUSED])
async def test_without_a_receipt_only_a_certain_refusal_lets_a_call_be_sent_again(
    hand: QueueAtHand, outcome: Outcome
) -> None:
    for end in ("defer", "fail"):
        claim = await asked_and_claimed(hand)
        await intend(hand, claim)
        if end == "defer":
            assert await defer(hand, claim, outcome=outcome) is Status.ERROR
        else:
            await fail(hand, claim, outcome)
        assert await hand.state(claim.track.id) == ("error", "submission_unknown")
    assert await hand.queue.claim(10, LEASE_SECONDS) == []


async def test_a_refused_call_is_sent_again_by_the_next_attempt(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    await intend(hand, claim)
    assert await defer(hand, claim, outcome=Outcome.REFUSED) is Status.PENDING
    again = await claimed(hand)
    assert again.generation is None
    await intend(hand, again)


@pytest.mark.parametrize(
    ("outcome", "code", "resumes"),
    [
        (Outcome.OPEN, ErrorCode.STORAGE_FAILED, True),
        (Outcome.REFUSED, ErrorCode.INTERNAL, True),  # a wrong word: it was accepted
        (Outcome.UNKNOWN, ErrorCode.INTERNAL, True),
        (Outcome.OVERDUE, ErrorCode.GENERATION_TIMEOUT, True),
        (Outcome.FAILED, ErrorCode.GENERATION_FAILED, False),
    ],
)
async def test_after_a_failure_a_person_resumes_what_may_still_yield_music(
    hand: QueueAtHand, outcome: Outcome, code: ErrorCode, resumes: bool
) -> None:
    claim = await asked_and_claimed(hand)
    generation_id, _ = await submit(hand, claim)
    await fail(hand, claim, outcome, code)
    assert await hand.state(claim.track.id) == ("error", code)
    await hand.retry(claim.track.id)
    again = (await claimed(hand)).generation
    assert (again.id if again else None) == (generation_id if resumes else None)


async def test_what_is_overdue_a_second_time_is_given_up(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    await submit(hand, claim)
    for resumes in (True, False):
        await fail(hand, claim, Outcome.OVERDUE, ErrorCode.GENERATION_TIMEOUT)
        await hand.retry(claim.track.id)
        claim = await claimed(hand)
        assert (claim.generation is not None) is resumes


async def test_what_is_paid_and_yields_nothing_is_not_paid_again_unasked(
    hand: QueueAtHand,
) -> None:
    claim = await asked_and_claimed(hand)
    await submit(hand, claim)
    assert await defer(hand, claim, outcome=Outcome.FAILED) is Status.ERROR
    assert await hand.state(claim.track.id) == ("error", "provider_unavailable")


async def test_trouble_after_the_receipt_leaves_the_call_open(hand: QueueAtHand) -> None:
    claim = await asked_and_claimed(hand)
    generation_id, _ = await submit(hand, claim)
    assert await defer(hand, claim, outcome=Outcome.OPEN) is Status.PENDING
    resumed = (await claimed(hand)).generation
    assert resumed is not None
    assert resumed.id == generation_id


async def test_workers_and_accounts_can_be_reported(hand: QueueAtHand) -> None:
    await hand.queue.report_worker(host="host", version="1", capacity=3, state="running", note=None)
    await hand.queue.report_worker(
        host="host", version="1", capacity=3, state="blocked", note="No money."
    )
    await hand.queue.report_account(25, 1000.0)
    await hand.queue.report_account(None, 0)

"""How an attempt that failed is written to the row."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from music_service.errors import (
    ConfigurationError,
    ContractError,
    LostClaimError,
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.store.failures import StorageRefusedError
from music_service.tracks import ErrorCode
from music_service.worker.retry import Settlement, code_of
from tests.support.clock import now
from tests.support.fakes import Call, World, a_claim, a_track, options

TROUBLE = TransientError("The network is down.")


@dataclass
class Ending:
    """One settlement, and what it told the worker."""

    world: World = field(default_factory=World)
    attempts: int = 0
    blocked: list[ProviderBlockedError] = field(default_factory=list)
    deferred: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.claim = a_claim(a_track(attempts=self.attempts))

    async def settle(self, error: MusicServiceError, paid_seconds_ago: float | None = None) -> None:
        settlement = Settlement(
            self.claim,
            self.world.queue,
            options(first_retry=5.0),
            on_blocked=self.blocked.append,
            on_deferred=self.deferred.append,
        )
        await settlement.settle(error, paid_seconds_ago=paid_seconds_ago)

    async def of(self, error: MusicServiceError, paid_seconds_ago: float | None = None) -> Call:
        """Settle; answers the one call that was made of the database."""
        await self.settle(error, paid_seconds_ago)
        (call,) = self.world.journal.calls
        assert call.claim_id == self.claim.id
        return call


def assert_jittered(pause: float, least: float) -> None:
    assert least <= pause <= 1.5 * least


@pytest.mark.parametrize("paid_seconds_ago", [None, 100.0])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermanentError("No."), "generation_failed"),
        (PermanentError("No.", code="moderation_blocked"), "moderation_blocked"),
        (StorageRefusedError("Too large."), "storage_failed"),
    ],
)
async def test_what_will_never_work_ends_the_track_with_its_reason(
    error: MusicServiceError, code: str, paid_seconds_ago: float | None
) -> None:
    call = await Ending().of(error, paid_seconds_ago)
    assert (call.step, call.code, call.message) == ("fail", code, str(error))


@pytest.mark.parametrize("paid_seconds_ago", [None, 100.0])
@pytest.mark.parametrize(
    "error", [ContractError("Not understood."), ConfigurationError("Apply the migrations.")]
)
async def test_trouble_of_ours_puts_the_track_off_and_tells_its_user_no_internals(
    error: MusicServiceError, paid_seconds_ago: float | None
) -> None:
    call = await Ending().of(error, paid_seconds_ago)
    assert (call.step, call.code, call.counts) == ("defer", "internal", paid_seconds_ago is None)
    assert str(error) not in call.message


@pytest.mark.parametrize("error", [TransientError("Not there."), ContractError("Internals.")])
async def test_music_that_the_provider_has_deleted_is_given_up(error: MusicServiceError) -> None:
    call = await Ending().of(error, 31 * 24 * 3600.0)
    assert call.step == "fail"
    assert call.message.startswith("The music was made, but it could not be fetched")


async def test_an_order_of_unknown_fate_ends_the_track_and_says_how_to_go_on() -> None:
    call = await Ending().of(SubmissionUnknownError("The answer was lost."))
    assert (call.step, call.code) == ("fail", "submission_unknown")
    assert call.message == (
        "The answer was lost. It was not ordered twice; retry to order it again."
    )


async def test_trouble_before_the_receipt_counts_as_an_attempt() -> None:
    ending = Ending()
    call = await ending.of(TROUBLE)
    assert (call.step, call.code, call.message) == (
        "defer",
        "provider_unavailable",
        "The network is down.",
    )
    assert call.counts is True
    assert_jittered(call.delay, options().first_retry)
    assert ending.deferred == [call.delay]
    assert ending.blocked == []


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 5), (1, 10), (2, 20), (5, 160), (6, 300), (30, 300), (30_000, 300)],
)
async def test_the_pause_doubles_with_each_attempt_up_to_a_limit(
    attempts: int, seconds: float
) -> None:
    assert_jittered((await Ending(attempts=attempts).of(TROUBLE)).delay, seconds)


@pytest.mark.parametrize("error", [TransientError, RateLimitedError])
async def test_a_pause_that_the_other_side_asked_for_is_honoured(
    error: type[TransientError],
) -> None:
    call = await Ending(attempts=9).of(error("Wait.", retry_after_seconds=77))
    assert_jittered(call.delay, 77)


async def test_being_too_fast_is_no_attempt() -> None:
    call = await Ending(attempts=9).of(RateLimitedError("Busy."))
    assert (call.step, call.code, call.counts) == ("defer", "rate_limited", False)
    assert_jittered(call.delay, options().rate_limited_pause)


@pytest.mark.parametrize("paid_seconds_ago", [None, 100.0])
async def test_a_blocked_account_is_no_attempt_and_stops_the_worker(
    paid_seconds_ago: float | None,
) -> None:
    ending = Ending()
    error = ProviderBlockedError("No money.", code="quota_exhausted")
    call = await ending.of(error, paid_seconds_ago)
    assert (call.step, call.code, call.counts) == ("defer", "quota_exhausted", False)
    assert call.delay == options().blocked_check
    assert ending.blocked == [error]


@pytest.mark.parametrize(
    ("paid_seconds_ago", "seconds"), [(0.0, 5), (10.0, 5), (100.0, 25), (2000.0, 500), (1e6, 900)]
)
async def test_paid_music_is_tried_ever_more_seldom_and_never_counted(
    paid_seconds_ago: float, seconds: float
) -> None:
    call = await Ending(attempts=9).of(TROUBLE, paid_seconds_ago)
    assert (call.step, call.counts) == ("defer", False)
    assert_jittered(call.delay, seconds)


@pytest.mark.parametrize(
    ("error", "step"),
    [(TROUBLE, "defer"), (PermanentError("No."), "fail"), (SubmissionUnknownError("?"), "fail")],
)
async def test_the_end_is_written_again_until_the_database_takes_it(
    error: MusicServiceError, step: str
) -> None:
    ending = Ending()
    troubles = [TransientError("away"), ContractError("odd"), ConfigurationError("key")]
    ending.world.journal.fail(step, *troubles)
    await ending.settle(error)
    assert ending.world.journal.steps() == [step] * 4
    times = [call.at for call in ending.world.journal.calls]
    assert all(later > earlier for earlier, later in pairwise(times))


async def test_the_worker_hears_of_a_deferral_once_and_only_when_it_is_written() -> None:
    ending = Ending()
    ending.world.journal.fail("defer", TransientError("away"))
    await ending.settle(TROUBLE)
    assert ending.deferred == [ending.world.journal.calls[-1].delay]


async def test_a_blocked_account_stops_the_worker_even_when_the_claim_is_gone() -> None:
    ending = Ending()
    ending.world.journal.break_down("defer", LostClaimError("gone"))
    with pytest.raises(LostClaimError):
        await ending.settle(ProviderBlockedError("No money."))
    assert len(ending.blocked) == 1
    assert ending.deferred == []


@pytest.mark.parametrize(("error", "step"), [(TROUBLE, "defer"), (PermanentError("No."), "fail")])
async def test_a_lost_claim_is_not_written_again(error: MusicServiceError, step: str) -> None:
    ending = Ending()
    ending.world.queue.lost.add(ending.claim.id)
    with pytest.raises(LostClaimError):
        await ending.settle(error)
    assert now() == 0
    assert ending.world.journal.steps() == [step]


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("No.", code="a code of tomorrow"),
        LostClaimError("gone"),
        ConfigurationError("key"),
        MusicServiceError("anything"),
    ],
)
def test_a_code_that_the_table_does_not_know_becomes_internal(error: MusicServiceError) -> None:
    assert code_of(error) == ErrorCode.INTERNAL

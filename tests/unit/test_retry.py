"""Which errors are tried again, when, and what is said of the paid call: the table of `retry`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from music_service.errors import (
    AudioRefusedError,
    ConfigurationError,
    ContractError,
    ErrorCode,
    MusicServiceError,
    OverdueError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.tracks import Outcome
from music_service.worker.retry import Defer, Fail, decide
from tests.support.builders import options

TROUBLE = TransientError("The network is down.")
NO_MONEY = ProviderBlockedError("No money.")
NO_KEY = ProviderBlockedError("The key is refused.", code=ErrorCode.PROVIDER_AUTH)
BUSY = RateLimitedError("Busy.")
PAID = 100.0
MONTH = 31 * 24 * 3600.0

Row = tuple[MusicServiceError, float | None, type[Defer | Fail], Outcome, str]

TABLE: list[Row] = [
    (BUSY, None, Defer, Outcome.REFUSED, "rate_limited"),
    (NO_MONEY, None, Defer, Outcome.REFUSED, "quota_exhausted"),
    (NO_MONEY, PAID, Defer, Outcome.OPEN, "quota_exhausted"),
    (NO_KEY, None, Defer, Outcome.REFUSED, "provider_auth"),
    (NO_KEY, PAID, Defer, Outcome.OPEN, "provider_auth"),
    (TROUBLE, None, Defer, Outcome.REFUSED, "provider_unavailable"),
    (TROUBLE, PAID, Defer, Outcome.OPEN, "provider_unavailable"),
    (TROUBLE, MONTH, Fail, Outcome.OPEN, "provider_unavailable"),
    (ConfigurationError("x"), None, Defer, Outcome.REFUSED, "internal"),
    (ConfigurationError("x"), PAID, Defer, Outcome.OPEN, "internal"),
    (ContractError("x"), None, Defer, Outcome.REFUSED, "internal"),
    (ContractError("x"), PAID, Defer, Outcome.OPEN, "internal"),
    (ContractError("x"), MONTH, Fail, Outcome.OPEN, "internal"),
    (PermanentError("No."), None, Fail, Outcome.REFUSED, "generation_failed"),
    (PermanentError("No."), PAID, Fail, Outcome.FAILED, "generation_failed"),
    (
        PermanentError("No.", code=ErrorCode.MODERATION_BLOCKED),
        None,
        Fail,
        Outcome.REFUSED,
        "moderation_blocked",
    ),
    (OverdueError("Late."), PAID, Fail, Outcome.OVERDUE, "generation_timeout"),
    (
        OverdueError("No MP3.", code=ErrorCode.AUDIO_INVALID),
        PAID,
        Fail,
        Outcome.OVERDUE,
        "audio_invalid",
    ),
    (AudioRefusedError("Too large."), PAID, Fail, Outcome.OPEN, "storage_failed"),
    (SubmissionUnknownError("?"), None, Fail, Outcome.UNKNOWN, "submission_unknown"),
    (MusicServiceError("Anything."), None, Fail, Outcome.UNKNOWN, "internal"),
    (MusicServiceError("Anything."), PAID, Fail, Outcome.OPEN, "internal"),
]


def decided(
    error: MusicServiceError, paid_seconds_ago: float | None = None, attempts: int = 0
) -> Defer | Fail:
    return decide(error, paid_seconds_ago=paid_seconds_ago, attempts=attempts, options=options())


def deferred(
    error: MusicServiceError, paid_seconds_ago: float | None = None, attempts: int = 0
) -> Defer:
    decision = decided(error, paid_seconds_ago, attempts)
    assert isinstance(decision, Defer)
    return decision


@pytest.mark.parametrize(("error", "paid_seconds_ago", "kind", "outcome", "code"), TABLE)
def test_each_error_has_its_decision_and_says_what_is_known_of_the_paid_call(
    error: MusicServiceError,
    paid_seconds_ago: float | None,
    kind: type[Defer | Fail],
    outcome: Outcome,
    code: str,
) -> None:
    decision = decided(error, paid_seconds_ago)
    assert type(decision) is kind
    assert (decision.outcome, decision.code) == (outcome, code)


def test_an_error_of_a_class_that_is_not_known_here_never_says_that_nothing_was_paid() -> None:
    for unpaid in (OverdueError("?"), AudioRefusedError("?"), MusicServiceError("?")):
        assert decided(unpaid).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("paid_seconds_ago", [None, PAID])
@pytest.mark.parametrize("error", [PermanentError("No."), OverdueError("Late."), TROUBLE])
def test_the_row_says_the_reason(error: MusicServiceError, paid_seconds_ago: float | None) -> None:
    assert decided(error, paid_seconds_ago).message == str(error)


@pytest.mark.parametrize("paid_seconds_ago", [None, PAID])
@pytest.mark.parametrize(
    "error", [ContractError("Not understood."), ConfigurationError("Apply the migrations.")]
)
def test_trouble_of_ours_tells_a_user_no_internals(
    error: MusicServiceError, paid_seconds_ago: float | None
) -> None:
    assert str(error) not in decided(error, paid_seconds_ago).message


@pytest.mark.parametrize("error", [TROUBLE, ContractError("Internals.")])
def test_music_that_the_provider_has_deleted_is_given_up(error: MusicServiceError) -> None:
    message = decided(error, MONTH).message
    assert message.startswith("The music was made, but it could not be fetched")


def test_an_unknown_submission_says_how_to_go_on() -> None:
    message = decided(SubmissionUnknownError("The answer was lost.")).message
    assert message == "The answer was lost. It was not sent twice; retry to send it again."


@pytest.mark.parametrize(
    ("error", "paid_seconds_ago", "counts"),
    [
        (TROUBLE, None, True),
        (TROUBLE, PAID, False),
        (ContractError("x"), None, True),
        (ContractError("x"), PAID, False),
        (BUSY, None, False),
        (NO_MONEY, None, False),
        (NO_MONEY, PAID, False),
    ],
)
def test_only_trouble_before_the_receipt_counts_as_an_attempt(
    error: MusicServiceError, paid_seconds_ago: float | None, counts: bool
) -> None:
    assert deferred(error, paid_seconds_ago, attempts=9).counts_as_attempt is counts


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 5), (1, 10), (2, 20), (5, 160), (6, 300), (30, 300), (30_000, 300)],
)
def test_the_pause_doubles_with_each_attempt_up_to_a_limit(attempts: int, seconds: float) -> None:
    assert deferred(TROUBLE, attempts=attempts).delay_seconds == seconds


@pytest.mark.parametrize("error", [TransientError, RateLimitedError])
def test_a_pause_that_the_other_side_asked_for_is_honoured(error: type[TransientError]) -> None:
    assert deferred(error("Wait.", retry_after_seconds=77), attempts=9).delay_seconds == 77


@pytest.mark.parametrize("seconds", [0.0, 0.001, 4.9])
def test_a_pause_asked_for_that_is_next_to_none_is_ours(seconds: float) -> None:
    trouble = TransientError("Wait.", retry_after_seconds=seconds)
    assert deferred(trouble, attempts=5).delay_seconds == 160
    assert deferred(trouble, PAID).delay_seconds == 25
    busy = RateLimitedError("Wait.", retry_after_seconds=seconds)
    assert deferred(busy).delay_seconds == options().rate_limited_pause_seconds


def test_being_too_fast_waits_as_long_as_the_options_say() -> None:
    assert deferred(BUSY, attempts=9).delay_seconds == options().rate_limited_pause_seconds


@pytest.mark.parametrize(
    ("paid_seconds_ago", "seconds"), [(0.0, 5), (10.0, 5), (100.0, 25), (2000.0, 500), (1e6, 900)]
)
def test_paid_music_is_tried_ever_more_seldom(paid_seconds_ago: float, seconds: float) -> None:
    assert deferred(TROUBLE, paid_seconds_ago, attempts=9).delay_seconds == seconds


@pytest.mark.parametrize("error", [TROUBLE, BUSY])
def test_pauses_of_ours_are_jittered(error: MusicServiceError) -> None:
    plain = deferred(error)
    jittered = decide(error, paid_seconds_ago=None, attempts=0, options=options(), jitter=1.3)
    assert jittered == replace(plain, delay_seconds=plain.delay_seconds * 1.3)


@pytest.mark.parametrize("paid_seconds_ago", [None, PAID])
def test_a_blocked_account_is_asked_for_when_the_worker_asks(
    paid_seconds_ago: float | None,
) -> None:
    decision = decide(
        NO_MONEY, paid_seconds_ago=paid_seconds_ago, attempts=3, options=options(), jitter=1.3
    )
    assert isinstance(decision, Defer)
    assert decision.delay_seconds == options().blocked_check_seconds

"""Mureka's answers sorted into our classes, row by row, and its prices."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from music_service.errors import (
    MusicServiceError,
    PermanentError,
    ProviderBlockedError,
    RateLimitedError,
    SubmissionUnknownError,
    TransientError,
)
from music_service.mureka.failures import poll_failure, refusal, submit_failure
from music_service.mureka.http import Answer
from music_service.mureka.prices import expected_cost_cents

QUOTA = "You exceeded your current quota, please check your billing details"
RATE = "Rate limit reached for requests"


def answer(
    status: int, message: str | None = "the reason", retry_after: str | None = None
) -> Answer:
    """An answer in Mureka's form; without a message, one in no form at all."""
    if message is None:
        return Answer(status, b"404 page not found", retry_after)
    body = {"error": {"message": message}, "trace_id": "1e94"}
    return Answer(status, json.dumps(body).encode(), retry_after)


def what(error: MusicServiceError | None) -> tuple[type[MusicServiceError], str]:
    assert error is not None
    return type(error), error.code


Row = tuple[int, str | None, type[MusicServiceError], str]

CLEAR: list[Row] = [
    (401, "Invalid API key", ProviderBlockedError, "provider_auth"),
    (403, "Unsupported region", ProviderBlockedError, "provider_auth"),
    (429, QUOTA, ProviderBlockedError, "quota_exhausted"),
    (429, "Please check your billing details", ProviderBlockedError, "quota_exhausted"),
    (402, "Payment Required", ProviderBlockedError, "quota_exhausted"),
    (402, None, ProviderBlockedError, "quota_exhausted"),
    (403, "Your account has insufficient balance", ProviderBlockedError, "quota_exhausted"),
    (429, "Insufficient balance", ProviderBlockedError, "quota_exhausted"),
    (429, "Not enough credits, please top up", ProviderBlockedError, "quota_exhausted"),
    (429, "Please recharge your account", ProviderBlockedError, "quota_exhausted"),
    (429, RATE, RateLimitedError, "rate_limited"),
    (429, "Too many concurrent requests", RateLimitedError, "rate_limited"),
    (429, None, RateLimitedError, "rate_limited"),
    (503, "The engine is overloaded", TransientError, "provider_unavailable"),
]
REFUSED: list[Row] = [
    (400, "Insufficient balance", ProviderBlockedError, "quota_exhausted"),
    (422, "Your account has insufficient credits.", ProviderBlockedError, "quota_exhausted"),
    (400, "Invalid prompt: insufficient balance", PermanentError, "invalid_request"),
    (400, "The prompt is about quota and credit", PermanentError, "invalid_request"),
    (400, "prompt is too long", PermanentError, "invalid_request"),
    (413, "too large", PermanentError, "invalid_request"),
    (422, "bad lyrics", PermanentError, "invalid_request"),
    (451, "unsafe", PermanentError, "moderation_blocked"),
]


@pytest.mark.parametrize(("status", "message", "kind", "code"), CLEAR + REFUSED)
def test_a_paid_call_that_was_clearly_refused_was_not_paid(
    status: int, message: str | None, kind: type[MusicServiceError], code: str
) -> None:
    assert what(submit_failure(answer(status, message))) == (kind, code)


@pytest.mark.parametrize("status", [408, 409, 418, 500, 502, 504, 520, 301, 201, 204])
def test_a_paid_call_with_any_other_answer_may_have_been_paid(status: int) -> None:
    assert what(submit_failure(answer(status))) == (SubmissionUnknownError, "submission_unknown")


def test_a_paid_call_to_a_wrong_address_stops_the_worker() -> None:
    assert what(submit_failure(answer(404, None))) == (ProviderBlockedError, "provider_auth")


@pytest.mark.parametrize(("status", "message", "kind", "code"), CLEAR)
def test_a_poll_that_was_refused_says_why(
    status: int, message: str | None, kind: type[MusicServiceError], code: str
) -> None:
    assert what(poll_failure(answer(status, message))) == (kind, code)


def test_400_to_a_poll_means_an_unknown_task_and_not_a_bad_request() -> None:
    assert what(poll_failure(answer(400))) == (PermanentError, "generation_failed")


@pytest.mark.parametrize("status", [404, 408, 413, 422, 451, 500, 502, 504, 301])
def test_any_other_answer_to_a_poll_is_asked_for_again(status: int) -> None:
    assert what(poll_failure(answer(status))) == (TransientError, "provider_unavailable")


@pytest.mark.parametrize("status", [404, 500, 502, 504])
def test_what_says_nothing_clear_is_no_refusal(status: int) -> None:
    assert refusal(answer(status)) is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("2.5", 2.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
        ("1e400", None),
        ("99999999", 3600.0),
    ],
)
def test_retry_after_is_honoured_where_it_is_a_number_of_seconds(
    status: int, header: str | None, seconds: float | None
) -> None:
    error = refusal(answer(status, RATE, header))
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize("status", [400, 403])
def test_the_reason_is_passed_on_as_one_sentence(status: int) -> None:
    text = str(submit_failure(answer(status, "Model not found. ")))
    assert text.endswith(": Model not found.")


@pytest.mark.parametrize("status", [400, 403])
def test_a_reason_of_any_length_stays_short(status: int) -> None:
    assert len(str(submit_failure(answer(status, "long " * 1000)))) < 400
    assert len(str(submit_failure(Answer(status, b"<html>" * 1000)))) < 200


@pytest.mark.parametrize("status", [400, 402, 403, 413, 422, 429, 451, 503])
def test_what_is_not_in_murekas_form_is_not_repeated(status: int) -> None:
    body = b"root:x:0:0 10.0.0.7 of a service inside"
    assert "root" not in str(submit_failure(Answer(status, body)))
    assert "root" not in str(poll_failure(Answer(status, body)))


@pytest.mark.parametrize("status", [400, 403])
def test_a_reason_holds_no_markup_no_address_and_no_control_character(status: int) -> None:
    said = "<a href=x>Pay</a> at https://evil.example \x1b[31m\u202e now"
    text = str(submit_failure(answer(status, said)))
    assert text.endswith(": Pay at (an address) [31m now.")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"error": "text"}', b"\xff\xfe"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 451, 500, 503])
def test_no_body_is_too_odd(status: int, body: bytes) -> None:
    assert str(submit_failure(Answer(status, body)))
    assert str(poll_failure(Answer(status, body)))


@pytest.mark.parametrize(
    ("model", "cents"),
    [("mureka-7.6", "3"), ("mureka-8", "4.5"), ("mureka-9", "4.5"), ("mureka-9.5", "15")],
)
def test_a_piece_costs_what_the_list_says(model: str, cents: str) -> None:
    assert expected_cost_cents(model) == Decimal(cents)


@pytest.mark.parametrize("model", ["auto", "mureka-10", "mureka-o2", ""])
def test_an_unlisted_model_counts_as_the_dearest(model: str) -> None:
    assert expected_cost_cents(model) == Decimal("15")

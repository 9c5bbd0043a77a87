"""The bar: it moves by the clock and is full only when the track is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_service.cli.progress import TrackProgress, bar, describe, fraction_done

START = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

seconds = st.floats(min_value=-100, max_value=1e6)


def a_row(**changes: Any) -> dict[str, Any]:
    """A track that has begun and is expected within a minute and a half."""
    return {
        "status": "generating",
        "prompt": "calm piano",
        "stage": "running",
        "started_at": START.isoformat(),
        "expected_ready_at": (START + timedelta(seconds=90)).isoformat(),
        "error_code": None,
        "error_message": None,
    } | changes


def after(passed_seconds: float) -> datetime:
    return START + timedelta(seconds=passed_seconds)


def test_the_bar_starts_empty() -> None:
    assert fraction_done(a_row(), START) == 0


def test_halfway_to_the_expected_moment_the_bar_is_nearly_half_full() -> None:
    assert fraction_done(a_row(), after(45)) == pytest.approx(0.45)


def test_at_the_expected_moment_a_tenth_is_left() -> None:
    assert fraction_done(a_row(), after(90)) == pytest.approx(0.9)


def test_without_an_expectation_a_minute_is_assumed() -> None:
    assert fraction_done(a_row(expected_ready_at=None), after(30)) == pytest.approx(0.45)


def test_the_bar_is_full_when_the_track_is_completed() -> None:
    assert fraction_done(a_row(status="completed", started_at=None), START) == 1


@given(seconds)
def test_the_bar_is_never_full_before(passed_seconds: float) -> None:
    assert 0 <= fraction_done(a_row(), after(passed_seconds)) < 1


@given(seconds, seconds)
def test_the_bar_never_goes_back(one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert fraction_done(a_row(), after(earlier)) <= fraction_done(a_row(), after(later))


@given(st.floats(min_value=0, max_value=600), st.floats(min_value=0.5, max_value=60))
def test_the_bar_moves_with_every_moment(passed_seconds: float, more_seconds: float) -> None:
    earlier = fraction_done(a_row(), after(passed_seconds))
    assert fraction_done(a_row(), after(passed_seconds + more_seconds)) > earlier


@pytest.mark.parametrize("status", ["pending", "error", "whatever"])
def test_what_is_not_being_made_has_an_empty_bar(status: str) -> None:
    assert fraction_done(a_row(status=status), after(1000)) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": None},
        {"started_at": START},
        {"started_at": "2026-05-04T03:02:01Z"},
        {"started_at": "2026-05-04 03:02:01.123456+00"},
        {"started_at": "2026-05-04T03:02:01"},
        {"expected_ready_at": START.isoformat()},
        {"expected_ready_at": (START - timedelta(days=1)).isoformat()},
        {"expected_ready_at": (START + timedelta(days=400)).isoformat()},
        {"stage": None},
        {"stage": "a new stage"},
        {"status": "pending", "error_message": "The account is empty."},
        {"status": "error"},
        {"status": "whatever"},
    ],
)
def test_no_row_is_too_odd_to_be_drawn(changes: dict[str, Any]) -> None:
    row = a_row(**changes)
    assert 0 <= fraction_done(row, after(20)) < 1
    assert describe(row)
    bar(row)  # at the real time


def test_a_row_with_columns_missing_can_be_drawn() -> None:
    row = {"status": "generating"}
    assert fraction_done(row, START) == 0
    assert describe(row) == "starting"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "pending"}, "waiting for its turn"),
        ({"status": "pending", "error_message": "Mureka is busy."}, "waiting: Mureka is busy."),
        ({"stage": None}, "starting"),
        ({"stage": "streaming"}, "streaming"),
        ({"status": "completed"}, "completed"),
        ({"status": "error", "error_code": "cancelled"}, "error: cancelled"),
    ],
)
def test_the_state_is_said_in_a_few_words(changes: dict[str, Any], words: str) -> None:
    assert describe(a_row(**changes)) == words


def test_before_the_first_row_the_live_bar_is_empty() -> None:
    assert TrackProgress().fraction() == 0


def test_the_live_bar_follows_the_newest_row() -> None:
    progress = TrackProgress()
    progress.show(a_row())
    progress.show(a_row(status="completed"))
    assert progress.fraction() == 1

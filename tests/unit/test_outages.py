"""Whoever is away is two lines of the log, however many tracks meet it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from music_service.errors import (
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
from music_service.worker.outages import Outage, Outages
from tests.support.attempts import RUNNING, Working
from tests.support.clock import settled
from tests.support.fakes import DONE

AWAY = TransientError("Mureka cannot be reached; it is tried again later.")
NO_DATABASE = TransientError("The database cannot be reached.", code=ErrorCode.INTERNAL)
NO_STORAGE = TransientError("Storage cannot be reached.", code=ErrorCode.STORAGE_FAILED)


def loud(logged: list[Any]) -> list[dict[str, Any]]:
    """What is shown at the usual level."""
    return [line for line in logged if line["log_level"] != "debug"]


async def test_many_failures_are_one_line_and_their_end_another() -> None:
    outage = Outage("mureka", quiet_seconds=30)
    with capture_logs() as logged:
        for _ in range(100):
            outage.failed(AWAY)
            await asyncio.sleep(0.5)
        outage.answered()
        await asyncio.sleep(31)
    assert logged == [
        {"event": "outage", "log_level": "warning", "of": "mureka", "reason": str(AWAY)},
        {
            "event": "outage_over",
            "log_level": "info",
            "of": "mureka",
            "seconds": 50.0,
            "failures": 100,
        },
    ]


async def test_who_answers_every_other_time_has_one_outage() -> None:
    outage = Outage("mureka", quiet_seconds=30)
    with capture_logs() as logged:
        for _ in range(100):
            outage.failed(AWAY)
            await asyncio.sleep(5)
            outage.answered()
            await asyncio.sleep(5)
        assert len(logged) == 1
        await asyncio.sleep(30)
    assert [line["event"] for line in logged] == ["outage", "outage_over"]
    assert logged[1]["failures"] == 100
    assert not outage.is_on


async def test_a_second_outage_is_said_again() -> None:
    outage = Outage("database", quiet_seconds=30)
    with capture_logs() as logged:
        for _ in range(2):
            outage.failed(AWAY)
            outage.answered()
            await asyncio.sleep(31)
    assert [line["event"] for line in logged] == ["outage", "outage_over"] * 2
    assert [line.get("failures") for line in logged] == [None, 1] * 2


async def test_one_that_comes_back_and_refuses_us_is_said_once_more() -> None:
    refusal = ConfigurationError("Supabase refuses the secret key.")
    outage = Outage("database", quiet_seconds=30)
    with capture_logs() as logged:
        for error in (AWAY, TransientError("too slow"), refusal, AWAY, refusal):
            outage.failed(error)
    assert [line["reason"] for line in logged] == [str(AWAY), str(refusal)]


async def test_an_answer_without_an_outage_is_nothing_to_speak_of() -> None:
    with capture_logs() as logged:
        Outage("storage", quiet_seconds=30).answered()
        await asyncio.sleep(31)
    assert logged == []


async def test_away_is_who_failed_three_times_in_a_row_a_short_while_ago() -> None:
    outage = Outage("mureka", quiet_seconds=30)
    for expected in (False, False, True):
        outage.failed(AWAY)
        assert outage.is_away is expected
    await asyncio.sleep(59)
    assert outage.is_away
    await asyncio.sleep(2)
    assert not outage.is_away
    outage.failed(AWAY)
    assert outage.is_away
    outage.answered()
    assert not outage.is_away


@pytest.mark.parametrize(
    ("error", "party"),
    [
        (AWAY, "mureka"),
        (RateLimitedError("Busy."), "mureka"),
        (NO_DATABASE, "database"),
        (ConfigurationError("A grant is missing."), "database"),
        (ContractError("No list."), "database"),
        (NO_STORAGE, "storage"),
        (ProviderBlockedError("No money."), None),
        (PermanentError("Refused."), None),
        (OverdueError("Late."), None),
        (SubmissionUnknownError("Lost."), None),
        (ValueError("A fault of ours."), None),
    ],
)
async def test_what_is_of_one_track_alone_is_no_outage(error: Exception, party: str | None) -> None:
    outages = Outages(quiet_seconds=30)
    assert outages.explain(error) is (party is not None)
    named = ("mureka", "database", "storage")
    assert [name for name in named if getattr(outages, name).is_on] == [party] * outages.are_on


@pytest.mark.parametrize(
    ("step", "error", "party"),
    [
        ("submit", AWAY, "mureka"),
        ("poll", AWAY, "mureka"),
        ("poll", ContractError("Mureka's answer was not understood."), "mureka"),
        ("download", AWAY, "mureka"),
        ("put", NO_STORAGE, "storage"),
        ("intent", NO_DATABASE, "database"),
        ("stage", NO_DATABASE, "database"),
        ("complete", NO_DATABASE, "database"),
        ("renew", NO_DATABASE, "database"),
        ("claim", NO_DATABASE, "database"),
    ],
)
async def test_twenty_tracks_that_meet_an_outage_are_two_lines(
    step: str, error: MusicServiceError, party: str
) -> None:
    work = Working(capacity=20, deadline_seconds=3000)
    if step not in ("download", "put", "complete"):
        work.fakes.provider.answers = [*[RUNNING] * 1000, DONE]
    with capture_logs() as logged:
        async with work.at_work():
            work.journal.break_down(step, error)
            work.waiting(20)
            await work.hint()
            await asyncio.sleep(30)
            said = loud(logged)
            work.journal.repair(step)
            await asyncio.sleep(1500)
    of_tracks = Counter(line["event"] for line in said if "track_id" in line)
    assert set(of_tracks) <= {"claimed", "submitted"}
    assert max(of_tracks.values(), default=0) <= 20
    assert [line["of"] for line in said if line["event"] == "outage"] == [party]
    ends = [line for line in logged if line["event"] == "outage_over"]
    assert [line["of"] for line in ends] == [party]
    assert len([line for line in logged if line["event"] == "completed"]) == 20


async def test_what_is_paid_and_not_stored_is_said_once_for_each_track() -> None:
    work = Working(sweep_seconds=5000)
    with capture_logs() as logged:
        async with work.at_work():
            work.journal.break_down("receipt", NO_DATABASE)
            work.waiting(2)
            await work.hint()
            await asyncio.sleep(25)
            work.journal.repair("receipt")
            await work.journal.reached("complete", 2)
    lines = [line for line in logged if line["event"] == "receipt_not_stored_yet"]
    assert len({line["track_id"] for line in lines}) == len(lines) == 2
    assert {line["log_level"] for line in lines} == {"error"}


async def test_a_fault_of_ours_is_no_outage_of_the_database() -> None:
    work = Working(sweep_seconds=5000)
    with capture_logs() as logged:
        async with work.at_work():
            work.journal.fail("put", ZeroDivisionError("ours"))
            work.waiting(1)
            await work.hint()
            await work.journal.reached("defer")
    events = [line["event"] for line in loud(logged)]
    assert "unexpected_error" in events
    assert "outage" not in events


async def test_a_worker_that_mureka_does_not_answer_is_not_ready() -> None:
    work = Working()
    work.journal.break_down("poll", AWAY)
    work.waiting(3)
    async with work.at_work():
        await work.journal.reached("poll", 3)
        await settled()
        assert work.state == "running"
        assert work.worker.status()["reasons"] == ["Mureka does not answer."]

"""Claims that fail: the worker goes on trying, and says so wherever operators look."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from music_service.errors import (
    ConfigurationError,
    ContractError,
    ProviderBlockedError,
    TransientError,
)
from tests.support.attempts import Working
from tests.support.clock import settled

AWAY = TransientError("away")
DENIED = ConfigurationError("permission denied for table claims")


def told(work: Working) -> list[tuple[str, str | None]]:
    """What operators were told once the worker had started."""
    return [(call.state, call.note) for call in work.journal.of("report")][1:]


@pytest.mark.parametrize("error", [AWAY, DENIED, ContractError("odd")])
async def test_operators_hear_of_claims_that_fail_until_one_succeeds(error: Exception) -> None:
    work = Working()
    work.journal.break_down("claim", error)
    async with work.at_work():
        await work.journal.reached("claim", 4)
        await settled()
        assert (work.state, work.worker.status()["reasons"]) == ("failing", [str(error)])
        assert set(told(work)) == {("failing", str(error))}
        work.journal.repair("claim")
        work.waiting(1)
        await work.journal.reached("complete")
        assert (work.state, work.worker.status()["reasons"]) == ("running", [])
        while told(work)[-1][0] != "running":
            await work.journal.reached("report", len(work.journal.of("report")) + 1)


async def test_one_claim_that_fails_alone_alarms_nobody() -> None:
    work = Working()
    async with work.at_work():
        for number in range(1, 4):
            work.journal.fail("claim", AWAY)
            await work.journal.reached("claim", 1 + 2 * number)
            await settled()
            assert (work.state, told(work)) == ("running", [])


async def test_claims_that_fail_often_are_not_told_more_often_than_swept_for() -> None:
    work = Working()
    work.journal.break_down("claim", AWAY)
    async with work.at_work():
        for _ in range(50):
            await work.hint()
        assert told(work) == [("failing", "away")]


async def test_a_failure_that_cannot_be_told_is_told_when_the_database_is_back() -> None:
    work = Working()
    async with work.at_work():
        work.journal.break_down("claim", AWAY)
        work.journal.break_down("report", AWAY)
        await work.journal.reached("report", 4)
        work.journal.repair("claim")
        work.journal.repair("report")
        while told(work)[-1] != ("running", None):
            await work.journal.reached("report", len(work.journal.of("report")) + 1)
        await settled()
        assert work.state == "running"
    assert [state for state, _ in told(work)][-2:] == ["draining", "stopped"]


async def test_a_refused_account_is_not_hidden_by_claims_that_failed_before() -> None:
    work = Working()
    submit = work.journal.hold("submit")
    work.journal.fail("submit", ProviderBlockedError("The key is refused."))
    work.fakes.provider.balance_cents = 0
    work.waiting(1)
    async with work.at_work():
        await work.journal.reached("submit")
        work.journal.break_down("claim", AWAY)
        work.journal.break_down("report", AWAY)
        await work.journal.reached("report", 3)
        assert work.state == "failing"
        submit.set()
        await work.journal.reached("billing")
        work.journal.repair("report")
        known = len(told(work))
        await work.journal.reached("billing", 4)
        assert work.state == "blocked"
        assert set(told(work)[known:]) == {("blocked", "The key is refused.")}


async def test_a_worker_stops_while_its_claims_fail() -> None:
    work = Working()
    work.journal.break_down("claim", AWAY)
    async with work.at_work():
        await work.journal.reached("claim", 3)
    assert list(dict.fromkeys(state for state, _ in told(work))) == [
        "failing", "draining", "stopped"
    ]  # fmt: skip


async def test_a_track_that_the_app_rejects_is_logged_once_for_each_reason() -> None:
    work = Working()
    track_id = uuid4()
    work.fakes.queue.rejections = {track_id: "profile missing"}
    with capture_logs() as logged:
        async with work.at_work():
            await work.journal.reached("rejected", 3)
            work.fakes.queue.rejections = {track_id: "something else"}
            await work.journal.reached("rejected", 5)
    said = [entry["reason"] for entry in logged if entry["event"] == "track_rejected"]
    assert said == ["profile missing", "something else"]


async def test_once_the_database_is_back_the_feed_is_connected_again() -> None:
    work = Working()
    work.journal.break_down("claim", AWAY)
    async with work.at_work():
        await work.journal.reached("claim", 3)
        await settled()
        assert work.fakes.feed.distrusted == 0
        work.journal.repair("claim")
        await work.journal.reached("claim", 5)
        await settled()
        assert work.fakes.feed.distrusted == 1


async def test_after_an_outage_of_a_full_worker_the_feed_is_connected_again() -> None:
    work = Working(capacity=1)
    work.take_long()
    work.waiting(1)
    async with work.at_work():
        work.journal.break_down("renew", AWAY)
        await asyncio.sleep(200)
        assert work.state == "cut_off"
        assert work.fakes.feed.distrusted == 0
        work.journal.repair("renew")
        await asyncio.sleep(20)
        assert work.fakes.feed.distrusted == 1

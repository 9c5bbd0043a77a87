"""The account: what Mureka allows is told to the database, and nothing depends on it."""

from __future__ import annotations

import pytest

from music_service.errors import ConfigurationError, TransientError
from music_service.worker.account import report_account
from tests.support.attempts import Working
from tests.support.clock import now
from tests.support.fakes import FakeBilling, Fakes

HOUR = 3600
AWAY = TransientError("away")
OLD_DATABASE = ConfigurationError("apply the migrations")


async def test_a_worker_tells_the_database_each_hour_what_the_account_allows() -> None:
    work = Working()
    async with work.at_work():
        await work.journal.reached("account", 2)
        assert [round(call.at) for call in work.journal.of("account")] == [HOUR, 2 * HOUR]
        assert (work.journal.of("account")[0].limit, now()) == (25, 2 * HOUR)


@pytest.mark.parametrize(
    ("step", "error"), [("billing", AWAY), ("account", AWAY), ("account", OLD_DATABASE)]
)
async def test_an_account_that_cannot_be_told_is_told_an_hour_later(
    step: str, error: Exception
) -> None:
    work = Working()
    async with work.at_work():
        work.journal.fail(step, error)
        await work.journal.reached("billing", 2)
        told = await work.journal.reached("account", 2 if step == "account" else 1)
        assert told.at == now() == 2 * HOUR
        assert work.state == "running"


async def test_an_older_database_does_not_keep_a_worker_from_starting() -> None:
    fakes = Fakes()
    fakes.journal.break_down("account", OLD_DATABASE)
    await report_account(fakes.queue, FakeBilling())
    assert fakes.journal.steps() == ["account"]

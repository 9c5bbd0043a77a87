"""The database's alarms beside real workers and the real doctor."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator

import pytest

from local_supabase.stack import Stack
from tests.support.database import Project
from tests.support.extensions import PG_CRON, PG_NET, have, requests, run_job, switch_on
from tests.support.fleet import fleet_of, until
from tests.support.programs import Command
from tests.support.project import Connection, SignedIn, ask

DUE = "update public.music_tracks set run_after = now() - interval '5 minutes' where id = %s"
NOBODY = "update music.workers set last_seen_at = now() - interval '2 minutes'"
ALIVE = "select workers_alive = 1 from public.music_queue_health"
STOP_ALL = (
    "update public.music_tracks set status = 'error' where status in ('pending', 'generating')"
)


@pytest.fixture
async def alarms(stack: Stack, database: Connection) -> AsyncIterator[Project]:
    """The stack's own database with the alarms switched on, and nothing left of them afterwards."""
    project = Project(stack.postgres, "postgres", database)
    await project.sql(STOP_ALL)
    await project.sql(NOBODY)
    await have(project, PG_CRON, PG_NET)
    await switch_on(project)
    await project.sql("select music.set_alarm_webhook('https://alarms.example/x')")
    try:
        yield project
    finally:
        await project.sql("select music.remove_alarms()")
        await project.operator.execute(b"drop schema cron, net cascade")
        await project.sql(STOP_ALL)


async def told(project: Project) -> list[tuple[str, str]]:
    await run_job(project, "music-alarms")
    return [(each["body"]["state"], each["body"]["what"]) for each in await requests(project)]


async def test_a_worker_that_freezes_is_told_and_so_is_its_return(
    stack: Stack, alarms: Project, user: SignedIn
) -> None:
    async with fleet_of(stack) as fleet:
        worker = await fleet.start("frozen")
        assert await told(alarms) == []
        worker.send(signal.SIGSTOP)
        track = await ask(user)
        await alarms.sql(DUE, track)
        assert await told(alarms) == [], "the minute is not over"
        await alarms.sql(NOBODY)
        begun = [("begun", "no_worker")]
        assert await told(alarms) == begun
        assert await told(alarms) == begun
        worker.send(signal.SIGCONT)
        await until(lambda: alarms.value(ALIVE), "the worker is seen again")
        assert await told(alarms) == [*begun, ("over", "no_worker")]


async def test_the_doctor_says_the_same_with_and_without_them(
    alarms: Project, command: Command
) -> None:
    with_them = await command("doctor")
    await alarms.sql("select music.remove_alarms()")
    without = await command("doctor")
    await switch_on(alarms)
    times = re.compile(r"[\d.]+ m?s\b")
    assert times.sub("…", with_them.out) == times.sub("…", without.out)
    assert with_them.code == without.code

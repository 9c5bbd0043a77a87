"""Alarms that the database gives: `supabase/alarms.sql` with stand-ins of its extensions."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from pglast import split

from local_supabase.postgres import Postgres
from tests.sql import test_migrations
from tests.sql.test_lints import LINTS, Lint
from tests.sql.test_uninstall import KEEPING, UNINSTALL
from tests.sql.test_where import FUNCTIONS
from tests.support.database import Project, copy_of
from tests.support.extensions import (
    ALARMS,
    PG_CRON,
    PG_NET,
    VAULT,
    answer,
    have,
    requests,
    run_job,
    switch_on,
)
from tests.support.project import ROOT
from tests.support.schema import page_of
from tests.support.statements import without_where

WEBHOOK = "https://alarms.example/hooks/secret-part"
WORKER = "select * from public.report_music_worker('worker-1', 'host', '1', 4, %s, %s)"
FROZEN = "update music.workers set last_seen_at = now() - interval '2 minutes'"
JOBS = ["music-alarms", "music-history", "music-spend"]


@pytest.fixture
async def hosted(cluster: Postgres) -> AsyncIterator[Project]:
    """A project with pg_cron and pg_net, and the alarms switched on."""
    async with copy_of(cluster, "migrated") as copy:
        await have(copy, PG_CRON, PG_NET)
        await switch_on(copy)
        await copy.sql("select music.set_alarm_webhook(%s)", WEBHOOK)
        yield copy


async def look(project: Project) -> list[Any]:
    """One run of the job; the messages that it sent, each as (state, what)."""
    before = len(await requests(project))
    await run_job(project, "music-alarms")
    sent = (await requests(project))[before:]
    return [(each["body"]["state"], each["body"]["what"]) for each in sent]


async def a_minute_passes(project: Project, minutes: int = 1) -> None:
    """For the alarms: everything that they noted is a minute older."""
    await project.sql(
        "update music.alarms set since = since - make_interval(mins => %s),"
        " told_at = told_at - make_interval(mins => %s)",
        minutes,
        minutes,
    )


async def due_since(project: Project, minutes: int, user: str | None = None) -> str:
    track = await project.new_track(user)
    await project.sql(
        "update public.music_tracks set created_at = now() - make_interval(mins => %s),"
        " run_after = now() - make_interval(mins => %s) where id = %s",
        minutes,
        minutes,
        track,
    )
    return track


# --- Whether it is there --------------------------------------------------------------------------


@pytest.mark.parametrize("there", [(), (PG_CRON,), (PG_NET,)], ids=["neither", "cron", "net"])
async def test_without_an_extension_it_refuses_with_a_sentence_and_changes_nothing(
    project: Project, there: tuple[str, ...]
) -> None:
    await have(project, *there)
    before = await page_of(project.postgres, project.name)
    with pytest.raises(psycopg.errors.RaiseException, match="extensions pg_cron and pg_net"):
        await switch_on(project)
    await project.operator.execute(b"rollback")
    assert await page_of(project.postgres, project.name) == before
    if PG_CRON in there:
        assert await project.value("select count(*) from cron.job") == 0


async def test_a_program_that_reads_on_after_the_refusal_changes_nothing(project: Project) -> None:
    """As `psql -f` does without ON_ERROR_STOP: each statement by itself."""
    before = await page_of(project.postgres, project.name)
    refusals = 0
    for statement in split(ALARMS):
        try:
            await project.operator.execute(str(statement).encode())
        except psycopg.Error:
            refusals += 1
    assert refusals > 1
    assert await page_of(project.postgres, project.name) == before


async def test_without_the_migrations_it_refuses(platform: Project) -> None:
    await have(platform, PG_CRON, PG_NET)
    with pytest.raises(psycopg.errors.RaiseException, match="the migrations of the music service"):
        await switch_on(platform)
    await platform.operator.execute(b"rollback")
    assert await platform.value("select to_regnamespace('music') is null")


async def test_run_twice_it_keeps_what_was_set_and_has_each_job_once(hosted: Project) -> None:
    await hosted.sql("update music.alarm_settings set remind_minutes = 7 where id")
    before = await page_of(hosted.postgres, hosted.name)
    await switch_on(hosted)
    assert await page_of(hosted.postgres, hosted.name) == before
    assert await hosted.value("select remind_minutes from music.alarm_settings") == 7
    assert await hosted.value("select music.alarm_webhook()") == WEBHOOK
    jobs = await hosted.sql("select jobname from cron.job order by jobname")
    assert [job["jobname"] for job in jobs] == JOBS


@pytest.mark.parametrize("lint", LINTS, ids=str)
async def test_the_advisor_finds_nothing(hosted: Project, lint: Lint) -> None:
    assert await hosted.sql(lint.finds) == []


async def test_it_is_made_as_the_migrations_are(hosted: Project) -> None:
    await test_migrations.test_every_table_view_column_and_function_of_ours_has_a_comment(hosted)
    await test_migrations.test_functions_pin_their_search_path_and_app_users_run_only_those_of_journeys(  # noqa: E501
        hosted
    )
    lines = ALARMS.splitlines()
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100] == []


async def test_no_function_of_it_changes_rows_without_a_condition(hosted: Project) -> None:
    names = (
        *("alarm", "has_vault", "what_tracks_wait_for", "tell(", "message_for", "report_spend"),
        "delete_old_history",
    )
    functions = [
        each for each in await hosted.sql(FUNCTIONS) if any(name in each["name"] for name in names)
    ]
    assert len(functions) == 15
    for each in functions:
        assert without_where(each["definition"], each["language"], each["body"]) == [], each["name"]


# --- Begins, goes on, is over ---------------------------------------------------------------------


@pytest.mark.parametrize("worker", ["none", "frozen", "stopped"])
async def test_tracks_due_and_nobody_alive_is_said_once_then_each_hour_then_that_it_is_over(
    hosted: Project, worker: str
) -> None:
    if worker != "none":
        await hosted.as_service(WORKER, "stopped" if worker == "stopped" else "running", None)
        await hosted.sql(FROZEN)
    assert await look(hosted) == [], "nothing waits"
    await due_since(hosted, 5)
    await due_since(hosted, 3)
    assert await look(hosted) == [("begun", "no_worker")]
    for _ in range(58):
        await a_minute_passes(hosted)
        assert await look(hosted) == []
    await a_minute_passes(hosted, 2)
    assert await look(hosted) == [("going_on", "no_worker")]
    await a_minute_passes(hosted)
    assert await look(hosted) == []
    await hosted.as_service(WORKER, "running", None)
    assert await look(hosted) == [("over", "no_worker")]
    assert await look(hosted) == []
    assert await hosted.value("select count(*) from music.alarms") == 0


async def test_a_message_says_what_since_when_how_many_and_what_to_do(hosted: Project) -> None:
    await due_since(hosted, 5)
    await hosted.sql("update music.alarm_settings set project = 'Reading room' where id")
    await look(hosted)
    [request] = await requests(hosted)
    [waits] = await hosted.sql("select * from public.music_review where what = 'no_worker'")
    body = request["body"]
    assert request["url"] == WEBHOOK
    assert request["timeout_milliseconds"] == 10000
    assert body == {
        "what": "no_worker",
        "state": "begun",
        "project": "Reading room",
        "since": body["since"],
        "tracks": 1,
        "reason": waits["reason"],
        "what_to_do": waits["what_to_do"],
        "text": body["text"],
    }
    assert await hosted.value("select %s::timestamptz = %s", body["since"], waits["since"])
    since = waits["since"].strftime("%Y-%m-%d %H:%M")
    assert body["text"] == (
        f"[Reading room] ALARM no_worker, tracks: 1, since {since} UTC: {waits['reason']} "
        f"{waits['what_to_do']}"
    )


async def test_a_project_where_all_is_well_hears_nothing(hosted: Project) -> None:
    await hosted.as_service(WORKER, "running", None)
    for _ in range(3):
        await due_since(hosted, 0)
        assert await look(hosted) == []
        await a_minute_passes(hosted)


async def test_reminders_can_be_left_out(hosted: Project) -> None:
    await hosted.sql("update music.alarm_settings set remind_minutes = null where id")
    await due_since(hosted, 5)
    assert await look(hosted) == [("begun", "no_worker")]
    await a_minute_passes(hosted, 10_000)
    assert await look(hosted) == []


async def test_without_a_webhook_nothing_is_sent_and_once_it_is_there_the_alarm_is(
    hosted: Project,
) -> None:
    await hosted.sql("select music.set_alarm_webhook(null)")
    await due_since(hosted, 5)
    assert await look(hosted) == []
    with pytest.raises(psycopg.Error, match="no webhook yet"):
        await hosted.sql("select music.test_alarm()")
    await hosted.sql("select music.set_alarm_webhook(%s)", WEBHOOK)
    assert await look(hosted) == [("begun", "no_worker")]


async def test_two_looks_at_once_send_one_message(hosted: Project) -> None:
    await due_since(hosted, 5)
    others = [await hosted.another_connection() for _ in range(4)]
    await asyncio.gather(*(each.execute("select music.check_alarms()") for each in others))
    assert len(await requests(hosted)) == 1


# --- What is an alarm -----------------------------------------------------------------------------


async def test_a_pause_is_one_while_tracks_wait(hosted: Project) -> None:
    await hosted.as_service(WORKER, "running", None)
    await hosted.sql("select public.pause_music_queue('An outage.')")
    await hosted.sql("update music.settings set paused_at = now() - interval '1 hour' where id")
    assert await look(hosted) == []
    await hosted.new_track()
    assert await look(hosted) == [("begun", "queue_paused")]
    [request] = await requests(hosted)
    assert "An outage." in request["body"]["reason"]
    assert "resume_music_queue" in request["body"]["what_to_do"]
    await hosted.sql("select public.resume_music_queue()")
    assert await look(hosted) == [("over", "queue_paused")]


@pytest.mark.parametrize("state", ["blocked", "failing"])
async def test_a_worker_that_cannot_claim_is_one_where_no_other_is_left(
    hosted: Project, state: str
) -> None:
    other = WORKER.replace("worker-1", "worker-2")
    await hosted.as_service(WORKER, state, "Mureka says 402.")
    await hosted.as_service(other, "running", None)
    assert await look(hosted) == []
    await hosted.as_service(other, "stopped", None)
    assert await look(hosted) == [], "it may be gone at the next look"
    await a_minute_passes(hosted)
    assert await look(hosted) == [("begun", f"worker_{state}")]
    [request] = await requests(hosted)
    assert request["body"]["reason"] == "Mureka says 402."
    await hosted.as_service(WORKER, "running", None)
    assert await look(hosted) == [("over", f"worker_{state}")]


async def test_what_was_there_for_one_look_alone_is_not_told(hosted: Project) -> None:
    await hosted.as_service(WORKER, "failing", "Once.")
    assert await look(hosted) == []
    await hosted.as_service(WORKER, "running", None)
    await a_minute_passes(hosted)
    assert await look(hosted) == []
    assert await hosted.value("select count(*) from music.alarms") == 0


@pytest.mark.parametrize("code", ["quota_exhausted", "provider_auth"])
async def test_an_account_that_mureka_refuses_is_one(hosted: Project, code: str) -> None:
    await hosted.as_service(WORKER, "running", None)
    await hosted.new_track()
    [claim] = await hosted.claim()
    await hosted.as_service(
        "select public.defer_music_track(%s, 600, 'refused', %s, 'No money.', false)",
        claim["claim_id"],
        code,
    )
    assert await look(hosted) == []
    await a_minute_passes(hosted)
    assert await look(hosted) == [("begun", code)]


async def test_the_budget_of_all_is_one_and_that_of_a_user_is_not(hosted: Project) -> None:
    await hosted.as_service(WORKER, "running", None)
    await hosted.sql(
        "update music.settings set daily_budget_cents = null, daily_budget_cents_per_user = 5"
        " where id"
    )
    user = await hosted.new_user()
    for _ in range(2):
        await hosted.new_track(user)
    claims = await hosted.claim(limit=1)
    await hosted.submitted(claims[0])
    await hosted.claim()
    assert await hosted.value("select what from public.music_review") == "over_budget"
    assert await look(hosted) == []
    await a_minute_passes(hosted)
    assert await look(hosted) == []
    await hosted.sql("update music.settings set daily_budget_cents = 1 where id")
    assert await look(hosted) == []
    await a_minute_passes(hosted)
    assert await look(hosted) == [("begun", "over_budget")]


async def test_limits_that_let_nothing_be_taken_up_are_one(hosted: Project) -> None:
    await hosted.as_service(WORKER, "running", None)
    await hosted.sql("update music.settings set max_concurrent = 0 where id")
    await hosted.new_track()
    assert await look(hosted) == []
    await a_minute_passes(hosted)
    assert await look(hosted) == [("begun", "queue_blocked")]
    [request] = await requests(hosted)
    assert "fleet_limit 1" in request["body"]["reason"]
    await hosted.sql("update music.settings set max_concurrent = 1 where id")
    assert await look(hosted) == [("over", "queue_blocked")]


async def test_a_full_fleet_is_none(hosted: Project) -> None:
    await hosted.as_service(WORKER, "running", None)
    await hosted.sql("update music.settings set max_concurrent = 1 where id")
    for _ in range(2):
        await hosted.new_track()
    await hosted.claim()
    for _ in range(3):
        assert await look(hosted) == []
        await a_minute_passes(hosted)


async def test_a_track_that_is_due_for_too_long_is_one_unless_another_says_why(
    hosted: Project,
) -> None:
    await due_since(hosted, 45)
    assert await look(hosted) == [("begun", "no_worker")]
    await hosted.as_service(WORKER, "running", None)
    assert sorted(await look(hosted)) == [("begun", "oldest_waiting"), ("over", "no_worker")]
    texts = [each["body"]["text"] for each in await requests(hosted)]
    [late] = [text for text in texts if "ALARM oldest_waiting" in text]
    assert "due for 45 minutes" in late
    assert "worker 1" in late
    await hosted.sql("update music.alarm_settings set oldest_minutes = null where id")
    assert await look(hosted) == [("over", "oldest_waiting")]


async def test_a_look_that_fails_is_one_and_ends_no_other(hosted: Project) -> None:
    await due_since(hosted, 5)
    assert await look(hosted) == [("begun", "no_worker")]
    await hosted.sql("alter view public.music_review rename to elsewhere")
    assert await look(hosted) == []
    await a_minute_passes(hosted)
    assert await look(hosted) == [("begun", "check_failed")]
    assert "music_review" in (await requests(hosted))[-1]["body"]["reason"]
    await hosted.sql("alter view public.elsewhere rename to music_review")
    assert await look(hosted) == [("over", "check_failed")]


# --- The page about it ----------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "alarms.md").read_text()


async def test_the_statements_of_the_page_do_what_it_says(hosted: Project) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        await hosted.operator.execute(block.encode())
    assert await hosted.value("select count(*) from net.http_request_queue") == 1
    assert await hosted.value("select to_regclass('music.alarms') is null")


async def test_the_page_lists_every_setting_with_its_default(hosted: Project) -> None:
    columns = await hosted.sql("select * from music.alarm_settings")
    rows = re.findall(r"^\| `(\w+)` \| `?([\w-]+)`? \|", PAGE.partition("### Settings")[2], re.M)
    is_so = columns[0] | {"webhook_url": None}
    assert dict(rows) == {
        name: "null" if value is None else str(value).lower()
        for name, value in is_so.items()
        if name != "id"
    }


async def test_the_page_explains_every_alarm_and_its_body(hosted: Project) -> None:
    comment = await hosted.value("select col_description('music.alarms'::regclass, 1)")
    words = set(re.findall(r"\b[a-z]+_[a-z_]+\b", comment)) - {"music_review"}
    told = re.findall(r"^\| `(\w+)` \|", PAGE.partition("### The day's spend")[0], re.M)
    assert set(told) - {"what"} == words
    assert [word for word in words if f"'{word}'" not in ALARMS] == []
    body = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)[0])
    await due_since(hosted, 5)
    await look(hosted)
    [request] = await requests(hosted)
    assert body.keys() == request["body"].keys()
    for key in ("what", "state", "project", "reason", "what_to_do"):
        assert body[key] == request["body"][key]


# --- Whether it arrives ---------------------------------------------------------------------------


async def test_a_message_that_the_webhook_does_not_take_is_posted_again_up_to_five_times(
    hosted: Project,
) -> None:
    await due_since(hosted, 5)
    await look(hosted)
    for tries in range(1, 8):
        posted = await requests(hosted)
        assert len(posted) == min(tries, 5)
        if tries <= 5:
            await answer(hosted, posted[-1]["id"], status_code=500)
        await look(hosted)
    [message] = await hosted.sql("select * from music.alarm_messages")
    assert (message["tries"], message["failure"]) == (5, "The webhook answered 500.")
    assert message["delivered_at"] is None


async def test_one_that_it_took_is_posted_once(hosted: Project) -> None:
    await due_since(hosted, 5)
    await look(hosted)
    [first] = await requests(hosted)
    await answer(hosted, first["id"], error_msg="Timeout was reached", timed_out=True)
    assert await look(hosted) == [("begun", "no_worker")]
    await answer(hosted, (await requests(hosted))[-1]["id"], status_code=204)
    for _ in range(3):
        assert await look(hosted) == []
    [message] = await hosted.sql("select * from music.alarm_messages")
    assert message["delivered_at"] is not None
    assert message["failure"] is None


async def test_a_request_that_a_crash_of_the_database_swallowed_is_made_again(
    hosted: Project,
) -> None:
    await due_since(hosted, 5)
    await look(hosted)
    # The tables of pg_net are not logged: a crash empties them, and their numbers begin again.
    await hosted.sql("truncate net.http_request_queue restart identity")
    await hosted.sql(
        "insert into net._http_response (id, status_code, created)"
        " values (1, 200, now() - interval '1 hour')"
    )
    assert await look(hosted) == []
    await hosted.sql("update music.alarm_messages set sent_at = now() - interval '6 minutes'")
    await hosted.sql("update net._http_response set created = now() - interval '1 hour'")
    assert await look(hosted) == [("begun", "no_worker")]


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", {"text": "[a &lt;!channel&gt; &amp; b] TEXT"}),
        (
            "https://discord.com/api/webhooks/1/x",
            {"content": "[a <!channel> & b] TEXT", "allowed_mentions": {"parse": []}},
        ),
        (
            "https://canary.discord.com/api/webhooks/1/x",
            {"content": "[a <!channel> & b] TEXT", "allowed_mentions": {"parse": []}},
        ),
        (
            "https://discord.com.evil.example/x",
            {
                "what": "test",
                "state": "test",
                "project": "a <!channel> & b",
                "text": "[a <!channel> & b] TEXT",
            },
        ),
    ],
)
async def test_slack_and_discord_are_sent_what_they_understand(
    hosted: Project, url: str, body: dict[str, Any]
) -> None:
    await hosted.sql("update music.alarm_settings set project = 'a <!channel> & b' where id")
    await hosted.sql("select music.set_alarm_webhook(%s)", url)
    await hosted.sql("select music.test_alarm()")
    [request] = await requests(hosted)
    test = "A test: alarms of the music service arrive here."
    said = {
        key: value.replace(test, "TEXT") if isinstance(value, str) else value
        for key, value in request["body"].items()
    }
    assert said == body
    assert request["url"] == url


@pytest.mark.parametrize(
    "url", ["alarms.example", "ftp://alarms.example", "https://a b", "https://"]
)
async def test_what_is_no_address_of_a_webhook_is_refused(hosted: Project, url: str) -> None:
    with pytest.raises(psycopg.Error, match="begins with https://") as refusal:
        await hosted.sql("select music.set_alarm_webhook(%s)", url)
    assert refusal.value.sqlstate == "MU002"
    assert await hosted.value("select music.alarm_webhook()") == WEBHOOK


async def test_where_there_is_a_vault_the_address_is_kept_in_it_alone(project: Project) -> None:
    await have(project, PG_CRON, PG_NET, VAULT)
    await switch_on(project)
    for url in (WEBHOOK, WEBHOOK + "2"):
        await project.sql("select music.set_alarm_webhook(%s)", url)
        assert await project.value("select music.alarm_webhook()") == url
        assert await project.value("select webhook_url from music.alarm_settings") is None
        assert await project.value("select count(*) from vault.secrets") == 1
    await project.sql("select music.test_alarm()")
    assert [each["url"] for each in await requests(project)] == [WEBHOOK + "2"]
    await project.sql("select music.set_alarm_webhook('')")
    assert await project.value("select music.alarm_webhook()") is None
    assert await project.value("select count(*) from vault.secrets") == 0


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize(
    "statement",
    [
        "select webhook_url from music.alarm_settings",
        "update music.alarm_settings set webhook_url = 'https://evil.example' where id",
        "select * from music.alarms",
        "select * from music.alarm_messages",
        "select music.alarm_webhook()",
        "select music.set_alarm_webhook('https://evil.example')",
        "select music.test_alarm()",
        "select music.check_alarms()",
        "select music.delete_old_history()",
        "select music.report_spend()",
        "select music.remove_alarms()",
    ],
)
async def test_nobody_but_operators_reads_or_changes_any_of_it(
    hosted: Project, role: str, statement: str
) -> None:
    user = await hosted.new_user()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with hosted.acting_as(role, user) as run:
            await run(statement)


async def test_the_doctor_finds_nothing_in_it(hosted: Project) -> None:
    said = await hosted.value("select public.check_music_project('music-tracks')")
    assert (said["unguarded"], said["grants"], said["reached"]) == ([], [], [])
    ours = [each for each in said["policies"] if each["table"].startswith("music.alarm")]
    assert {each["using"] for each in ours} == {"false"}
    trial = await hosted.value("select public.try_music_track()")
    assert trial == {"asking": None, "making": None}
    assert await look(hosted) == []


# --- History and money ----------------------------------------------------------------------------

OLD = "update music.events set at = at - interval '100 days'"


async def test_old_history_of_tracks_that_ended_is_deleted_once_it_is_asked_for(
    hosted: Project,
) -> None:
    waits = await hosted.new_track()
    gone = await hosted.new_track()
    done = await hosted.new_track()
    await hosted.sql("update public.music_tracks set status = 'error' where id = %s", done)
    await hosted.sql("delete from public.music_tracks where id = %s", gone)
    [claim] = await hosted.claim()
    await hosted.submitted(claim)
    await hosted.sql(OLD)
    recent = await hosted.new_track()
    await hosted.sql("update public.music_tracks set status = 'error' where id = %s", recent)
    history = "select count(*) from music.events"
    before = await hosted.value(history)
    await run_job(hosted, "music-history")
    assert await hosted.value(history) == before, "nobody asked for it"
    await hosted.sql("update music.alarm_settings set keep_history_days = 90 where id")
    await run_job(hosted, "music-history")
    left = await hosted.sql("select distinct track_id::text from music.events")
    assert {row["track_id"] for row in left} == {waits, recent}
    assert await hosted.value("select count(*) from music.generations") == 1


async def test_it_is_deleted_page_by_page_and_open_tracks_are_passed_over(hosted: Project) -> None:
    waits = await hosted.new_track()
    insert = (
        "insert into music.events (track_id, kind, at)"
        " select %s, 'stage', now() - interval '100 days' from generate_series(1, %s)"
    )
    ended = "00000000-0000-0000-0000-000000000001"
    await hosted.sql(insert, waits, 6_000)
    await hosted.sql(insert, ended, 12_000)
    await hosted.sql("update music.alarm_settings set keep_history_days = 7 where id")
    gone = [await hosted.value("select music.delete_old_history(5000)") for _ in range(4)]
    assert sum(gone) == 12_000
    assert gone[-1] == 0
    assert max(gone) < 12_000
    of = "select count(*) from music.events where track_id = %s"
    assert await hosted.value(of, ended) == 0
    assert await hosted.value(of, waits) == 6_001


async def test_less_than_a_week_of_history_cannot_be_asked_for(hosted: Project) -> None:
    """Pauses between retries are counted by the history of a day."""
    with pytest.raises(psycopg.errors.CheckViolation):
        await hosted.sql("update music.alarm_settings set keep_history_days = 1 where id")


async def test_what_the_jobs_did_is_forgotten_after_a_week(hosted: Project) -> None:
    await hosted.sql("select cron.schedule('music-of-the-app', '* * * * *', 'select 1')")
    await hosted.sql(
        "insert into cron.job_run_details (jobid, end_time)"
        " select j.jobid, now() - make_interval(days => d)"
        " from cron.job j, generate_series(1, 10) d"
    )
    await run_job(hosted, "music-history")
    kept = await hosted.sql(
        "select j.jobname, count(*) as runs from cron.job_run_details d"
        " join cron.job j on j.jobid = d.jobid group by 1"
    )
    assert {row["jobname"]: row["runs"] for row in kept} == (
        dict.fromkeys(JOBS, 6) | {"music-of-the-app": 10}
    )


async def test_each_day_one_message_says_what_the_day_before_cost(hosted: Project) -> None:
    for _ in range(2):
        await hosted.new_track()
    for claim in await hosted.claim():
        await hosted.submitted(claim)
    await hosted.sql("update music.generations set intent_at = intent_at - interval '1 day'")
    await run_job(hosted, "music-spend")
    [request] = await requests(hosted)
    [spent] = await hosted.sql("select * from public.music_spend_daily")
    body = request["body"]
    text = body.pop("text")
    assert body == {
        "what": "daily_spend",
        "state": "report",
        "project": "music-service",
        "utc_day": str(spent["utc_day"]),
        "expected_cost_cents": 9.0,
        "daily_budget_cents": 1000.0,
        "paid_calls": 2,
        "failed": 0,
        "submission_unknown": 0,
    }
    assert text == (
        f"[music-service] On {spent['utc_day']} (UTC) 9.00 US cents were spent of 1000.00 allowed,"
        " by 2 paid calls; 0 of them made no music, 0 were never confirmed."
    )


async def test_a_day_without_a_call_is_reported_too_and_the_report_can_be_left_out(
    hosted: Project,
) -> None:
    await hosted.sql("update music.settings set daily_budget_cents = null where id")
    await run_job(hosted, "music-spend")
    [request] = await requests(hosted)
    assert "0 US cents were spent, by 0 paid calls" in request["body"]["text"]
    await hosted.sql("update music.alarm_settings set daily_spend = false where id")
    await run_job(hosted, "music-spend")
    assert len(await requests(hosted)) == 1


# --- The way back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("vault", [(), (VAULT,)], ids=["table", "vault"])
async def test_removed_it_leaves_nothing_behind(project: Project, vault: tuple[str, ...]) -> None:
    await have(project, PG_CRON, PG_NET, *vault)
    before = await page_of(project.postgres, project.name)
    await switch_on(project)
    await project.sql("select music.set_alarm_webhook(%s)", WEBHOOK)
    await project.sql("select music.remove_alarms()")
    assert await page_of(project.postgres, project.name) == before
    assert await project.value("select count(*) from cron.job") == 0
    if vault:
        assert await project.value("select count(*) from vault.secrets") == 0
    await switch_on(project)  # and again


@pytest.mark.parametrize("text", [UNINSTALL, KEEPING], ids=["all", "keeping tracks"])
async def test_the_uninstaller_takes_jobs_and_webhook_along(project: Project, text: str) -> None:
    await have(project, PG_CRON, PG_NET, VAULT)
    await project.sql("select cron.schedule('the app''s own', '* * * * *', 'select 1')")
    await switch_on(project)
    await project.sql("select music.set_alarm_webhook(%s)", WEBHOOK)
    await project.operator.execute(text.encode())
    jobs = await project.sql("select jobname from cron.job")
    assert [job["jobname"] for job in jobs] == ["the app's own"]
    assert await project.value("select count(*) from vault.secrets") == 0
    assert await project.value("select to_regnamespace('music') is null")


async def test_it_can_be_removed_when_the_extensions_are_gone(hosted: Project) -> None:
    await hosted.operator.execute(b"drop schema cron, net cascade")
    await hosted.sql("select music.remove_alarms()")
    assert await hosted.value("select to_regclass('music.alarms') is null")

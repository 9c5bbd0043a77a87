"""Every table, view and function, each verb, everybody: with what comes of it.

The personas: anybody (`anon`), Alice and Bob (`authenticated`), the service (`service_role`) and
the operator (`postgres`). Everything in the first rows is Alice's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import pytest

from local_supabase.postgres import Postgres
from tests.support.database import Project, copy_of, rows

PERSONAS = ("anon", "alice", "bob", "service", "operator")


@dataclass(frozen=True)
class Refusal:
    """A refusal with its SQLSTATE and the beginning of its sentence."""

    sqlstate: str
    sentence: str


DONE, NOTHING = "done", "nothing"
Outcome = str | Refusal


def denied(thing: str) -> Refusal:
    kind = "function" if thing.endswith("()") else "view" if thing in VIEWS else "table"
    return Refusal("42501", f"permission denied for {kind} {thing.removesuffix('()')}")


VIEWS = ("music_queue_health", "music_spend_daily", "music_review", "music_track_history")
SCHEMA = Refusal("42501", "permission denied for schema music")


@dataclass(frozen=True)
class Case:
    """A statement and what each persona gets: rows (`done`), no row (`nothing`) or a refusal."""

    name: str
    sql: str
    anon: Outcome
    alice: Outcome
    bob: Outcome
    service: Outcome = DONE
    operator: Outcome = DONE

    def __str__(self) -> str:
        return self.name


def all_denied(
    name: str, sql: str, thing: str, service: Outcome = DONE, operator: Outcome = DONE
) -> Case:
    """What no app user may do at all."""
    refusal = denied(thing)
    return Case(name, sql, refusal, refusal, refusal, service, operator)


def private_table(table: str) -> list[Case]:
    """A table of schema `music`, closed to all app users."""
    inside = f"permission denied for table {table}"
    stays = Refusal("MU008", f"The row of music.{table} stays")
    is_kept = table in ("settings", "account")
    return [
        Case(
            f"{verb} music.{table}",
            sql.format(table=table),
            SCHEMA,
            Refusal("42501", inside),
            Refusal("42501", inside),
            *([stays, stays] if is_kept and verb == "delete" else []),
        )
        for verb, sql in {
            "select": "select count(*) from music.{table}",
            "delete": "with gone as (delete from music.{table} returning 1) select 1",
        }.items()
    ]


A_NEW_TRACK_IS_PENDING = Refusal("MU003", 'A new track starts as "pending"')
A_NEW_TRACK_SETS_ONLY = Refusal("MU003", "A new track may set only")
ONLY_STATUS = Refusal("MU003", "Only the status of your track can be changed")
UPDATE = "update public.music_tracks set {} where id = :track returning id"
ROW_SECURITY = Refusal("42501", "new row violates row-level security policy")
OTHERS_TRACK = Refusal("MU003", "A track can only be made for yourself.")
NOT_YOURS = Refusal("MU004", "There is no such journey of yours.")

INSERTS: list[tuple[Refusal, Outcome, dict[str, str]]] = [
    (A_NEW_TRACK_IS_PENDING, Refusal("23514", ""), {"status": "'generating'"}),
    (A_NEW_TRACK_IS_PENDING, Refusal("23514", ""), {"status": "'error'"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"priority": "9"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"attempts": "-3"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"run_after": "now() + interval '1 day'"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"file_url": "'https://evil'"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"storage_path": "'bob/x.mp3'"}),
    (A_NEW_TRACK_SETS_ONLY, DONE, {"error_message": "'hello'"}),
]

CASES = [
    # --- music_tracks
    Case(
        "select track",
        "select id from public.music_tracks where id = :track",
        denied("music_tracks"),
        DONE,
        NOTHING,
    ),
    Case(
        "insert track",
        "insert into public.music_tracks (prompt) values ('x') returning id",
        denied("music_tracks"),
        DONE,
        DONE,
    ),
    Case(
        "insert track for alice",
        "insert into public.music_tracks (prompt, user_id) values ('x', :alice) returning id",
        denied("music_tracks"),
        DONE,
        OTHERS_TRACK,
    ),
    Case(
        "insert track for nobody",
        "insert into public.music_tracks (prompt, user_id) values ('x', null) returning id",
        denied("music_tracks"),
        OTHERS_TRACK,
        OTHERS_TRACK,
    ),
    Case(
        "insert track into alice's journey",
        "insert into public.music_tracks (prompt, journey_id) values ('x', :journey) returning id",
        denied("music_tracks"),
        DONE,
        Refusal("42501", "There is no such journey of yours."),
    ),
    *[
        Case(
            f"insert track with {column}",
            f"insert into public.music_tracks (prompt, {column}) values ('x', {value})"
            " returning id",
            denied("music_tracks"),
            refusal,
            refusal,
            service,
            service,
        )
        for refusal, service, values in INSERTS
        for column, value in values.items()
    ],
    Case(
        "upsert alice's track",
        "insert into public.music_tracks (id, prompt) values (:track, 'stolen')"
        " on conflict (id) do update set prompt = 'stolen' returning id",
        denied("music_tracks"),
        ONLY_STATUS,
        ROW_SECURITY,
    ),
    Case("cancel track", UPDATE.format("status = 'error'"), denied("music_tracks"), DONE, NOTHING),
    Case(
        "retry failed track",
        "update public.music_tracks set status = 'pending' where id = :failed and"
        " status = 'error' returning id",
        denied("music_tracks"),
        DONE,
        NOTHING,
    ),
    Case(
        "complete track",
        UPDATE.format("status = 'completed'"),
        denied("music_tracks"),
        Refusal("MU001", 'A track cannot go from "pending" to "completed".'),
        NOTHING,
        Refusal("MU001", 'A track cannot go from "pending" to "completed".'),
        Refusal("MU001", 'A track cannot go from "pending" to "completed".'),
    ),
    Case(
        "regenerate completed track",
        "update public.music_tracks set status = 'pending' where id = :completed returning id",
        denied("music_tracks"),
        Refusal("MU001", 'A track cannot go from "completed" to "pending".'),
        NOTHING,
    ),
    *[
        Case(
            f"change {change}", UPDATE.format(change), denied("music_tracks"), ONLY_STATUS, NOTHING
        )
        for change in (
            "priority = 9",
            "user_id = :bob",
            "prompt = 'other'",
            "run_after = now()",
            "created_at = '2000-01-01'",
            "journey_id = :journey",
            "status = 'error', error_message = 'x'",
        )
    ],
    *[
        Case(
            f"change {change}",
            UPDATE.format(change),
            denied("music_tracks"),
            ONLY_STATUS,
            NOTHING,
            nonsense,
            nonsense,
        )
        for change, nonsense in (
            (
                "file_url = 'https://evil'",
                Refusal("MU001", "Only a completed track has audio to set"),
            ),
            ("attempts = -9", Refusal("MU002", "A track cannot have -9 attempts.")),
        )
    ],
    Case(
        "change completed track",
        "update public.music_tracks set file_url = 'https://evil' where id ="
        " :completed returning id",
        denied("music_tracks"),
        ONLY_STATUS,
        NOTHING,
    ),
    all_denied(
        "delete track",
        "delete from public.music_tracks where id = :track returning id",
        "music_tracks",
    ),
    all_denied(
        "truncate tracks",
        "truncate public.music_tracks cascade",
        "music_tracks",
        service=denied("music_tracks"),
        operator=Refusal("MU008", "music.generations is not emptied at once"),
    ),
    # --- journeys
    Case(
        "select journey",
        "select id from public.journeys where id = :journey",
        denied("journeys"),
        DONE,
        NOTHING,
    ),
    Case(
        "insert journey",
        "insert into public.journeys (book_title) values ('x') returning id",
        denied("journeys"),
        DONE,
        DONE,
    ),
    Case(
        "insert journey for alice",
        "insert into public.journeys (book_title, user_id) values ('x', :alice) returning id",
        denied("journeys"),
        DONE,
        Refusal("MU003", "A journey can only be begun for yourself."),
    ),
    Case(
        "insert finished journey",
        "insert into public.journeys (book_title, finished_at) values ('x', now()) returning id",
        denied("journeys"),
        denied("journeys"),
        denied("journeys"),
    ),
    Case(
        "rename journey",
        "update public.journeys set book_title = 'y' where id = :journey returning id",
        denied("journeys"),
        DONE,
        NOTHING,
    ),
    Case(
        "give journey away",
        "update public.journeys set user_id = :bob where id = :journey returning id",
        denied("journeys"),
        denied("journeys"),
        denied("journeys"),
    ),
    Case(
        "delete journey",
        "delete from public.journeys where id = :journey returning id",
        denied("journeys"),
        DONE,
        NOTHING,
    ),
    # --- reading_logs
    Case(
        "select log",
        "select id from public.reading_logs where id = :log",
        denied("reading_logs"),
        DONE,
        NOTHING,
    ),
    Case(
        "insert log",
        "insert into public.reading_logs (journey_id, memo) values (:journey, 'x') returning id",
        denied("reading_logs"),
        DONE,
        NOT_YOURS,
    ),
    Case(
        "insert log with a number",
        "insert into public.reading_logs (journey_id, version) values (:journey,"
        " 'v5') returning id",
        denied("reading_logs"),
        denied("reading_logs"),
        denied("reading_logs"),
    ),
    Case(
        "insert log with alice's track",
        "insert into public.reading_logs (journey_id, track_id) values (:theirs,"
        " :track) returning id",
        denied("reading_logs"),
        NOT_YOURS,
        ROW_SECURITY,
    ),
    Case(
        "change log",
        "update public.reading_logs set memo = 'y' where id = :log returning id",
        denied("reading_logs"),
        DONE,
        NOTHING,
    ),
    Case(
        "renumber log",
        "update public.reading_logs set version = 'v8' where id = :log returning id",
        denied("reading_logs"),
        denied("reading_logs"),
        denied("reading_logs"),
    ),
    Case(
        "move log",
        "update public.reading_logs set journey_id = :theirs, version = 'v8' where"
        " id = :log returning id",
        denied("reading_logs"),
        denied("reading_logs"),
        denied("reading_logs"),
    ),
    Case(
        "delete log",
        "delete from public.reading_logs where id = :log returning id",
        denied("reading_logs"),
        DONE,
        NOTHING,
    ),
    # --- functions of the app
    Case(
        "create_journey",
        "select public.create_journey('x')",
        denied("create_journey()"),
        DONE,
        DONE,
        denied("create_journey()"),
        Refusal("MU003", "Nobody is signed in"),
    ),
    Case(
        "add_reading_log",
        "select public.add_reading_log(:journey)",
        denied("add_reading_log()"),
        DONE,
        NOT_YOURS,
        denied("add_reading_log()"),
        DONE,
    ),
    Case(
        "finish_journey",
        "select public.finish_journey(:journey)",
        denied("finish_journey()"),
        DONE,
        NOT_YOURS,
        denied("finish_journey()"),
        DONE,
    ),
    Case(
        "music_another_take",
        "select * from public.music_another_take(:track)",
        denied("music_another_take()"),
        DONE,
        Refusal("MU004", "There is no such track of yours"),
    ),
    # --- the words of songs
    Case(
        "select words",
        "select 1 from public.music_timed_lyrics",
        denied("music_timed_lyrics"),
        DONE,
        NOTHING,
    ),
    *[
        Case(
            f"{verb} words",
            sql,
            denied("music_timed_lyrics"),
            denied("music_timed_lyrics"),
            denied("music_timed_lyrics"),
        )
        for verb, sql in {
            "insert": "insert into public.music_timed_lyrics select t.id, l.sections"
            " from public.music_timed_lyrics l, public.music_tracks t"
            " where t.id <> l.track_id limit 1 returning 1",
            "update": "update public.music_timed_lyrics set created_at = now()"
            " where true returning 1",
            "delete": "delete from public.music_timed_lyrics where true returning 1",
        }.items()
    ],
    Case(
        "compose a prompt of alice's journey",
        "select 1 where music.compose_journey_prompt(:journey, 'log', null, null,"
        " '{}') like '%Emma%'",
        SCHEMA,
        DONE,
        NOTHING,
    ),
    # --- functions of workers and operators
    *[
        all_denied(
            call.partition("(")[0],
            f"select * from public.{call}",
            call.partition("(")[0] + "()",
            service=result,
            operator=result,
        )
        for call, result in {
            "claim_music_tracks('w', 1, 30)": DONE,
            "renew_music_claims('w', '{}', 30)": NOTHING,
            "release_music_claims('w', '{}')": NOTHING,
            "begin_music_generation(:track, :track, '{}', 'm', 1)": NOTHING,
            "record_music_task(:track, 't', null)": NOTHING,
            "record_music_lyrics(:track, 't', 'l')": NOTHING,
            "refuse_music_generation(:track, 'r')": NOTHING,
            "take_left_over_music(1, 1)": DONE,
            "close_left_over_music(:track, 's')": NOTHING,
            "report_music_stage(:track, 's')": NOTHING,
            "complete_music_track(:track, 'p', 'u', 1)": NOTHING,
            "defer_music_track(:track, 1, 'open', 'internal', 'm', true)": NOTHING,
            "fail_music_track(:track, 'open', 'internal', 'm')": NOTHING,
            "report_music_worker('w', 'h', '1', 1, 'running', null)": DONE,
            "report_music_account(3, 100)": DONE,
            "pause_music_queue('x')": DONE,
            "resume_music_queue()": DONE,
            "retry_music_tracks(p_error_code => 'internal', p_dry_run => false)": DONE,
            "cancel_music_tracks(array[:track]::uuid[])": DONE,
            "regenerate_music_tracks(array[:track]::uuid[])": NOTHING,
            "ping_music_realtime('x')": DONE,
            "check_music_project('music-tracks')": DONE,
            "try_music_track(null)": DONE,
            "list_music_numbers(1)": DONE,
            "list_orphaned_music('music-tracks')": DONE,
            "music_schema_version()": DONE,
        }.items()
    ],
    # --- views, the service's own tables, and the ways in
    *[all_denied(f"select {view}", f"select count(*) from public.{view}", view) for view in VIEWS],
    *[
        case
        for table in (
            "settings",
            "account",
            "claims",
            "generations",
            "events",
            "workers",
            "rejected_tracks",
            "table_changes",
            "waiting",
            "spending",
        )
        for case in private_table(table)
    ],
    *[
        Case(f"call music.{call}", f"select music.{call}", SCHEMA, refusal, refusal)
        for call in (
            "act_as_worker()",
            "spent_today_cents()",
            "broadcast('t', 'e', '{}')",
            "next_version(:journey)",
            "caller()",
        )
        for refusal in [denied(call.partition("(")[0] + "()")]
    ],
    Case(
        "pretend to be a worker",
        "select set_config('music.worker', 'public.fail_music_track(uuid,text,text,text)', true)",
        DONE,
        DONE,
        DONE,
    ),
    Case(
        "broadcast to workers",
        "insert into realtime.messages (topic, extension, event, payload)"
        " values ('music:pending', 'broadcast', 'pending', '{}') returning 1",
        ROW_SECURITY,
        ROW_SECURITY,
        ROW_SECURITY,
        DONE,
        DONE,
    ),
    Case(
        "upload music",
        "insert into storage.objects (bucket_id, name) values ('music-tracks',"
        " :alice::text || '/x.mp3') returning 1",
        ROW_SECURITY,
        ROW_SECURITY,
        ROW_SECURITY,
        DONE,
        DONE,
    ),
    Case(
        "list alice's music",
        "select 1 from storage.objects where bucket_id = 'music-tracks'",
        NOTHING,
        DONE,
        NOTHING,
    ),
    Case(
        "move alice's music",
        "update storage.objects set name = 'x' where bucket_id = 'music-tracks' returning 1",
        NOTHING,
        NOTHING,
        NOTHING,
    ),
    Case(
        "make the bucket private",
        "update storage.buckets set public = false where id = 'music-tracks' returning 1",
        NOTHING,
        NOTHING,
        NOTHING,
    ),
]


@pytest.fixture(scope="module")
async def project(cluster: Postgres) -> AsyncIterator[Project]:
    """One database for all cases; what a case does is undone."""
    async with copy_of(cluster, "migrated") as copy:
        yield copy


@pytest.fixture(scope="module")
async def ids(project: Project) -> dict[str, str]:
    """Two users; journey, log, object and one pending, failed and completed track of Alice's."""
    alice, bob = await project.new_user(), await project.new_user()
    [station] = await project.as_user(alice, "select public.create_journey('Emma') as it")
    [theirs] = await project.as_user(bob, "select public.create_journey('Ulysses') as it")
    await project.sql("update public.music_tracks set status = 'error'")
    completed = await project.new_track(alice)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(
        "select public.complete_music_track(%s, 'p', 'https://x', 1, null, null, %s)",
        claim["claim_id"],
        json.dumps([{"type": "verse", "start_ms": 0, "end_ms": 1, "lines": []}]),
    )
    failed = await project.new_track(alice)
    [claim] = await project.claim()
    await project.as_service(
        "select public.fail_music_track(%s, 'open', 'internal', 'No.')", claim["claim_id"]
    )
    await project.sql(
        "insert into storage.objects (bucket_id, name) values ('music-tracks', %s)",
        f"{alice}/{completed}/x.mp3",
    )
    return {
        ":alice": alice,
        ":bob": bob,
        ":journey": station["it"]["journey"]["id"],
        ":log": station["it"]["log"]["id"],
        ":theirs": theirs["it"]["journey"]["id"],
        ":track": await project.new_track(alice),
        ":failed": failed,
        ":completed": completed,
    }


async def outcome(project: Project, persona: str, sql: str, ids: dict[str, str]) -> Outcome:
    for name, value in ids.items():
        sql = sql.replace(name, f"'{value}'")
    role = {"anon": "anon", "service": "service_role", "operator": "postgres"}
    role_name = role.get(persona, "authenticated")
    claims = json.dumps({"role": role_name, "sub": ids.get(f":{persona}")})
    try:
        async with project.operator.transaction(force_rollback=True):
            await project.sql(
                "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
                claims,
                role_name,
            )
            return DONE if await rows(project.operator, sql) else NOTHING
    except psycopg.Error as error:
        return Refusal(error.sqlstate or "", error.diag.message_primary or "")


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_everybody_gets_what_is_theirs_and_a_sentence_for_the_rest(
    project: Project, ids: dict[str, str], case: Case
) -> None:
    for persona in PERSONAS:
        found, meant = await outcome(project, persona, case.sql, ids), getattr(case, persona)
        if isinstance(meant, Refusal) and isinstance(found, Refusal):
            assert found.sqlstate == meant.sqlstate, (persona, found)
            assert found.sentence.startswith(meant.sentence), (persona, found)
        else:
            assert found == meant, persona


async def test_the_table_of_cases_names_everything_that_there_is(project: Project) -> None:
    every = " ".join(case.sql for case in CASES)
    things = await project.sql(
        """
        select n.nspname || '.' || c.relname as name from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'music') and c.relkind in ('r', 'v')
        union
        select 'public.' || p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace
        """
    )
    assert len(things) > 30
    assert [thing["name"] for thing in things if thing["name"] not in every] == []


async def test_a_mark_is_no_key_where_no_worker_function_runs(
    project: Project, ids: dict[str, str]
) -> None:
    async with project.acting_as("authenticated", ids[":alice"]) as run:
        await run("select set_config('music.worker', 'public.claim_music_tracks', true)")
        with pytest.raises(psycopg.Error, match="Only the status"):
            await run("update public.music_tracks set priority = 9 where id = %s", ids[":track"])


async def test_alice_reads_what_she_writes_and_bob_never_does(
    project: Project, ids: dict[str, str]
) -> None:
    await project.new_track()  # a backend's
    for persona, tracks in {"alice": 4, "bob": 1}.items():
        found = await project.as_user(ids[f":{persona}"], "select user_id from public.music_tracks")
        assert {str(row["user_id"]) for row in found} == {ids[f":{persona}"]}
        assert len(found) == tracks

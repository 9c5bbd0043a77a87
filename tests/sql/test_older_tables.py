"""Apps that had a music_tracks table before: either all of it works with the service, or nothing
was changed and what to do about it is said.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from local_supabase import migrations
from tests.support.database import Project
from tests.support.project import SUPABASE

ID = "id uuid primary key default gen_random_uuid()"
OWNER = "user_id uuid references auth.users (id)"
STATUS = "status text not null default 'pending'"
_STATEMENT = re.compile(
    r"(?:: |where it does not: )((?:begin|alter|create|insert|update|drop|grant)\b.*;)"
)


@dataclass(frozen=True)
class Refused:
    """A table that stands in the way; `says` is in the sentence that names why."""

    name: str
    sql: str
    says: str


def table(columns: str, rows: str = "") -> str:
    return f"create table public.music_tracks ({columns}); {rows}"


WORKS = {
    "finished music without a status": table(
        f"{ID}, prompt text not null, file_url text not null, created_at timestamptz default now()",
        "insert into public.music_tracks (prompt, file_url) values ('old', 'https://old/1.mp3')",
    ),
    "texts of limited length": table(
        f"{ID}, {OWNER}, prompt varchar(500) not null, genre varchar(50), mood varchar(50),"
        " duration bigint, file_url text, status varchar(20) not null default 'pending',"
        " created_at timestamptz default now()"
    ),
    "a check of another name": table(
        f"{ID}, user_id uuid references auth.users (id), prompt text not null, file_url text,"
        " status text not null default 'pending'"
        " constraint valid_status check (status in ('pending', 'completed', 'error'))"
    ),
    "two checks, one of them without a name": table(
        f"{ID}, prompt text, status text not null default 'pending'"
        " check (status = any (array['pending', 'completed', 'error']))"
        " check (length(status) < 10)"
    ),
    "a status that may be null, with music": table(
        f"{ID}, prompt text, file_url text, status text",
        "insert into public.music_tracks (prompt, file_url) values ('old', 'https://old/1.mp3')",
    ),
    "pending by default though it has its music": table(
        f"{ID}, prompt text, file_url text, status text default 'pending'",
        "insert into public.music_tracks (prompt, file_url) values ('old', 'https://old/1.mp3')",
    ),
    "a generated column": table(
        f"{ID}, {OWNER}, prompt text, file_url text, status text not null default 'pending',"
        " fts tsvector generated always as (to_tsvector('english', coalesce(prompt, ''))) stored"
    ),
    "times without a zone and wide numbers": table(
        f"{ID}, prompt text, status text default 'pending', attempts bigint, priority int,"
        " created_at timestamp default now(), updated_at timestamp, tempo numeric, genre text"
    ),
    "an enum of genres": "create type public.genre as enum ('jazz', 'rock');"
    + table(f"{ID}, prompt text, genre public.genre default 'jazz', status text"),
    "completed without a file": table(
        f"{ID}, prompt text, file_url text, status text not null default 'pending'",
        "insert into public.music_tracks (prompt, status) values ('old', 'completed')",
    ),
    "a prompt that is too long": table(
        f"{ID}, prompt text, file_url text, status text not null default 'pending'",
        "insert into public.music_tracks (prompt, status, file_url)"
        " values (repeat('old', 1000), 'completed', 'https://old/1.mp3')",
    ),
    "defaults where workers write": table(
        f"{ID}, prompt text, file_url text not null default '', error_message text not null"
        " default '', completed_at timestamptz default now(), status text default 'pending'"
    ),
    "a trigger that lets no old row be changed": table(
        f"{ID}, prompt text, file_url text, status text not null default 'pending'",
        "insert into public.music_tracks (prompt, status) values ('old', 'error');"
        "create function public.keep() returns trigger language plpgsql as"
        " $$ begin if old.prompt = 'old' then raise exception 'kept'; end if; return new; end $$;"
        "create trigger keep before update on public.music_tracks for each row"
        " execute function public.keep()",
    ),
    "a short title": table(
        f"{ID}, {OWNER}, prompt text, title varchar(8) not null default '', {STATUS}"
    ),
    "an unrelated table of journeys": "create table public.journeys (id bigint primary key,"
    " destination text); insert into public.journeys values (1, 'Busan')",
    "an unrelated table of reading logs": "create table public.reading_logs (id int)",
    "a composite column that is required": "create type public.meta as (a int, b text);"
    + table(
        f"{ID}, {OWNER}, prompt text, meta public.meta not null default row(1, 'x')::public.meta,"
        f" {STATUS}"
    ),
    "a domain of prompts": "create domain public.short as text check (length(value) < 200);"
    + table(f"{ID}, {OWNER}, prompt public.short, {STATUS}"),
    "row-level security that is forced": table(
        f"{ID}, {OWNER}, prompt text, file_url text, {STATUS}",
        "insert into public.music_tracks (prompt, file_url) values ('old', 'https://old/1.mp3');"
        "alter table public.music_tracks enable row level security;"
        "alter table public.music_tracks force row level security",
    ),
    "statuses in a table of their own": "create table public.states (name text primary key);"
    "insert into public.states values ('pending'), ('generating'), ('completed'), ('error');"
    + table(f"{ID}, {OWNER}, prompt text, {STATUS} references public.states"),
    "one track at a time by an index": table(
        f"{ID}, {OWNER}, prompt text, {STATUS}",
        "create unique index one_at_a_time on public.music_tracks (user_id)"
        " where status in ('pending', 'generating')",
    ),
    "names that need quotes": table(
        f'{ID}, {OWNER}, prompt text, "Title\'s ""x""" text, "Status" text, {STATUS},'
        " constraint \"Val'id %\" check (status in ('pending', 'completed'))",
        'create function public."Fn\'s"() returns trigger language plpgsql as'
        " $$ begin return new; end $$;"
        'create trigger "T\'s ""x%" before update on public.music_tracks'
        ' for each row execute function public."Fn\'s"();'
        'create policy "p\'s ""%" on public.music_tracks for select to anon using (true)',
    ),
    "published and referred to by another table": table(
        f"{ID}, {OWNER}, prompt text, {STATUS}",
        "alter publication supabase_realtime add table public.music_tracks;"
        "alter table public.music_tracks replica identity full;"
        "create table public.favourites (track_id uuid references public.music_tracks (id));"
        "create view public.shown as select * from public.music_tracks",
    ),
    "audio that was only referred to": table(
        f"{ID}, prompt text, reference_audio_url text, status text default 'error'",
        "insert into public.music_tracks (prompt, reference_audio_url) values ('a', 'https://x')",
    ),
    "a journey_id that is a number": table(
        f"{ID}, prompt text, journey_id bigint, status text default 'pending'"
    ),
}

REFUSED = [
    Refused("a status enum", "create type public.ts as enum ('pending', 'completed', 'error');"
            + table(f"{ID}, prompt text, status public.ts not null default 'pending'"),
            "column status is of type public.ts"),
    Refused("a short status", table(f"{ID}, prompt text, status varchar(9) default 'pending'"),
            "column status is of type character varying(9)"),
    Refused("numbers as ids", table("id bigint generated always as identity primary key,"
            " user_id text, prompt text, status text default 'pending'"), "id of type bigint"),
    Refused("owners by text", table(f"{ID}, user_id text, prompt text"), "user_id is of type text"),
    Refused("a priority in words", table(f"{ID}, priority text default 'high', prompt text"),
            "column priority is of type text"),
    Refused("a usual priority of 5", table(f"{ID}, priority int default 5, prompt text"),
            "priority has the default 5"),
    Refused("a genre that refers to genres", table(f"{ID}, genre uuid, prompt text"),
            "column genre is of type uuid"),
    Refused("a duration as interval", table(f"{ID}, duration interval, prompt text"),
            "column duration is of type interval"),
    Refused("a duration in milliseconds", table(
        f"{ID}, duration int, prompt text, status text",
        "insert into public.music_tracks (duration, status) values (183000, 'completed')"),
        "values such as 183000"),
    Refused("a tempo as jsonb", table(f"{ID}, tempo jsonb, prompt text"), "tempo is of type jsonb"),
    Refused("an address of limited length", table(f"{ID}, file_url varchar(100), prompt text"),
            "writes up to 250 characters"),
    Refused("a rule about status and more", table(
        f"{ID}, prompt text, title text, status text default 'pending',"
        " constraint titled check (status <> 'completed' or title is not null)"), "rule titled"),
    Refused("a rule about addresses", table(
        f"{ID}, prompt text, file_url text check (file_url like 'https://cdn.example/%')"),
        'track that is "completed"'),
    Refused("no primary key", table("id uuid, prompt text"), "id of public.music_tracks is unique"),
    Refused("an unlogged table", "create unlogged table public.music_tracks (id uuid primary key)",
            "unlogged"),
    Refused("a view", "create table public.songs (id uuid primary key);"
            "create view public.music_tracks as select * from public.songs", "is a view"),
    Refused("a function of our name", "create function public.claim_music_tracks() returns int"
            " language sql as 'select 1'", "function public.claim_music_tracks()"),
    Refused("states of other names", table(
        f"{ID}, prompt text, file_url text, status text",
        "insert into public.music_tracks (prompt, status) values"
        " ('a', 'processing'), ('b', 'failed'), ('c', 'done'), ('d', null)"),
        "'processing' (1)"),
    Refused("music in a column of another name", table(
        f"{ID}, prompt text, audio_url text, status text default 'pending'",
        "insert into public.music_tracks (prompt, audio_url) values ('a', 'https://old/a.mp3')"),
        "in audio_url"),
    Refused("rows without any state", table(
        f"{ID}, prompt text", "insert into public.music_tracks (prompt) values ('a')"),
        "none at all (1)"),
    Refused("an app that generates by itself", table(
        f"{ID}, prompt text, status text",
        "insert into public.music_tracks (prompt, status) values ('a', 'generating')"),
        "'generating' (1)"),
    Refused("a domain of statuses", "create domain public.state as text"
            " check (value in ('pending', 'completed', 'error'));"
            + table(f"{ID}, prompt text, status public.state default 'pending'"),
            "column status is of type public.state"),
    Refused("a domain of addresses", "create domain public.url as text check (value ~ '^https:');"
            + table(f"{ID}, prompt text, file_url public.url, {STATUS}"),
            "file_url is of type public.url and has to be text"),
    Refused("an enum of prompts", "create type public.ideas as enum ('a walk', 'a run');"
            + table(f"{ID}, prompt public.ideas not null default 'a walk', {STATUS}"),
            "prompt is of type public.ideas and has to be text"),
    Refused("a prompt that is generated", table(
        f"{ID}, kind text, prompt text generated always as ('a ' || kind) stored, {STATUS}"),
        "prompt is generated, and your app has to write it"),
    Refused("a genre that is generated", table(
        f"{ID}, prompt text, genre text generated always as (upper(prompt)) stored, {STATUS}"),
        "genre is generated"),
    Refused("a status that is generated", table(
        f"{ID}, prompt text, file_url text, status text generated always as"
        " (case when file_url is null then 'pending' else 'completed' end) stored"),
        "status is generated"),
    Refused("rows numbered by priority", table(
        f"{ID}, prompt text, priority int generated always as identity, {STATUS}"),
        "priority numbers the rows"),
    Refused("rows numbered by priority that may be set", table(
        f"{ID}, prompt text, priority int generated by default as identity, {STATUS}"),
        "priority numbers the rows"),
    Refused("a partitioned table", "create table public.music_tracks (id uuid, at timestamptz,"
            " prompt text, primary key (id, at)) partition by range (at)",
            "is a partitioned table"),
    Refused("a table that inherits", "create table public.base (id uuid);"
            "create table public.music_tracks (prompt text) inherits (public.base)", "inherits"),
    Refused("a rule that logs", table(
        f"{ID}, prompt text, {STATUS}",
        "create table public.log (said text); create rule logs as on update to"
        " public.music_tracks do also insert into public.log values (new.status)"), "rule logs"),
    Refused("statuses in a table that lacks one", "create table public.states (name text primary"
            " key); insert into public.states values ('pending'), ('completed'), ('error');"
            + table(f"{ID}, prompt text, {STATUS} references public.states"),
            "status refers to public.states"),
    Refused("one track of each status", table(
        f"{ID}, {OWNER}, prompt text, {STATUS}, constraint one_each unique (user_id, status)"),
        "unique key one_each"),
    Refused("one pending track by an index", table(
        f"{ID}, {OWNER}, prompt text, {STATUS}", "create unique index one_pending on"
        " public.music_tracks (user_id) where status = 'pending'"), "unique key one_pending"),
    Refused("attempts that are left", table(
        f"{ID}, prompt text, attempts int not null default 3, {STATUS}"),
        "attempts has the default 3"),
    Refused("attempts that count something else", table(
        f"{ID}, prompt text, attempts int, {STATUS}",
        "insert into public.music_tracks (prompt, attempts) values ('wanted', 57)"),
        "attempts holds values such as 57"),
    Refused("nothing before tomorrow", table(
        f"{ID}, prompt text, run_after timestamptz default now() + interval '1 day', {STATUS}"),
        "run_after has the default"),
    Refused("no room for milliseconds", table(
        f"{ID}, prompt text, duration_ms numeric(5), {STATUS}"), "duration_ms is of type"),
    Refused("a trigger that queues", table(
        f"{ID}, prompt text, status text",
        "create function public.queue() returns trigger language plpgsql as"
        " $$ begin new.status := 'queued'; return new; end $$;"
        "create trigger queue before insert on public.music_tracks"
        " for each row execute function public.queue()"), 'trigger queue sets the status "queued"'),
    Refused("a part that is published", table(
        f"{ID}, prompt text, {STATUS}", "alter publication supabase_realtime"
        " add table public.music_tracks where (status = 'completed')"), "holds a part of"),
    Refused("columns that are published", table(
        f"{ID}, prompt text, {STATUS}", "alter publication supabase_realtime"
        " add table public.music_tracks (id, prompt)"), "holds a part of"),
    Refused("a primary key that is deferrable", table(
        f"id uuid default gen_random_uuid() primary key deferrable, prompt text, {STATUS}"),
        "primary key of public.music_tracks is deferrable"),
    Refused("a schema of our name with functions alone", "create schema music;"
            "create function music.user_id() returns uuid language sql as 'select null::uuid'",
            'schema "music" already'),
    Refused("an enum of voices", "create type public.voice as enum ('alto', 'female');"
        + table(f"{ID}, {OWNER}, prompt text, vocal_gender public.voice, {STATUS}"),
        "The column vocal_gender"),
    Refused("lyrics of limited length", table(
        f"{ID}, {OWNER}, prompt text, lyrics varchar(2000), {STATUS}"), "up to 5000 characters"),
    Refused("models of another provider by default", table(
        f"{ID}, {OWNER}, prompt text, model text default 'musicgen', {STATUS}"), "musicgen"),
    Refused("voices of another kind by default", table(
        f"{ID}, {OWNER}, prompt text, vocal_gender text default 'any', {STATUS}"), "any"),
    Refused("no words by default", table(
        f"{ID}, {OWNER}, prompt text, lyrics_prompt text not null default '', {STATUS}"),
        "The column lyrics_prompt"),
    Refused("no formats by default", table(
        f"{ID}, {OWNER}, prompt text, audio_formats text[] not null default '{{}}', {STATUS}"),
        "The column audio_formats"),
    Refused("music in a url", table(
        f"{ID}, prompt text, url text, {STATUS}",
        "insert into public.music_tracks (prompt, url) values ('a', 'https://old/a.mp3')"),
        "in url"),
    Refused("music as jsonb", table(
        f"{ID}, prompt text, audio jsonb, {STATUS}",
        "insert into public.music_tracks (prompt, audio) values ('a', '{{}}')".replace(
            "{{}}", '{"url": "x"}')), "in audio"),
]  # fmt: skip


async def apply(project: Project) -> None:
    await migrations.apply(project.postgres.conninfo("postgres", project.name), SUPABASE)


async def what_there_is(project: Project) -> list[Any]:
    """Everything in `public`, with its columns, rules and rows."""
    found: list[Any] = await project.sql(
        """
        select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) as type,
               a.attnotnull, pg_get_expr(d.adbin, d.adrelid) as fallback, c.relacl::text,
               (select array_agg(pg_get_constraintdef(k.oid) order by k.conname)
                from pg_constraint k where k.conrelid = c.oid) as rules,
               (select array_agg(t.tgname || t.tgenabled::text order by t.tgname) from pg_trigger t
                where t.tgrelid = c.oid and not t.tgisinternal) as triggers
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
        order by 1, 2
        """
    )
    for name in {row["relname"] for row in found}:
        found += await project.sql(f"select to_jsonb(t) from public.{name} t order by 1")
    found.append(await project.value("select to_regnamespace('music') is null"))
    return found


async def old_rows(project: Project) -> list[dict[str, object]]:
    if not await project.value("select to_regclass('public.music_tracks') is not null"):
        return []
    found = await project.sql("select to_jsonb(t) as row from public.music_tracks t")
    return [row["row"] for row in found]


@pytest.mark.parametrize("name", WORKS)
async def test_a_table_that_fits_keeps_its_rows_and_its_new_rows_are_made(
    platform: Project, name: str
) -> None:
    await platform.operator.execute(WORKS[name].encode())
    before = {row["id"]: row for row in await old_rows(platform)}
    await apply(platform)
    for row in await old_rows(platform):
        old = before[row["id"]]
        kept = {"prompt", "file_url", "created_at"}
        assert {k: v for k, v in row.items() if k in kept and k in old} == {
            k: v for k, v in old.items() if k in kept
        }
        if old.get("file_url"):
            assert row["status"] == "completed"
    user = await platform.new_user()
    [new] = await platform.as_user(
        user, "insert into public.music_tracks (prompt) values ('new') returning id, status"
    )
    assert new["status"] == "pending"
    [claim] = await platform.claim()
    assert claim["prompt"] == "new"
    await platform.submitted(claim)
    [done] = await platform.as_service(
        "select public.complete_music_track(%s, 'p', 'https://new/x.mp3', 1000) as id",
        claim["claim_id"],
    )
    assert done["id"] == new["id"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_a_table_that_does_not_fit_is_left_as_it_was_and_what_to_run_works_when_pasted(
    platform: Project, case: Refused
) -> None:
    await platform.operator.execute(case.sql.encode())
    before = await what_there_is(platform)
    with pytest.raises(migrations.MigrationError, match=re.escape(case.says)) as refusal:
        await apply(platform)
    assert await what_there_is(platform) == before
    for statement in _STATEMENT.findall(str(refusal.value)):
        await platform.operator.execute(statement.encode())
    await apply(platform)
    user = await platform.new_user()
    await platform.as_user(user, "insert into public.music_tracks (prompt) values ('new')")
    assert "new" in [claim["prompt"] for claim in await platform.claim()]
    due = "select prompt from public.music_tracks where status = 'generating'"
    assert {row["prompt"] for row in await platform.sql(due)} <= {"new", "wanted"}


async def test_everything_in_the_way_is_named_at_once(platform: Project) -> None:
    await platform.operator.execute(
        table(
            "id uuid, user_id text, status text, prompt text, priority text",
            "insert into public.music_tracks (status) values ('failed')",
        ).encode()
    )
    with pytest.raises(migrations.MigrationError) as refusal:
        await apply(platform)
    text = str(refusal.value)
    assert [f"\n{n}. " in text for n in range(1, 6)] == [True, True, True, True, False]


async def test_what_each_state_means_is_said_in_one_statement_that_may_be_edited(
    platform: Project,
) -> None:
    await platform.operator.execute(
        table(
            f"{ID}, prompt text, file_url text, status text not null default 'pending'"
            " check (status in ('pending', 'processing', 'completed', 'failed'))",
            "insert into public.music_tracks (prompt, status, file_url) values"
            " ('a', 'pending', null), ('b', 'processing', null), ('d', 'failed', null),"
            " ('c', 'completed', 'https://old.example/c.mp3'), ('e', 'completed', null)",
        ).encode()
    )
    with pytest.raises(migrations.MigrationError) as refusal:
        await apply(platform)
    [answer] = _STATEMENT.findall(str(refusal.value))
    await platform.operator.execute(
        answer.replace("'processing', 'error'", "'processing', 'pending'").encode()
    )
    # The running app goes on as before until the migrations are applied.
    await platform.sql(
        "insert into public.music_tracks (prompt, status) values ('f', 'processing')"
    )
    await apply(platform)
    rows = await platform.sql("select prompt, status from public.music_tracks order by prompt")
    assert {row["prompt"]: row["status"] for row in rows} == {
        "a": "pending", "b": "pending", "c": "completed", "d": "error", "e": "completed",
        "f": "pending",
    }  # fmt: skip
    await platform.sql("alter table public.music_tracks add column is_favorite boolean")
    await platform.sql("update public.music_tracks set is_favorite = true where prompt = 'e'")
    assert await platform.value("select to_regclass('public.music_status_words') is null")


async def test_a_public_gallery_keeps_its_policies_and_grants_and_lists_what_was_taken(
    platform: Project,
) -> None:
    await platform.operator.execute(
        (
            table(f"{ID}, {OWNER}, prompt text, file_url text, status text not null default"
                  " 'pending', is_favorite boolean not null default false,"
                  " is_public boolean not null default false")
            + "alter table public.music_tracks enable row level security;"
            'create policy "own rows" on public.music_tracks for all to authenticated'
            " using (user_id = auth.uid()) with check (user_id = auth.uid());"
            'create policy "public songs" on public.music_tracks for select to anon'
            " using (is_public);"
            "grant select, insert, update, delete on public.music_tracks to authenticated;"
            "grant select, insert on public.music_tracks to anon;"
        ).encode()
    )  # fmt: skip
    user, other = await platform.new_user(), await platform.new_user()
    add = "insert into public.music_tracks (user_id, prompt, status, file_url, is_public)"
    await platform.sql(f"{add} values (%s, 'shown', 'completed', 'https://old/1.mp3', true)", user)
    await platform.sql(
        f"{add} values (%s, 'hidden', 'completed', 'https://old/2.mp3', false)", user
    )
    await apply(platform)
    async with platform.acting_as("anon") as run:
        assert [row["prompt"] for row in await run("select * from public.music_tracks")] == [
            "shown"
        ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with platform.acting_as("anon") as run:
            await run("insert into public.music_tracks (prompt) values ('x')")
    mark = "update public.music_tracks set is_favorite = true where prompt = 'shown' returning id"
    assert len(await platform.as_user(user, mark)) == 1
    assert await platform.as_user(other, mark) == []
    with pytest.raises(psycopg.Error, match="Only the status of your track can be changed"):
        await platform.as_user(user, "update public.music_tracks set file_url = 'x'")
    gone = "delete from public.music_tracks where prompt = 'hidden' returning id"
    assert await platform.as_user(other, gone) == []
    assert len(await platform.as_user(user, gone)) == 1
    changes = await platform.sql("select what, undo from music.table_changes order by id desc")
    assert {
        "what": "Took from anon the right to insert.",
        "undo": "grant insert on public.music_tracks to anon;",
    } in changes
    for change in changes:
        if change["what"].startswith("Took"):
            await platform.operator.execute(change["undo"].encode())


async def test_owners_retry_and_cancel_beside_a_column_that_was_added_later(
    project: Project,
) -> None:
    await project.sql(
        "alter table public.music_tracks add column words int generated always as (length(prompt))"
        " stored, add column is_favorite boolean not null default false"
    )
    user = await project.new_user()
    track = await project.new_track(user)
    whole = await project.as_user(user, "select * from public.music_tracks")
    set_status = "update public.music_tracks set status = %s where id = %s returning status"
    assert await project.as_user(user, set_status, "error", track) == [{"status": "error"}]
    assert await project.as_user(user, set_status, "pending", track) == [{"status": "pending"}]
    await project.as_user(user, "update public.music_tracks set is_favorite = true")
    # As a client does that sends the whole row with one value changed.
    await project.as_user(
        user,
        "update public.music_tracks set prompt = %s, genre = null, mood = null, tempo = null,"
        " lyrics = null, duration = null, user_id = %s, status = 'error' where id = %s",
        whole[0]["prompt"], user, track,
    )  # fmt: skip
    upsert = (
        "insert into public.music_tracks (id, prompt, status) values (%s, %s, 'pending')"
        " on conflict (id) do update set prompt = excluded.prompt, status = excluded.status"
    )
    await project.as_user(user, upsert, track, whole[0]["prompt"])
    assert (await project.track(track))["status"] == "pending"


async def test_finished_music_that_a_backend_inserts_as_it_always_did_is_not_made_again(
    project: Project,
) -> None:
    track = await project.new_track(file_url="https://old.example/1.mp3")
    assert (await project.track(track))["status"] == "completed"
    assert await project.claim() == []


POISON = (
    "create function public.app_rule() returns trigger language plpgsql as $$ begin"
    " if new.prompt like 'poison%' then raise exception 'profile missing'; end if;"
    " return new; end $$;"
    "create trigger app_rule before update on public.music_tracks"
    " for each row execute function public.app_rule()"
)


async def test_a_row_that_a_rule_of_the_app_rejects_does_not_hold_up_the_others(
    project: Project,
) -> None:
    await project.operator.execute(POISON.encode())
    for prompt in ("a", "poison", "b", "poison 2"):
        await project.new_track(prompt=prompt)
    assert {claim["prompt"] for claim in await project.claim()} == {"a", "b"}
    await project.new_track(prompt="c")
    assert [claim["prompt"] for claim in await project.claim()] == ["c"]
    review = await project.sql(
        "select reason, what_to_do from public.music_review where what = 'rejected'"
    )
    assert len(review) == 2
    assert "profile missing" in review[0]["reason"]
    await project.sql("drop trigger app_rule on public.music_tracks")
    await project.sql("delete from music.rejected_tracks")
    assert {claim["prompt"] for claim in await project.claim()} == {"poison", "poison 2"}


SILENT = (
    "create function public.app_rule() returns trigger language plpgsql as $$ begin"
    " if new.prompt = 'poison' then return null; end if; return new; end $$;"
    "create trigger app_rule before update on public.music_tracks"
    " for each row execute function public.app_rule()"
)
LATE = (
    "create function public.app_rule() returns trigger language plpgsql as $$ begin"
    " if new.prompt = 'poison' then raise exception 'profile missing'; end if;"
    " return null; end $$;"
    "create constraint trigger app_rule after update on public.music_tracks"
    " deferrable initially deferred for each row execute function public.app_rule()"
)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [(SILENT, "says nothing"), (LATE, "profile missing")],
    ids=["silent", "late"],
)
async def test_a_row_that_a_rule_drops_or_rejects_at_the_end_does_not_hold_up_the_others(
    project: Project, rule: str, reason: str
) -> None:
    await project.operator.execute(rule.encode())
    await project.sql("update music.settings set max_concurrent = 1")
    for prompt in ("poison", "a"):
        await project.new_track(prompt=prompt)
    assert [claim["prompt"] for claim in await project.claim()] == ["a"]
    [rejected] = await project.sql("select reason from public.music_review where what = 'rejected'")
    assert reason in rejected["reason"]


async def test_a_lost_track_that_a_rule_rejects_keeps_no_place_and_is_taken_over_later(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_concurrent = 1")
    await project.new_track(prompt="poison")
    [claim] = await project.claim()
    await project.operator.execute(POISON.encode())
    await project.lose_lease(claim)
    await project.new_track(prompt="a")
    assert [claim["prompt"] for claim in await project.claim()] == ["a"]
    await project.sql("drop trigger app_rule on public.music_tracks")
    await project.sql("update music.rejected_tracks set next_try_at = now() where true")
    assert [claim["prompt"] for claim in await project.claim()] == ["poison"]
    assert await project.value("select count(*) from music.rejected_tracks") == 0


async def test_an_error_of_the_service_itself_is_no_row_s_fault(project: Project) -> None:
    await project.new_track()
    await project.sql("alter function music.expected_seconds() rename to gone")
    with pytest.raises(psycopg.Error):
        await project.claim()
    assert await project.value("select count(*) from music.rejected_tracks") == 0


async def test_a_track_is_known_by_its_uuid(project: Project) -> None:
    track = str(uuid.uuid4())
    await project.new_track(id=track)
    assert (await project.track(track))["status"] == "pending"


async def test_what_waits_beside_a_url_of_another_kind_can_be_said_to_wait(
    platform: Project,
) -> None:
    await platform.operator.execute(
        table(
            f"{ID}, prompt text, url text, {STATUS}",
            "insert into public.music_tracks (prompt, url) values ('wanted', 'https://a/cover')",
        ).encode()
    )
    with pytest.raises(migrations.MigrationError) as refusal:
        await apply(platform)
    answer = re.search(r"\((create table [^;]*\))\)", str(refusal.value))
    assert answer is not None
    await platform.operator.execute(answer[1].encode())
    await apply(platform)
    assert [claim["prompt"] for claim in await platform.claim()] == ["wanted"]


async def test_a_word_whose_rows_all_have_their_music_is_proposed_as_completed(
    platform: Project,
) -> None:
    await platform.operator.execute(
        table(
            f"{ID}, prompt text, audio_url text, status text",
            "insert into public.music_tracks (prompt, status, audio_url) values"
            " ('a', 'archived', 'https://old/a.mp3'), ('b', null, 'https://old/b.mp3'),"
            " ('c', 'queued', 'https://old/c.mp3'), ('d', 'queued', null)",
        ).encode()
    )
    with pytest.raises(migrations.MigrationError) as refusal:
        await apply(platform)
    [answer] = _STATEMENT.findall(str(refusal.value))
    assert "('archived', 'completed')" in answer
    assert "(null, 'completed')" in answer
    await platform.operator.execute(answer.encode())
    # What is mapped to pending and has its music is not paid for again, either.
    with pytest.raises(migrations.MigrationError, match="1 of the rows that wait") as refusal:
        await apply(platform)
    [answer] = _STATEMENT.findall(str(refusal.value))
    await platform.operator.execute(answer.encode())
    await apply(platform)
    assert [claim["prompt"] for claim in await platform.claim()] == ["d"]


async def test_a_table_of_another_role_is_refused_and_its_administrator_is_told_what_to_grant(
    platform: Project,
) -> None:
    role = f"owner_{uuid.uuid4().hex[:8]}"
    await platform.operator.execute(
        f"create role {role}; grant create, usage on schema public to {role};"
        f"grant {role} to postgres; set role {role};"
        f"{table(f'{ID}, prompt text, {STATUS}')} reset role; revoke {role} from postgres".encode()
    )
    with pytest.raises(migrations.MigrationError, match=f"belongs to {role}") as refusal:
        await apply(platform)
    [statement] = _STATEMENT.findall(str(refusal.value))
    await platform.operator.execute(statement.encode())
    await apply(platform)
    await platform.new_track(prompt="new")
    assert [claim["prompt"] for claim in await platform.claim()] == ["new"]
    await platform.operator.execute(f"drop owned by {role} cascade; drop role {role}".encode())


async def test_an_app_goes_on_writing_once_its_status_is_text(platform: Project) -> None:
    await platform.operator.execute(REFUSED[0].sql.encode())
    with pytest.raises(migrations.MigrationError) as refusal:
        await apply(platform)
    [statement] = _STATEMENT.findall(str(refusal.value))
    await platform.operator.execute(statement.encode())
    await platform.sql("insert into public.music_tracks (prompt) values ('as before')")
    assert await platform.value("select status from public.music_tracks") == "pending"

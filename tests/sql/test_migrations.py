"""The migrations as a whole: on an older app's table, without Realtime, and the house rules."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import psycopg
import pytest

from local_supabase import migrations
from tests.support.database import Project, connect
from tests.support.project import SUPABASE

OLDER_TABLE = """
create table public.music_tracks (
  id uuid primary key default gen_random_uuid(),
  journey_id uuid,
  prompt text not null,
  genre text, mood text, tempo text, duration int,
  file_url text,
  status text not null default 'pending',
  created_at timestamptz default now(),
  constraint music_tracks_status_check check (status in ('pending', 'completed', 'error'))
);
insert into public.music_tracks (prompt, status, file_url) values
  ('waiting', 'pending', null),
  ('done', 'completed', 'https://old/done.mp3'),
  ('bad', 'error', null),
  ('', 'completed', 'https://old/untitled.mp3');
"""


async def test_an_older_table_moves_over_without_losing_a_row(platform: Project) -> None:
    await platform.operator.execute(OLDER_TABLE.encode())
    before = await platform.sql("select id, prompt, status, file_url from music_tracks order by id")
    await migrations.apply(platform.postgres.conninfo("postgres", platform.name), SUPABASE)
    after = await platform.sql("select id, prompt, status, file_url from music_tracks order by id")
    assert after == before
    [claim] = await platform.claim()
    assert claim["prompt"] == "waiting"
    failed = next(row["id"] for row in after if row["prompt"] == "bad")
    await platform.sql("update public.music_tracks set status = 'pending' where id = %s", failed)
    assert [claim["prompt"] for claim in await platform.claim()] == ["bad"]


async def test_an_older_table_that_means_something_else_by_journey_id_may_go_on_doing_so(
    platform: Project,
) -> None:
    await platform.operator.execute(OLDER_TABLE.encode())
    await migrations.apply(platform.postgres.conninfo("postgres", platform.name), SUPABASE)
    elsewhere = "insert into public.music_tracks (prompt, journey_id) values ('x', %s)"
    await platform.sql(elsewhere, str(uuid.uuid4()))


async def test_a_track_of_a_new_table_belongs_to_a_journey_and_goes_with_it(
    project: Project,
) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await project.new_track(journey_id=str(uuid.uuid4()))
    journey = await project.value(
        "insert into public.journeys (book_title) values ('Emma') returning id"
    )
    await project.new_track(journey_id=journey)
    await project.sql("delete from public.journeys")
    assert await project.value("select count(*) from public.music_tracks") == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt": "x" * 1025},
        {"prompt": " "},
        {"prompt": "\u3000\u00a0"},
        {"genre": "x" * 101},
    ],
    ids=lambda bad: next(iter(bad)),
)
async def test_a_waiting_row_that_could_never_be_made_does_not_hold_up_the_others(
    platform: Project, bad: dict[str, object]
) -> None:
    await platform.operator.execute(OLDER_TABLE.encode())
    row = {"prompt": "of old"} | bad
    marks = ", ".join("%s" for _ in row)
    await platform.sql(
        f"insert into public.music_tracks ({', '.join(row)}) values ({marks})", *row.values()
    )
    await migrations.apply(platform.postgres.conninfo("postgres", platform.name), SUPABASE)
    assert [claim["prompt"] for claim in await platform.claim()] == ["waiting"]
    [ended] = await platform.sql(
        "select status from public.music_tracks where error_code = 'invalid_request'"
    )
    assert ended["status"] == "error"


async def test_a_second_application_changes_nothing(platform: Project) -> None:
    conninfo = platform.postgres.conninfo("postgres", platform.name)
    assert len(await migrations.apply(conninfo, SUPABASE)) > 5
    assert await migrations.apply(conninfo, SUPABASE) == []


async def test_without_realtime_and_storage_everything_else_works(platform: Project) -> None:
    await platform.operator.execute(b"drop publication supabase_realtime")
    superuser = platform.postgres.conninfo(database=platform.name)
    async with await connect(superuser) as administrator:
        await administrator.execute(b"drop schema if exists realtime cascade")
        await administrator.execute(b"drop schema if exists storage cascade")
    await migrations.apply(platform.postgres.conninfo("postgres", platform.name), SUPABASE)
    user = await platform.new_user()
    await platform.new_track(user)
    [claim] = await platform.claim()
    assert claim["attempt"] == 1
    assert await platform.value("select count(*) from pg_publication_tables") == 1
    assert await platform.value(
        "select public.list_orphaned_music('music-tracks') -> 'orphans' = '[]'"
    )


async def test_a_broken_migration_names_file_and_line(platform: Project, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "20260101000000_good.sql").write_text("create table public.kept (id int);")
    (folder / "20260102000000_bad.sql").write_text("select 1;\nselect 2;\nselect nothing;\n")
    conninfo = platform.postgres.conninfo("postgres", platform.name)
    with pytest.raises(migrations.MigrationError, match=r"20260102000000_bad.sql, line 3: column"):
        await migrations.apply(conninfo, tmp_path)
    assert await platform.value("select to_regclass('public.kept') is not null")


async def test_every_table_view_column_and_function_of_ours_has_a_comment(project: Project) -> None:
    missing = await project.sql(
        """
        select c.oid::regclass || '.' || a.attname as thing
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace in ('public'::regnamespace, 'music'::regnamespace)
          and c.relkind in ('r', 'v') and not a.attisdropped
          and col_description(c.oid, a.attnum) is null
        union all
        select c.oid::regclass::text from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'music'::regnamespace)
          and c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class') is null
        union all
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'music'::regnamespace)
          and obj_description(p.oid, 'pg_proc') is null
        """
    )
    assert missing == []


async def test_functions_pin_their_search_path_and_app_users_run_only_those_of_journeys(
    project: Project,
) -> None:
    functions = await project.sql(
        """
        select p.oid::regprocedure::text as name, p.proconfig,
               has_function_privilege('anon', p.oid, 'execute') as anybody,
               has_function_privilege('authenticated', p.oid, 'execute') as users
        from pg_proc p where p.pronamespace in ('public'::regnamespace, 'music'::regnamespace)
        """
    )
    assert len(functions) > 10
    for function in functions:
        assert 'search_path=""' in (function["proconfig"] or []), function["name"]
        # It tells what is in the own token, and defaults and policies ask it for whoever comes.
        asked_by_all = function["name"] == "music.user_id()"
        assert function["anybody"] is asked_by_all, function["name"]
    assert {function["name"].partition("(")[0] for function in functions if function["users"]} == {
        "create_journey",
        "add_reading_log",
        "finish_journey",
        "music_another_take",
        "music.add_station",
        "music.check_emotions",
        "music.check_text",
        "music.compose_journey_lyrics_prompt",
        "music.compose_journey_prompt",
        "music.compose_journey_title",
        "music.fold",
        "music.joined_emotions",
        "music.journey_book",
        "music.journey_story",
        "music.lock_journey",
        "music.lock_repeated_call",
        "music.read_station",
        "music.require_user_id",
        "music.shorten",
        "music.station_of_track",
        "music.title_length",
        "music.user_id",
    }


async def test_every_foreign_key_has_an_index_and_every_table_row_level_security(
    project: Project,
) -> None:
    bare = await project.sql(
        """
        select k.conname from pg_constraint k
        where k.contype = 'f' and k.connamespace in ('public'::regnamespace, 'music'::regnamespace)
          and not exists (select from pg_index i
                          where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1])
        """
    )
    assert bare == []
    unguarded = await project.sql(
        """
        select c.oid::regclass::text from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'music'::regnamespace)
          and c.relkind = 'r' and not c.relrowsecurity
        """
    )
    assert unguarded == []


def test_sql_keywords_are_lowercase() -> None:
    shouting = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|FROM|WHERE|AND|NULL)\b")
    for path in (SUPABASE / "migrations").glob("*.sql"):
        assert not shouting.search(path.read_text()), path.name

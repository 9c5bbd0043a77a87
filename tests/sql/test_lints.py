"""The platform's advisor finds nothing: each of its lints that applies, as a query of our own.

The numbers are those of the advisor. Each query is also shown something bad, which it must find.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import schema
from tests.support.database import Project
from tests.support.project import SUPABASE

MIGRATIONS = sorted((SUPABASE / "migrations").glob("*.sql"))
OURS = "('public'::regnamespace, 'music'::regnamespace)"
ASKING = r"(auth\.(uid|jwt|role|email)|current_setting|realtime\.topic)\("
POLICIES = "pg_policies p where p.schemaname in ('public', 'music', 'storage', 'realtime')"


@dataclass(frozen=True)
class Lint:
    """`finds` answers one row for each finding; `bad` is something that it must find."""

    name: str
    finds: str
    bad: str

    def __str__(self) -> str:
        return self.name


LINTS = [
    Lint(
        "0001 foreign key without an index",
        f"""
        select k.conrelid::regclass || '.' || k.conname from pg_constraint k
        where k.contype = 'f' and k.connamespace in {OURS}
          and not exists (
            select from pg_index i
            where i.indrelid = k.conrelid and i.indpred is null
              and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
        """,
        "create table public.bad (track_id uuid references public.music_tracks (id))",
    ),
    Lint(
        "0003 policy that asks who the user is once a row",
        rf"""
        select p.policyname from {POLICIES}
          and regexp_replace(lower(concat(p.qual, ' ', p.with_check)), 'select\s+{ASKING}', '', 'g')
              ~ '{ASKING}'
        """,
        "create policy bad on public.journeys for select to anon using (user_id = auth.uid())",
    ),
    Lint(
        "0006 several permissive policies for the same role and command",
        f"""
        select concat(tablename, ' ', role, ' ', command) from (
          select p.schemaname, p.tablename, unnest(p.roles) as role, unnest(
            case p.cmd when 'ALL' then array['SELECT', 'INSERT', 'UPDATE', 'DELETE']
              else array[p.cmd] end) as command
          from {POLICIES} and p.permissive = 'PERMISSIVE') each
        group by schemaname, tablename, role, command
        having count(*) > 1
        """,
        "create policy bad on public.journeys for all to authenticated using (finished_at is null)",
    ),
    Lint(
        "0008 row-level security without a policy",
        f"""
        select c.oid::regclass from pg_class c
        where c.relnamespace in {OURS} and c.relkind = 'r' and c.relrowsecurity
          and not exists (select from pg_policy p where p.polrelid = c.oid)
        """,
        "create table public.bad (id int); alter table public.bad enable row level security",
    ),
    Lint(
        "0010 view with its owner's rights",
        f"""
        select c.oid::regclass from pg_class c
        where c.relnamespace in {OURS} and c.relkind = 'v'
          and not coalesce(c.reloptions, '{{}}')
            && array['security_invoker=on', 'security_invoker=true']
        """,
        "create view public.bad as select 1 as one",
    ),
    Lint(
        "0011 function with a search_path of the caller's choice",
        f"""
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace in {OURS}
          and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')
        """,
        "create function public.bad() returns int language sql as 'select 1'",
    ),
    Lint(
        "0013 table without row-level security",
        f"""
        select c.oid::regclass from pg_class c
        where c.relnamespace in {OURS} and c.relkind in ('r', 'p') and not c.relrowsecurity
        """,
        "create table public.bad (id int)",
    ),
    Lint(
        "0024 policy that is always true",
        rf"""
        select p.policyname from {POLICIES} and p.permissive = 'PERMISSIVE'
          and p.roles && array['public', 'anon', 'authenticated']::name[]
          and (regexp_replace(coalesce(p.qual, ''), '[\s()]', '', 'g') in ('true', '1=1')
               or regexp_replace(coalesce(p.with_check, ''), '[\s()]', '', 'g') in ('true', '1=1'))
        """,
        "create policy bad on public.journeys for update to anon using (true)",
    ),
    Lint(
        "0025 public bucket that can be listed",
        r"""
        select p.policyname from pg_policies p
        where p.schemaname = 'storage' and p.tablename = 'objects' and p.cmd in ('SELECT', 'ALL')
          and p.roles && array['public', 'anon', 'authenticated']::name[]
          and p.qual !~ '(auth\.uid|music\.user_id)\(\)'
        """,
        "create policy bad on storage.objects for select to anon"
        " using (bucket_id = 'music-tracks')",
    ),
    Lint(
        "0028 definer function that anybody can run",
        f"""
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace in {OURS} and p.prosecdef
          and has_function_privilege('anon', p.oid, 'execute')
        """,
        "create function public.bad() returns int language sql security definer as 'select 1'",
    ),
    Lint(
        "0029 definer function that users can run",
        f"""
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace in {OURS} and p.prosecdef
          and has_function_privilege('authenticated', p.oid, 'execute')
        """,
        "create function music.bad() returns int language sql security definer as 'select 1'",
    ),
]


@pytest.mark.parametrize("lint", LINTS, ids=str)
async def test_the_advisor_finds_nothing(project: Project, lint: Lint) -> None:
    assert await project.sql(lint.finds) == []


@pytest.mark.parametrize("lint", LINTS, ids=str)
async def test_the_advisor_would_find_it(project: Project, lint: Lint) -> None:
    await project.operator.execute(lint.bad.encode())
    found = await project.sql(lint.finds)
    assert len(found) >= 1
    assert "bad" in str(found) or "journeys" in str(found)


async def test_the_page_with_the_whole_database_is_what_the_migrations_make(
    project: Project,
) -> None:
    page = await schema.page_of(project.postgres, project.name)
    assert page == schema.PAGE.read_text(), "renew it with scripts/schema"


def test_the_page_is_read_by_people_alone() -> None:
    """The Supabase CLI applies migrations, the seeds it is told of, and schemas it is told of."""
    database = tomllib.loads((SUPABASE / "config.toml").read_text())["db"]
    assert "schema_paths" not in database["migrations"]
    assert database["seed"]["sql_paths"] == ["./seed.sql"]
    assert schema.PAGE.parent == SUPABASE, "and whatever is in the folder schemas"
    assert not (SUPABASE / "schemas").exists()


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.name)
def test_a_migration_can_be_read_without_scrolling_and_says_what_it_locks(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100] == []
    opening = lines[: lines.index("")]
    assert all(line.startswith("--") for line in opening)
    assert any(line.startswith("-- Locks: ") for line in opening)


async def test_no_key_made_of_an_id_is_the_lock_of_the_queue_or_the_budget(
    project: Project,
) -> None:
    """Keys of two numbers are a space of their own, and the first one names the kind."""
    async with project.acting_as("service_role") as run:
        for call in (
            *("lock_queue()", "lock_budget()", "lock_waiting()"),
            *("lock_repeated_call(gen_random_uuid())", "lock_waiting_of(gen_random_uuid())"),
        ):
            await run(f"select music.{call}")
        held = await run(
            "select classid::int as kind, objsubid from pg_locks"
            " where locktype = 'advisory' and pid = pg_backend_pid()"
        )
    assert {lock["objsubid"] for lock in held} == {2}, "two numbers each"
    assert sorted(lock["kind"] for lock in held) == [4915, 4915, 4915, 4916, 4917]
    functions = await project.sql(
        "select p.oid::regprocedure::text as name from pg_proc p"
        " where p.pronamespace in ('public'::regnamespace, 'music'::regnamespace)"
        " and p.prosrc ~ 'pg_(try_)?advisory'"
    )
    assert {row["name"].partition("(")[0] for row in functions} == {
        "music.lock_queue",
        "music.lock_budget",
        "music.lock_waiting",
        "music.lock_waiting_of",
        "music.lock_repeated_call",
    }

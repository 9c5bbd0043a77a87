"""What the role `postgres`, which migrations have, may and may not do in the platform's schemas."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.support.database import Connection, Project

OWNERS = """
select c.oid::regclass::text as name, c.relowner::regrole::text as owner, c.relacl::text as grants
from pg_class c where c.relnamespace in
  ('auth'::regnamespace, 'storage'::regnamespace, 'realtime'::regnamespace)
order by 1
"""
LENT = ("storage.objects", "realtime.messages")
REFUSED = {
    "alter table storage.objects add column mine int": "must be owner of table objects",
    "alter table storage.objects disable row level security": "must be owner of table objects",
    "alter table storage.objects owner to postgres": "must be owner of table objects",
    "create index on storage.objects (owner)": "must be owner of table objects",
    "drop table storage.objects": "must be owner of table objects",
    "comment on table storage.objects is 'mine'": "must be owner of table objects",
    "create policy p on storage.buckets for select using (true)": "must be owner of table buckets",
    "create policy p on auth.users for select using (true)": "must be owner of table users",
    "alter table realtime.messages add column mine int": "must be owner of table messages",
    "create table storage.mine (id int)": "permission denied for schema storage",
    "create function realtime.mine() returns int language sql as 'select 1'": (
        "permission denied for schema realtime"
    ),
    "create table auth.mine (id int)": "permission denied for schema auth",
    "set role supabase_storage_admin": "permission denied to set role",
    "set role supabase_realtime_admin": "permission denied to set role",
    "set role supabase_auth_admin": "permission denied to set role",
    "update pg_catalog.pg_class set relowner = 'postgres'::regrole where relname = 'objects'": (
        "permission denied for table pg_class"
    ),
}


async def refused(connection: Connection, query: str) -> str:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        await connection.execute(query.encode())
    return str(refusal.value)


async def test_everything_but_policies_is_refused_also_inside_a_block(platform: Project) -> None:
    before = await platform.sql(OWNERS)
    for query, sentence in REFUSED.items():
        assert sentence in await refused(platform.operator, query), query
        block = f"do $$ begin execute {sql.quote(query)}; end $$"
        assert sentence in await refused(platform.operator, block), query
    assert await platform.sql(OWNERS) == before


@pytest.mark.parametrize("table", LENT)
async def test_policies_are_created_altered_and_dropped(platform: Project, table: str) -> None:
    before = await platform.sql(OWNERS)
    create = f"create policy p on {table} for select to authenticated using (true)"
    for query in (
        create,
        f"alter policy p on {table} rename to q",
        f"alter policy q on {table} using (false)",
        f"drop policy q on {table}",
        f"drop policy if exists q on {table}",
        f"do $$ begin {create}; drop policy p on {table}; end $$",
    ):
        await platform.operator.execute(query.encode())
        assert await platform.sql(OWNERS) == before, query


@pytest.mark.parametrize("table", LENT)
async def test_a_policy_that_fails_leaves_nothing_behind(platform: Project, table: str) -> None:
    before = await platform.sql(OWNERS)
    bad = f"create policy p on {table} for select using (no_such_column)"
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await platform.operator.execute(bad.encode())
    assert await platform.sql(OWNERS) == before
    async with platform.operator.transaction():
        await platform.operator.execute(
            f"do $$ begin {bad}; exception when undefined_column then null; end $$".encode()
        )
        drop = f"drop table {table}"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
            async with platform.operator.transaction():
                await platform.operator.execute(drop.encode())
    assert await platform.sql(OWNERS) == before


async def test_the_owner_of_other_tables_alone_creates_policies_on_them(platform: Project) -> None:
    superuser = await platform.value("select rolsuper from pg_roles where rolname = 'postgres'")
    assert superuser is False
    await platform.operator.execute(b"create table public.mine (id int)")
    await platform.operator.execute(b"grant create on schema public to authenticated")
    async with platform.acting_as("authenticated") as run:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
            await run("create policy p on public.mine for select using (true)")
    async with platform.acting_as("authenticated") as run:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"):
            await run("create policy p on storage.objects for select using (true)")


async def test_rows_of_buckets_and_users_are_written_as_before(platform: Project) -> None:
    await platform.sql("insert into storage.buckets (id, name) values ('b', 'b')")
    await platform.sql("insert into storage.objects (bucket_id, name) values ('b', 'x')")
    assert await platform.new_user()


async def test_the_roles_of_the_api_inherit_what_they_are_granted(platform: Project) -> None:
    roles = await platform.sql(
        "select rolname from pg_roles where rolinherit"
        " and rolname in ('anon', 'authenticated', 'service_role')"
    )
    assert len(roles) == 3

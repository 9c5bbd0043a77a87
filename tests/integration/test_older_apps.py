"""Apps that had tables of their own: a whole worker makes their new rows and leaves the old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from local_supabase import migrations
from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.support.fleet import until
from tests.support.project import SUPABASE
from tests.support.times import QUICK
from tests.support.workers import starting_workers_on

ID = "id uuid primary key default gen_random_uuid()"
OWNER = "user_id uuid references auth.users (id)"
STATUS = "status text not null default 'pending'"
OLD = "insert into public.music_tracks (prompt, file_url) values ('old', 'https://old/1.mp3')"
CASES = {
    "finished music without a status": f"""
        create table public.music_tracks (
          {ID}, prompt text not null, file_url text not null, created_at timestamptz default now());
        {OLD};""",
    "texts of limited length and a status in a table of its own": f"""
        create table public.states (name varchar(20) primary key);
        insert into public.states values ('pending'), ('generating'), ('completed'), ('error');
        create table public.music_tracks (
          {ID}, {OWNER}, prompt varchar(500) not null, genre varchar(50), duration bigint,
          file_url text, status varchar(20) not null default 'pending' references public.states);
        {OLD};""",
    "a public gallery with columns of its own": f"""
        create table public.music_tracks (
          {ID}, {OWNER}, prompt text, file_url text, {STATUS},
          is_public boolean not null default false,
          words int generated always as (length(prompt)) stored,
          constraint valid check (status in ('pending', 'completed', 'error')));
        alter table public.music_tracks enable row level security;
        alter table public.music_tracks force row level security;
        create policy "own rows" on public.music_tracks for all to authenticated
          using (user_id = auth.uid()) with check (user_id = auth.uid());
        grant select, insert, update, delete on public.music_tracks to authenticated;
        alter table public.music_tracks replica identity full;
        alter publication supabase_realtime add table public.music_tracks;
        {OLD};""",
    "one track at a time, and times kept by a trigger": f"""
        create table public.music_tracks (
          {ID}, {OWNER}, prompt text, file_url text, {STATUS}, updated_at timestamp);
        {OLD};
        create unique index one_at_a_time on public.music_tracks (user_id)
          where status in ('pending', 'generating');
        create function public.touch() returns trigger language plpgsql as
          $$ begin new.updated_at := now(); return new; end $$;
        create trigger touch before update on public.music_tracks
          for each row execute function public.touch();""",
    "journeys of another kind": """
        create table public.journeys (id bigint primary key, destination text);
        insert into public.journeys values (1, 'Busan');""",
}


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack to which nothing of ours was applied."""
    async with Stack(
        tmp_path, Ports.free(), simulator_seconds=0.2, times=QUICK, durable=False
    ) as running:
        yield running


async def knows_the_functions(stack: Stack) -> bool:
    async with httpx.AsyncClient(base_url=stack.url) as http:
        key = {"apikey": stack.keys.secret}
        answer = await http.post("/rest/v1/rpc/music_schema_version", json={}, headers=key)
        return answer.is_success


@pytest.mark.parametrize("name", CASES)
async def test_a_whole_worker_makes_what_is_new_and_leaves_what_is_old(
    bare: Stack, name: str
) -> None:
    async with await psycopg.AsyncConnection[DictRow].connect(
        bare.database_url, autocommit=True, row_factory=dict_row
    ) as operator:

        async def rows(query: str) -> list[DictRow]:
            return await (await operator.execute(query.encode())).fetchall()

        async def is_made() -> bool:
            return all(row["status"] == "completed" for row in await rows(made))

        await operator.execute(CASES[name].encode())
        await migrations.apply(bare.database_url, SUPABASE)
        await until(lambda: knows_the_functions(bare), "the API has read the schema again")
        old = await rows("select * from public.music_tracks")
        [user] = await rows("insert into auth.users (email) values ('a@example.com') returning id")
        made = "select * from public.music_tracks where prompt like 'new%'"
        add = "insert into public.music_tracks (prompt, user_id) values"
        async with starting_workers_on(bare)():
            await rows(f"{add} ('new', '{user['id']}'), ('new too', null) returning id")
            await until(is_made, "both new tracks are completed")
        for row in await rows(made):
            assert row["file_url"].endswith(row["storage_path"])
            assert row["duration_ms"] > 1000
        assert await rows("select * from public.music_tracks where prompt = 'old'") == old
        assert len(bare.simulator.ledger) == 2

"""The sides of a comparison on one stack: ours and the others, installed, started, asked.

All of them are on one Postgres. Each insert into any of the queues is noted by one trigger with
the time of its transaction, and each paid call by the Mureka simulator with the time of its
arrival: what lies between is measured in the same way for everybody.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import psycopg
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from supabase import AsyncClientOptions, acreate_client

from local_supabase.stack import Stack
from tests.bench.names import LISTEN, OURS, PGQUEUER, POLLING, PROCRASTINATE, WITH_RECEIPTS
from tests.bench.others import procrastinate_queue
from tests.bench.others.bare_listen import CHANNEL
from tests.bench.others.pgqueuer_queue import ENTRYPOINT
from tests.bench.others.polling_loop import TABLE as POLLED
from tests.support.programs import environment
from tests.support.project import ROOT

Ask = Callable[[str], Awaitable[object]]

PATH = os.pathsep.join([str(ROOT), str(ROOT / "service")])  # the others are of the checkout
PROGRAMS = {
    OURS: ("music_service.cli.app", "run"),
    PROCRASTINATE: ("tests.bench.others.procrastinate_queue",),
    PGQUEUER: ("tests.bench.others.pgqueuer_queue",),
    WITH_RECEIPTS: ("tests.bench.others.pgqueuer_queue",),
    POLLING: ("tests.bench.others.polling_loop",),
    LISTEN: ("tests.bench.others.bare_listen",),
}
UNLIMITED = """
update music.settings set max_concurrent = null, max_concurrent_per_user = null,
  max_pending = null, max_pending_per_user = null, daily_budget_cents = null,
  daily_budget_cents_of_guests = null where id
"""
_NOTES = f"""
create schema bench;
create table bench.inserted (job text primary key, at timestamptz not null);
create table bench.receipts (job text primary key, task_id text not null);
create table bench.made (job text primary key);
create table public.{POLLED} (
  id bigint generated always as identity primary key,
  prompt text not null,
  status text not null default 'pending'
);
create function bench.note_insert() returns trigger
  language plpgsql security definer set search_path = '' as $$
declare
  v_row jsonb := to_jsonb(new);
  v_job text := coalesce(
    v_row ->> 'prompt', v_row -> 'args' ->> 'prompt',
    convert_from(decode(substr(v_row ->> 'payload', 3), 'hex'), 'utf8'));
begin
  insert into bench.inserted (job, at) values (v_job, now());
  if tg_table_name = 'music_tracks' then
    perform pg_notify('{CHANNEL}', v_job);
  end if;
  return null;
end
$$;
grant usage on schema bench to service_role;
grant all on public.{POLLED} to service_role;
notify pgrst, 'reload schema';
"""
_SCHEMAS = {PGQUEUER: "pgqueuer", WITH_RECEIPTS: "pgqueuer_with_receipts"}
_QUEUES = {
    "public.music_tracks": "true",
    f"public.{POLLED}": "true",
    f"{procrastinate_queue.SCHEMA}.procrastinate_jobs": "new.task_name = 'make'",
} | {f"{schema}.pgqueuer": "true" for schema in _SCHEMAS.values()}


async def install(stack: Stack) -> None:
    """Lay the other queues and the notes into the stack's database, and lift our limits."""
    async with await psycopg.AsyncConnection.connect(
        stack.admin_database_url, autocommit=True
    ) as connection:
        await connection.execute(UNLIMITED)
        await connection.execute(_NOTES.encode())
        for schema in (procrastinate_queue.SCHEMA, *_SCHEMAS.values()):
            await connection.execute(f"create schema {schema}".encode())
    app = procrastinate_queue.app_on(stack.admin_database_url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
    for side in _SCHEMAS:
        async with _pgqueuer(side, stack) as queries:
            await queries.install()
    async with stack.database.administrator() as connection:
        for queue, condition in _QUEUES.items():
            await connection.execute(
                f"create trigger bench_note_insert after insert on {queue} for each row"
                f" when ({condition}) execute function bench.note_insert()".encode()
            )


@dataclass(frozen=True)
class Asking:
    """How an app asks each side for a track, over connections that are open already."""

    of: dict[str, Ask]


@asynccontextmanager
async def asking(stack: Stack) -> AsyncIterator[Asking]:
    """Ours and the polling loop are asked through the API, the others by their own client."""
    app = procrastinate_queue.app_on(stack.admin_database_url)
    async with (
        httpx.AsyncClient(timeout=20) as http,
        app.open_async(),
        _pgqueuer(PGQUEUER, stack) as pgqueuer,
        _pgqueuer(WITH_RECEIPTS, stack) as with_receipts,
    ):
        options = AsyncClientOptions(httpx_client=http)
        client = await acreate_client(stack.url, stack.keys.secret, options)
        make = app.configure_task("make", allow_unknown=True)

        def ours(prompt: str) -> Awaitable[object]:
            return client.table("music_tracks").insert({"prompt": prompt}).execute()

        def procrastinate(prompt: str) -> Awaitable[object]:
            return make.defer_async(prompt=prompt)

        def of(queries: Queries) -> Ask:
            return lambda prompt: queries.enqueue(ENTRYPOINT, prompt.encode())

        def polling(prompt: str) -> Awaitable[object]:
            return client.table(POLLED).insert({"prompt": prompt}).execute()

        yield Asking(
            {
                OURS: ours,
                PROCRASTINATE: procrastinate,
                PGQUEUER: of(pgqueuer),
                WITH_RECEIPTS: of(with_receipts),
                POLLING: polling,
            }
        )
        await client.auth.close()


async def start(side: str, stack: Stack, **settings: str) -> asyncio.subprocess.Process:
    """A worker of a side as a process of its own; whoever starts it ends it."""
    own = {"LOG_LEVEL": "warning", "BENCH_DB_URL": stack.admin_database_url}
    if side in _SCHEMAS:
        own |= {"BENCH_SCHEMA": _SCHEMAS[side], "BENCH_RECEIPTS": str(int(side == WITH_RECEIPTS))}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *PROGRAMS[side]),
        env=environment(stack, **own, **settings) | {"PYTHONPATH": PATH},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if side == LISTEN else asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@asynccontextmanager
async def started(
    side: str, stack: Stack, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker for the length of a block; it has not said yet that it is ready."""
    process = await start(side, stack, **settings)
    try:
        yield process
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End a worker, at once where it does not go within some seconds."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _pgqueuer(side: str, stack: Stack) -> AsyncIterator[Queries]:
    connection = await asyncpg.connect(
        stack.admin_database_url, server_settings={"search_path": _SCHEMAS[side]}
    )
    try:
        yield Queries(AsyncpgDriver(connection))
    finally:
        await connection.close()

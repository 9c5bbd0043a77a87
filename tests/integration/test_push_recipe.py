"""The push of `docs/other-clients.md`: its table, and its function with bodies of real changes.

The local stack has no `pg_net`, so a trigger keeps what `supabase_functions.http_request` would
send: the same object, of the same `NEW` and `OLD`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from postgrest import ReturnMethod
from postgrest.exceptions import APIError

from local_supabase.stack import Stack
from tests.support.apps import APPS, SCRATCH, TSCONFIG, program
from tests.support.fleet import until
from tests.support.node import run
from tests.support.project import Connection, SignedIn, ask
from tests.support.recipes import blocks_of_other_clients
from tests.support.workers import StartWorker

BLOCKS = dict(blocks_of_other_clients())
DENO = """
declare const Deno: {
  serve(handler: (request: Request) => Promise<Response>): void
  env: { get(name: string): string | undefined }
}
"""
KEEP_BODIES = """
create table public.webhook_bodies (number int generated always as identity, body jsonb);
create function public.keep_webhook_body() returns trigger language plpgsql security definer
set search_path = '' as $$
begin
  insert into public.webhook_bodies (body) values (jsonb_build_object('type', tg_op,
    'table', tg_table_name, 'schema', tg_table_schema, 'record', new, 'old_record', old));
  return new;
end
$$;
create trigger keep_webhook_body after update of status on public.music_tracks
  for each row execute function public.keep_webhook_body();
"""
FORGET = """
drop trigger keep_webhook_body on public.music_tracks;
drop function public.keep_webhook_body();
drop table public.webhook_bodies, public.push_tokens;
"""
SECRET = "only the webhook knows"


@pytest.fixture
async def bodies(database: Connection) -> AsyncIterator[None]:
    """The recipe's table, and a trigger that keeps the bodies of webhooks."""
    await database.execute((BLOCKS["table"] + KEEP_BODIES).encode())
    await database.execute(b"notify pgrst, 'reload schema'")
    yield
    await database.execute(FORGET.encode())
    await database.execute(b"notify pgrst, 'reload schema'")


@pytest.fixture(scope="module")
async def function(node: str) -> Path:
    """The function, compiled as strictly as an app."""
    folder = SCRATCH / "push"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "index.ts").write_text(BLOCKS["function"])
    (folder / "deno.d.ts").write_text(DENO)
    (folder / "tsconfig.json").write_text(TSCONFIG)
    await run(node, program("tsc"), "-p", ".", "--noEmit", "false", folder=folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder / "index.js"


@pytest.mark.usefixtures("bodies")
async def test_the_phones_of_the_owner_are_told_once_of_a_completed_track(
    node: str,
    function: Path,
    stack: Stack,
    database: Connection,
    start_worker: StartWorker,
    make_user: Callable[[], Awaitable[SignedIn]],
) -> None:
    await database.execute("delete from public.music_tracks")  # what other tests left waiting
    alice, bob = await make_user(), await make_user()
    await until(lambda: register(alice, "hers"), "the API knows the table")
    await register(bob, "his")
    track_id = await ask(alice, title="Rain", prompt="a walk in the rain")
    async with start_worker():
        await until(lambda: ended(database), "it is completed")
    kept = await (
        await database.execute(b"select body from public.webhook_bodies order by number")
    ).fetchall()
    sent = [row["body"] for row in kept]
    assert [body["record"]["status"] for body in sent][-2:] == ["generating", "completed"]

    calls = [{"secret": SECRET, "body": body} for body in sent]
    said = await call(node, function, stack, [*calls, {"secret": "a guess", "body": sent[-1]}])
    assert said["answers"][:-2] == [[200, "Nothing to tell."]] * (len(sent) - 1)
    assert said["answers"][-2:] == [[200, "Told."], [401, "Not for you."]]
    assert said["pushed"] == [
        {
            "to": ["hers"],
            "title": "Rain",
            "body": "It is ready to play.",
            "data": {"id": str(track_id)},
        }
    ]


async def register(user: SignedIn, phone: str) -> bool:
    """Whether the phone is known now; not before the API has heard of the table."""
    try:
        row = {"token": phone}
        await user.client.table("push_tokens").insert(row, returning=ReturnMethod.minimal).execute()
    except APIError as error:
        if error.code != "PGRST205":
            raise
        return False
    return True


async def ended(database: Connection) -> bool:
    kept = await database.execute(
        b"select from public.webhook_bodies where body->'record'->>'status' = 'completed'"
    )
    return kept.rowcount == 1


async def call(
    node: str, function: Path, stack: Stack, calls: list[dict[str, Any]]
) -> dict[str, Any]:
    """Call the function as webhooks do; answers what it answered and what it pushed."""
    (function.parent / "calls.json").write_text(json.dumps(calls))
    process = await asyncio.create_subprocess_exec(
        node,
        str(APPS / "push.mjs"),
        str(function),
        str(function.parent / "calls.json"),
        env=os.environ | stack.environment() | {"PUSH_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    answer: dict[str, Any] = json.loads(printed)
    return answer

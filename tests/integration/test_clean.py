"""`clean`: audio without a track is counted, and removed with its files where that is asked for."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.responses import JSONResponse

from local_supabase.stack import Stack
from tests.support.programs import Command
from tests.support.project import Connection

BUCKET = "music-tracks"
AUDIO = b"a little audio"


@pytest.fixture(autouse=True)
async def emptied_bucket(stack: Stack) -> AsyncIterator[None]:
    """What a test leaves in the bucket of the whole run goes with it."""
    yield
    stack.faults.clear()
    async with storage(stack) as http:
        await http.request("DELETE", f"/object/{BUCKET}", json={"prefixes": await keys(stack)})


def storage(stack: Stack) -> httpx.AsyncClient:
    headers = {"apikey": stack.keys.secret, "authorization": f"Bearer {stack.keys.secret}"}
    return httpx.AsyncClient(base_url=f"{stack.url}/storage/v1", headers=headers)


async def keys(stack: Stack) -> list[str]:
    async with await psycopg.AsyncConnection.connect(stack.admin_database_url) as connection:
        cursor = await connection.execute(
            "select name from storage.objects where bucket_id = %s", [BUCKET]
        )
        return [row[0] for row in await cursor.fetchall()]


async def upload(stack: Stack, *names: str) -> list[str]:
    """Put objects into the bucket as if that had been yesterday."""
    async with storage(stack) as http:
        for name in names:
            answer = await http.post(
                f"/object/{BUCKET}/{name}", content=AUDIO, headers={"content-type": "audio/mpeg"}
            )
            assert answer.status_code == 200, answer.text
    async with await psycopg.AsyncConnection.connect(stack.admin_database_url) as connection:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            "update storage.objects set created_at = now() - interval '1 day',"
            " updated_at = now() - interval '1 day' where name = any (%s)",
            [list(names)],
        )
    return list(names)


async def orphans(stack: Stack, count: int = 1) -> list[str]:
    return await upload(
        stack, *(f"service/{uuid.uuid4()}/{uuid.uuid4()}.mp3" for _ in range(count))
    )


def files(stack: Stack) -> list[Path]:
    kept = (stack.data_dir / "storage" / "versions").rglob("*")
    return [path for path in kept if path.is_file() and path.read_bytes() == AUDIO]


async def test_nothing_is_removed_unless_that_is_asked_for(stack: Stack, command: Command) -> None:
    there = await orphans(stack, 3)
    said = await command("clean")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"3 objects, 0.0 MB in {BUCKET} without a track; nothing was removed, --remove does it\n"
    )
    assert set(there) <= set(await keys(stack))
    assert json.loads((await command("clean", "--json")).out) == {
        "bucket": BUCKET,
        "found": 3,
        "found_bytes": 3 * len(AUDIO),
        "removed": 0,
        "removed_bytes": 0,
    }


async def test_what_is_removed_is_gone_with_its_files_and_nothing_else_is(
    stack: Stack, command: Command, database: Connection
) -> None:
    there = await orphans(stack, 101)  # more than one batch
    cursor = await database.execute(
        "insert into public.music_tracks (prompt, status, file_url, storage_path)"
        " values ('kept', 'completed', 'https://x/y.mp3', 'x') returning id"
    )
    row = await cursor.fetchone()
    assert row is not None
    [kept] = await upload(stack, f"service/{row['id']}/{uuid.uuid4()}.mp3")
    await database.execute(
        "update public.music_tracks set storage_path = %s where id = %s", [kept, row["id"]]
    )
    [other] = await upload(stack, f"covers/{uuid.uuid4()}.mp3")
    said = await command("clean", "--remove")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"removed 101 objects, 0.0 MB from {BUCKET}\n"
    left = await keys(stack)
    assert {kept, other} <= set(left)
    assert set(there).isdisjoint(left)
    assert len(files(stack)) == 2
    again = await command("clean", "--remove")
    assert again.out == f"nothing in {BUCKET} is without a track\n"


async def test_another_bucket_than_the_one_in_use_is_not_touched(
    stack: Stack, command: Command
) -> None:
    await orphans(stack)
    said = await command("clean", "--remove", MUSIC_BUCKET="another")
    assert said.out == "nothing in another is without a track\n"
    assert len(await keys(stack)) == 1


async def test_a_refusal_of_storage_ends_it_with_a_sentence(stack: Stack, command: Command) -> None:
    await orphans(stack)
    refusal = {"statusCode": "500", "error": "Internal", "message": "the disk is full"}
    stack.faults.gateway.answer(f"/storage/v1/object/{BUCKET}", JSONResponse(refusal, 500))
    said = await command("clean", "--remove")
    assert said.code == 1
    assert "did not remove the audio (the disk is full)" in said.sentence


async def test_what_storage_leaves_is_said(stack: Stack, command: Command) -> None:
    await orphans(stack)
    stack.faults.gateway.answer(f"/storage/v1/object/{BUCKET}", JSONResponse([]))
    said = await command("clean", "--remove")
    assert said.code == 1
    assert "Left where they are: 1 object." in said.sentence

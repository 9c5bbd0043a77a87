"""What only the embedded storage promises: crashes leave nothing, memory stays small, faults."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from storage3.exceptions import StorageApiError

from local_supabase.context import Context
from local_supabase.faults import UploadFaults
from local_supabase.ports import Ports
from local_supabase.postgres import Postgres
from local_supabase.storage import StorageApi
from tests.support.apis import database_alone, project_of_parts, served
from tests.support.contract import Project
from tests.support.storage import empty_bucket, refusal

Parts = tuple[Context, Postgres]
MEGABYTE = 2**20


@pytest.fixture(scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    """A database and what Storage needs to know of it."""
    async with database_alone(tmp_path_factory.mktemp("storage")) as alone:
        yield alone


@pytest.fixture
async def api(parts: Parts) -> AsyncIterator[StorageApi]:
    async with storage(parts[0]) as api:
        yield api


@pytest.fixture
def project(parts: Parts) -> Project:
    return project_of_parts(*parts)


@pytest.fixture
async def files(api: StorageApi, project: Project) -> AsyncIterator[Any]:
    """A bucket `songs`, made by a client that talks to the storage API."""
    async with project.storage() as client:
        with contextlib.suppress(StorageApiError):
            await client.create_bucket("songs", options={"public": True})
        yield client.from_("songs")
        await empty_bucket(project, client, "songs")


@pytest.fixture
def faults(parts: Parts) -> UploadFaults:
    return parts[0].faults.storage


def storage(context: Context) -> AbstractAsyncContextManager[StorageApi]:
    """Storage alone, for the length of a block."""
    return served(StorageApi(context), context.public_url)


def on_disk(parts: Parts) -> list[Path]:
    root = parts[0].data_dir / "storage"
    return sorted(path for path in root.rglob("*") if path.is_file())


async def test_each_object_has_exactly_one_file(parts: Parts, files: Any) -> None:
    await files.upload("a.txt", b"one")
    await files.upload("a.txt", b"two", {"upsert": "true"})
    await files.upload("b.txt", b"two")
    assert [path.read_bytes() for path in on_disk(parts)] == [b"two", b"two"]
    await files.remove(["a.txt", "b.txt"])
    assert on_disk(parts) == []


async def test_refused_uploads_leave_no_file(parts: Parts, files: Any, project: Project) -> None:
    await files.upload("a.txt", b"one")
    for call in (
        files.upload("a.txt", b"two"),
        files.upload("big.bin", b"x" * (50 * MEGABYTE + 1)),
        files.upload("x" * 300, b"a"),
    ):
        with pytest.raises(StorageApiError):
            await call
    assert [path.read_bytes() for path in on_disk(parts)] == [b"one"]


async def test_writers_and_readers_of_one_key_always_meet_a_whole_version(
    parts: Parts, files: Any
) -> None:
    contents = [bytes([number]) * 300_000 for number in range(8)]
    await files.upload("song.mp3", contents[0])

    async def write(content: bytes) -> None:
        for _ in range(5):
            await files.upload("song.mp3", content, {"upsert": "true"})

    async def read() -> None:
        for _ in range(15):
            assert await files.download("song.mp3") in contents

    async with asyncio.TaskGroup() as group:
        for content in contents:
            group.create_task(write(content))
        for _ in range(4):
            group.create_task(read())
    assert len(on_disk(parts)) == 1


async def test_of_concurrent_creators_one_wins(parts: Parts, files: Any) -> None:
    uploads = [files.upload("new.txt", str(number).encode()) for number in range(10)]
    results = await asyncio.gather(*uploads, return_exceptions=True)
    refused = [result for result in results if isinstance(result, StorageApiError)]
    assert len(refused) == 9
    assert {error.code for error in refused} == {"Duplicate"}
    assert len(on_disk(parts)) == 1


async def test_concurrent_upserts_of_a_new_key_leave_one_file(parts: Parts, files: Any) -> None:
    options = {"upsert": "true"}
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(files.upload("new.txt", str(number).encode(), options))
    assert [path.read_bytes() for path in on_disk(parts)] == [await files.download("new.txt")]


async def test_no_file_is_held_in_memory(
    api: StorageApi, parts: Parts, files: Any, project: Project, tmp_path: Path
) -> None:
    """40 MB go in through a form and raw, and out again, within 8 MB."""
    path = tmp_path / "long.mp3"
    path.write_bytes(b"x" * 40 * MEGABYTE)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"y" * MEGABYTE

    headers = {"authorization": f"Bearer {project.secret_key}", "apikey": project.secret_key}
    async with httpx.AsyncClient(
        base_url=project.storage_url, headers=headers, timeout=60
    ) as client:
        tracemalloc.start()
        try:
            await files.upload("form.mp3", path)
            (await client.post("object/songs/raw.mp3", content=pieces())).raise_for_status()
            received = 0
            async with client.stream("GET", "object/public/songs/raw.mp3") as answer:
                async for piece in answer.aiter_raw():
                    received += len(piece)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert received == 40 * MEGABYTE
    assert peak < 8 * MEGABYTE


async def test_a_start_removes_what_a_crash_left(parts: Parts, project: Project) -> None:
    context = parts[0]
    async with storage(context), project.storage() as client:
        with contextlib.suppress(StorageApiError):
            await client.create_bucket("songs")
        await client.from_("songs").upload("kept.txt", b"kept")
        root = context.data_dir / "storage"
        (root / "incoming" / "half").write_bytes(b"ha")
        (root / "versions" / "ab").mkdir(exist_ok=True)
        (root / "versions" / "ab" / "abandoned").write_bytes(b"abandoned")
    async with storage(context), project.storage() as client:
        assert [path.read_bytes() for path in on_disk(parts)] == [b"kept"]
        assert await client.from_("songs").download("kept.txt") == b"kept"
        await empty_bucket(project, client, "songs")


async def test_a_server_killed_during_an_upload_leaves_the_old_content(
    parts: Parts, project: Project
) -> None:
    context, postgres = parts
    async with storage(context), project.storage() as client:
        with contextlib.suppress(StorageApiError):
            await client.create_bucket("songs")
        await client.from_("songs").upload("song.mp3", b"before")
    port = Ports.free().gateway
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.storage_server"),
        *(str(context.data_dir), postgres.conninfo(), str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    assert await server.stdout.readline() == b"ready\n"

    async def endless() -> AsyncIterator[bytes]:
        for number in range(40):
            if number == 30:
                await received_some(context.data_dir / "storage" / "incoming")
                server.kill()
            yield b"x" * MEGABYTE

    headers = {"authorization": f"Bearer {project.secret_key}", "x-upsert": "true"}
    async with httpx.AsyncClient(timeout=60) as client_of_the_dead:
        with pytest.raises(httpx.TransportError):
            await client_of_the_dead.post(
                f"http://127.0.0.1:{port}/storage/v1/object/songs/song.mp3",
                content=endless(),
                headers=headers,
            )
    await server.wait()
    assert len(on_disk(parts)) == 2  # the old version, and the half of the new one
    async with storage(context), project.storage() as client:
        assert await client.from_("songs").download("song.mp3") == b"before"
        assert [path.read_bytes() for path in on_disk(parts)] == [b"before"]
        await empty_bucket(project, client, "songs")


async def received_some(incoming: Path) -> None:
    """Return once the other process has begun to write an upload to the disk."""

    def sizes() -> list[int]:
        return [path.stat().st_size for path in incoming.iterdir()]

    async with asyncio.timeout(30):
        while not any(await asyncio.to_thread(sizes)):
            pass


async def test_planned_refusals_come_first_and_then_uploads_work(
    faults: UploadFaults, files: Any
) -> None:
    body = {"statusCode": "503", "error": "SlowDown", "code": "SlowDown", "message": "later"}
    faults.refuse_uploads(2, status=400, body=body)
    faults.refuse_uploads(1, status=502, body="<html>Bad gateway</html>")
    for status, code in (("503", "SlowDown"), ("503", "SlowDown"), (502, "InternalError")):
        assert await refusal(files.upload("a.txt", b"a")) == (status, code)
    assert await files.exists("a.txt") is False
    await files.upload("a.txt", b"a")
    assert faults.left == 0


async def test_a_cut_upload_stores_nothing_and_a_lost_answer_stores_all(
    faults: UploadFaults, files: Any
) -> None:
    faults.cut_uploads(1)
    with pytest.raises(httpx.TransportError):
        await files.upload("a.txt", b"a")
    assert await files.exists("a.txt") is False
    faults.lose_answers(1)
    with pytest.raises(httpx.TransportError):
        await files.upload("a.txt", b"a")
    assert await files.download("a.txt") == b"a"


async def test_a_hanging_upload_ends_when_faults_are_cleared(
    faults: UploadFaults, files: Any
) -> None:
    faults.hang_uploads(1)
    hanging = asyncio.create_task(files.upload("a.txt", b"a"), name="hanging upload")
    await asyncio.wait_for(faults.all_met(), 10)
    assert not hanging.done()
    faults.clear()
    with pytest.raises(httpx.TransportError):
        await hanging


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "upload/resumable"),
        ("PATCH", "upload/resumable/some-upload"),
        ("POST", "object/upload/sign/songs/a.mp3"),
        ("PUT", "object/upload/sign/songs/a.mp3"),
        ("POST", "object/move"),
        ("POST", "object/copy"),
        ("POST", "object/list-v2/songs"),
        ("GET", "object/info/public/songs/a.mp3"),
        ("GET", "object/info/authenticated/songs/a.mp3"),
        ("PUT", "bucket/songs"),
        ("POST", "bucket/songs/empty"),
        ("GET", "render/image/public/songs/a.png"),
        ("PUT", "s3/songs/a.png"),
        ("POST", "vector/CreateIndex"),
    ],
)
@pytest.mark.usefixtures("api")
async def test_what_is_not_served_says_so(project: Project, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=project.storage_url) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 501
    assert answer.json()["message"].startswith("The embedded stack does not serve ")


async def test_a_row_whose_file_was_taken_away_is_not_found(parts: Parts, files: Any) -> None:
    await files.upload("a.txt", b"a")
    for path in on_disk(parts):
        path.unlink()
    assert await refusal(files.download("a.txt")) == ("404", "not_found")

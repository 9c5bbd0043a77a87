"""The project that the contract is held against, its clients, and buckets and tables to use up."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import DictRow, dict_row
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from local_supabase.gateway import Server
from local_supabase.ports import Ports
from local_supabase.simulator import Simulator
from music_service.mureka.client import MurekaClient, connect_mureka
from tests.support.contract import Project, named_project, project_of
from tests.support.mureka import KEY
from tests.support.realtime import EVERYONE, Connect, MakeTable, Sql, Wire, open_wire
from tests.support.storage import CreatePolicy, MakeBucket, empty_bucket


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Project:
    """The project named by CONTRACT_SUPABASE_*, or the embedded stack."""
    return named_project() or project_of(request.getfixturevalue("stack"))


@pytest.fixture(scope="session")
async def service_client(project: Project) -> AsyncIterator[AsyncStorageClient]:
    """The official client of Storage with the secret key."""
    async with project.storage() as client:
        yield client


@pytest.fixture(scope="session")
async def anonymous_client(project: Project) -> AsyncIterator[AsyncStorageClient]:
    """The official client of Storage with the publishable key alone."""
    async with project.storage(anonymous=True) as client:
        yield client


@pytest.fixture(scope="session")
async def http(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to Storage with the secret key."""
    headers = {"authorization": f"Bearer {project.secret_key}", "apikey": project.secret_key}
    async with httpx.AsyncClient(
        base_url=project.storage_url, headers=headers, timeout=20
    ) as client:
        yield client


@pytest.fixture(scope="session")
async def stranger(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to Storage without any key."""
    async with httpx.AsyncClient(base_url=project.storage_url, timeout=20) as client:
        yield client


@pytest.fixture
async def make_bucket(
    project: Project, service_client: AsyncStorageClient
) -> AsyncIterator[MakeBucket]:
    """Makes buckets that go away after the test."""
    made: list[str] = []

    async def make(**options: Any) -> str:
        name = f"contract-{uuid.uuid4().hex[:12]}"
        await service_client.create_bucket(name, options=options)  # type: ignore[arg-type]
        made.append(name)
        return name

    yield make
    for name in made:
        with contextlib.suppress(StorageApiError):  # the test may have deleted it
            await empty_bucket(project, service_client, name)
            await service_client.delete_bucket(name)


@pytest.fixture
async def bucket(make_bucket: MakeBucket) -> str:
    """A public bucket without limits."""
    return await make_bucket(public=True)


@pytest.fixture
async def private_bucket(make_bucket: MakeBucket) -> str:
    """A private bucket without policies."""
    return await make_bucket(public=False)


@pytest.fixture
async def owner(project: Project) -> AsyncIterator[Sql]:
    """Runs SQL as the role `postgres`, which migrations have; each call commits."""
    async with await psycopg.AsyncConnection[DictRow].connect(
        project.database_url, autocommit=True, row_factory=dict_row
    ) as connection:

        async def execute(query: str, *values: Any) -> list[dict[str, Any]]:
            cursor = await connection.execute(query.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

        yield execute


@pytest.fixture
async def create_policy(owner: Sql) -> AsyncIterator[CreatePolicy]:
    """Makes policies on storage.objects that go away after the test."""
    names: list[str] = []

    async def create(rest: str) -> None:
        name = f"contract-{uuid.uuid4().hex[:12]}"
        await owner(f'create policy "{name}" on storage.objects {rest}')
        names.append(name)

    yield create
    for name in names:
        await owner(f'drop policy "{name}" on storage.objects')


@pytest.fixture
async def make_table(owner: Sql) -> AsyncIterator[MakeTable]:
    """Makes published tables in `public` that go away after the test."""
    made: list[str] = []

    async def make(
        columns: str = "id int primary key, status text",
        *,
        rls: bool = False,
        full: bool = False,
        grants: str = EVERYONE,
        publish: bool = True,
    ) -> str:
        name = f"rt_{uuid.uuid4().hex[:12]}"
        await owner(f"create table public.{name} ({columns})")
        made.append(name)
        if grants:
            await owner(f"grant select, insert, update, delete on public.{name} to {grants}")
        if rls:
            await owner(f"alter table public.{name} enable row level security")
        if full:
            await owner(f"alter table public.{name} replica identity full")
        if publish:
            await owner(f"alter publication supabase_realtime add table public.{name}")
        return name

    yield make
    for name in made:
        await owner(f"drop table if exists public.{name} cascade")


@pytest.fixture
async def wire_to(project: Project) -> AsyncIterator[Connect]:
    """Opens sockets, as the service by default; they are closed after the test."""
    async with contextlib.AsyncExitStack() as opened:

        async def make(version: str = "1.0.0", key: str | None = None) -> Wire:
            return await open_wire(project, opened, version, key or project.secret_key)

        yield make


@pytest.fixture
def simulator() -> Simulator:
    """Mureka in this process, which makes short music at once."""
    return Simulator(KEY, 0.0, music_seconds=5)


@pytest.fixture
async def mureka_url(simulator: Simulator) -> AsyncIterator[str]:
    """Where that simulator answers."""
    port = Ports.free().simulator
    server = Server(simulator.app, port, "the simulator")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop()


@pytest.fixture
async def mureka(mureka_url: str) -> AsyncIterator[MurekaClient]:
    """The product's client, connected to it."""
    async with connect_mureka(KEY, mureka_url) as client:
        yield client

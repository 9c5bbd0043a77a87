"""The Supabase whose Storage the contract is checked against, and buckets to check it in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

import local_supabase
from local_supabase.context import Context
from local_supabase.database import Database
from local_supabase.keys import Keys
from local_supabase.ports import HOST, Ports, listen
from local_supabase.postgres import Postgres
from local_supabase.storage import StorageApi


@dataclass(frozen=True)
class Project:
    """One Supabase; `jwt_secret` is None where only its owner knows it."""

    url: str
    secret_key: str
    publishable_key: str
    database_url: str
    jwt_secret: str | None

    @property
    def storage_url(self) -> str:
        return f"{self.url}/storage/v1/"

    def token(self, **claims: Any) -> str:
        """A token of one's own making; skips the test where that is not possible."""
        if self.jwt_secret is None:
            pytest.skip("needs CONTRACT_SUPABASE_JWT_SECRET")
        now = int(time.time())
        return jwt.encode({"iat": now, "exp": now + 600, **claims}, self.jwt_secret, "HS256")

    def user_token(self, user_id: str) -> str:
        return self.token(role="authenticated", aud="authenticated", sub=user_id)

    @asynccontextmanager
    async def storage(
        self, token: str | None = None, *, anonymous: bool = False
    ) -> AsyncIterator[AsyncStorageClient]:
        """The official client, as the service by default."""
        key = self.publishable_key if anonymous or token else self.secret_key
        headers = {"apikey": key, "authorization": f"Bearer {token or key}"}
        async with httpx.AsyncClient(timeout=20) as http:
            yield AsyncStorageClient(self.storage_url, headers, http_client=http)


@asynccontextmanager
async def serve(context: Context) -> AsyncIterator[StorageApi]:
    """Storage alone, on the port of the context's public URL."""
    api = StorageApi(context)
    app = Starlette(routes=api.routes)
    port = httpx.URL(context.public_url).port or 0
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    await api.start()
    with listen(port, "storage") as listener:
        serving = asyncio.create_task(server.serve([listener]), name="storage server")
        yield api
        server.should_exit = True
        await api.stop()
        await serving


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncIterator[tuple[Context, Postgres]]:
    """A Postgres with the platform's schemas and what a sub-API needs to know of it."""
    ports = Ports.free()
    postgres = Postgres(data_dir / "postgres", ports.postgres)
    new = await postgres.start()
    database = Database(postgres.conninfo())
    await database.open()
    if new:
        platform = Path(local_supabase.__file__).parent / "platform"
        for path in sorted(platform.glob("[123]0_*.sql")):
            async with database.administrator() as connection:
                await connection.execute(path.read_bytes())
    keys = Keys.load_or_create(data_dir / "keys.json")
    try:
        yield Context(database, keys, data_dir, f"http://{HOST}:{ports.gateway}", ""), postgres
    finally:
        await database.close()
        await postgres.stop()


def of_context(context: Context, postgres: Postgres) -> Project:
    keys = context.keys
    return Project(
        url=context.public_url,
        secret_key=keys.secret,
        publishable_key=keys.publishable,
        database_url=postgres.conninfo("postgres"),
        jwt_secret=keys.jwt_secret,
    )


@pytest.fixture(scope="session")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    """The project named by CONTRACT_SUPABASE_*, or an embedded one."""
    if "CONTRACT_SUPABASE_URL" in os.environ:
        yield Project(
            url=os.environ["CONTRACT_SUPABASE_URL"],
            secret_key=os.environ["CONTRACT_SUPABASE_SECRET_KEY"],
            publishable_key=os.environ["CONTRACT_SUPABASE_PUBLISHABLE_KEY"],
            database_url=os.environ["CONTRACT_SUPABASE_DB_URL"],
            jwt_secret=os.environ.get("CONTRACT_SUPABASE_JWT_SECRET"),
        )
        return
    async with embedded(tmp_path_factory.mktemp("storage")) as (context, postgres), serve(context):
        yield of_context(context, postgres)


async def empty_bucket(project: Project, client: AsyncStorageClient, bucket: str) -> None:
    """Remove every object of a bucket."""
    async with await psycopg.AsyncConnection.connect(project.database_url) as connection:
        cursor = await connection.execute(
            "select name from storage.objects where bucket_id = %s", (bucket,)
        )
        keys = [str(row[0]) for row in await cursor.fetchall()]
    if keys:
        await client.from_(bucket).remove(keys)


MakeBucket = Callable[..., Awaitable[str]]
Sql = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="session")
async def service_client(project: Project) -> AsyncIterator[AsyncStorageClient]:
    async with project.storage() as client:
        yield client


@pytest.fixture(scope="session")
async def anonymous_client(project: Project) -> AsyncIterator[AsyncStorageClient]:
    async with project.storage(anonymous=True) as client:
        yield client


@pytest.fixture(scope="session")
async def http(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP with the service's key."""
    headers = {"authorization": f"Bearer {project.secret_key}", "apikey": project.secret_key}
    async with httpx.AsyncClient(
        base_url=project.storage_url, headers=headers, timeout=20
    ) as client:
        yield client


@pytest.fixture(scope="session")
async def stranger(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP without any key."""
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
async def policies(project: Project) -> AsyncIterator[Sql]:
    """Runs SQL as the role `postgres`, which migrations have; `create policy` is undone."""
    async with await psycopg.AsyncConnection.connect(
        project.database_url, autocommit=True
    ) as connection:
        names: list[str] = []

        async def create(rest: str) -> None:
            name = f"contract-{uuid.uuid4().hex[:12]}"
            await connection.execute(f'create policy "{name}" on storage.objects {rest}'.encode())
            names.append(name)

        yield create
        for name in names:
            await connection.execute(f'drop policy "{name}" on storage.objects'.encode())

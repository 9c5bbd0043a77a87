"""Parts of the embedded stack without the others: one API on a port of its own, a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.applications import Starlette

from local_supabase.context import Context
from local_supabase.database import Database
from local_supabase.gateway import Api, Server
from local_supabase.keys import Keys
from local_supabase.ports import HOST, Ports
from local_supabase.postgres import Postgres
from tests.support.contract import Project
from tests.support.times import QUICK

AnyApi = TypeVar("AnyApi", bound=Api)


@asynccontextmanager
async def served(api: AnyApi, url: str) -> AsyncIterator[AnyApi]:
    """Serve an API at the root URL of its context for the length of a block."""
    server = Server(Starlette(routes=api.routes), urlsplit(url).port or 0, "one API")
    await api.start()
    await server.start()
    try:
        yield api
    finally:
        await api.stop()
        await server.stop()


@asynccontextmanager
async def database_alone(data_dir: Path) -> AsyncIterator[tuple[Context, Postgres]]:
    """A new Postgres with the platform's schemas, and what an API needs to know of it."""
    ports = Ports.free()
    keys = Keys.load_or_create(data_dir / "keys.json")
    postgres = Postgres(
        data_dir / "postgres", ports.postgres, keys.postgres_password, durable=False
    )
    await postgres.start()
    await postgres.lay_platform()
    database = Database(postgres.conninfo())
    await database.open()
    url = f"http://{HOST}:{ports.gateway}"
    try:
        yield (
            Context(database, keys, data_dir, url, postgrest_url="", times=QUICK),
            postgres,
        )
    finally:
        await database.close()
        await postgres.stop()


def project_of_parts(context: Context, postgres: Postgres) -> Project:
    """A database alone as a project, whose API is served where its context says."""
    keys = context.keys
    return Project(
        context.public_url,
        keys.secret,
        keys.publishable,
        postgres.conninfo("postgres"),
        keys.jwt_secret,
    )

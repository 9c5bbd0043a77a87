"""A Postgres with the platform's schemas; each test has a fresh copy of the migrated database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local_supabase import migrations
from local_supabase.ports import Ports
from local_supabase.postgres import Postgres
from tests.support.database import PLATFORM, Project, connect, copy_database, copy_of
from tests.support.project import SUPABASE


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """Databases `platform` (nothing of ours) and `migrated`, to be copied."""
    postgres = Postgres(tmp_path_factory.mktemp("sql") / "postgres", Ports.free().postgres)
    await postgres.start()
    try:
        async with await connect(postgres.conninfo()) as administrator:
            for path in sorted(PLATFORM.glob("*.sql")):
                await administrator.execute(path.read_bytes())
        await copy_database(postgres, "postgres", "platform")
        await copy_database(postgres, "postgres", "migrated")
        await migrations.apply(postgres.conninfo("postgres", "migrated"), SUPABASE)
        yield postgres
    finally:
        await postgres.stop()


@pytest.fixture
async def project(cluster: Postgres) -> AsyncIterator[Project]:
    """A fresh project with all migrations applied."""
    async with copy_of(cluster, "migrated") as copy:
        yield copy


@pytest.fixture
async def platform(cluster: Postgres) -> AsyncIterator[Project]:
    """A fresh project to which nothing of ours was applied."""
    async with copy_of(cluster, "platform") as copy:
        yield copy

"""A Postgres with the platform's schemas; each test has a fresh copy of the migrated database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local_supabase.postgres import Postgres
from tests.support.database import Project, copy_of
from tests.support.schema import migrated_cluster


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """Databases `platform` (nothing of ours) and `migrated`, to be copied."""
    async with migrated_cluster(tmp_path_factory.mktemp("sql")) as postgres:
        yield postgres


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

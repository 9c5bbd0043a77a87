"""An app that is already there, with the real Supabase CLI: init, push, and a track is made."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from music_service.store.schema_version import MADE_FOR
from tests.support.programs import Said, environment, run_program
from tests.support.project import SUPABASE
from tests.support.schema import TYPES, TYPES_OF_PACKAGE, types_of
from tests.support.supabase_cli import SupabaseCli, installed_cli
from tests.support.times import QUICK
from tests.support.workers import starting_workers_on

# Younger than any of ours, and without row-level security: something for the advisors to find.
OWN_MIGRATION = "20290401120000_create_books.sql"
OWN_TABLE = """
create table public.books (id uuid primary key, title text);
grant select on public.books to authenticated;
"""


@pytest.fixture(scope="module")
async def cli(tmp_path_factory: pytest.TempPathFactory) -> SupabaseCli:
    return await installed_cli(tmp_path_factory.mktemp("home"))


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Stack]:
    """A project that has nothing of ours."""
    async with Stack(
        tmp_path / "stack", Ports.free(), simulator_seconds=0.3, times=QUICK, durable=False
    ) as running:
        yield running


@pytest.fixture
async def app(bare: Stack, cli: SupabaseCli, tmp_path: Path) -> Path:
    """An app as the CLI makes one, whose own migration is applied already."""
    folder = tmp_path / "app"
    folder.mkdir()
    assert (await cli.run("init", folder=folder)).code == 0
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir()
    (migrations / OWN_MIGRATION).write_text(OWN_TABLE)
    pushed = await push(cli, bare, folder)
    assert OWN_MIGRATION in pushed.err + pushed.out, pushed
    return folder


async def push(cli: SupabaseCli, stack: Stack, app: Path, *options: str) -> Said:
    return await cli.run(
        "db", "push", f"--remote={stack.database_url}", *options, "--yes", folder=app
    )


async def ours(stack: Stack, app: Path, *arguments: str, **changes: str) -> Said:
    return await run_program(app, environment(stack, **changes), *arguments)


async def test_an_app_with_a_younger_migration_gets_ours_by_init_and_push(
    bare: Stack, cli: SupabaseCli, app: Path
) -> None:
    copied = await ours(bare, app, "init")
    assert copied.code == 0, copied
    assert "db push --remote --yes" in copied.err
    pushed = await push(cli, bare, app)
    assert pushed.code == 0, pushed
    assert "WARN" not in pushed.err, "the config that init completed is one that the CLI likes"
    again = await push(cli, bare, app)
    assert "up to date" in again.out + again.err
    assert (await ours(bare, app, "init", "--check")).code == 0

    async with starting_workers_on(bare)():
        made = await ours(bare, app, "enqueue", "a slow tango", "--watch")
        assert made.out.splitlines()[-1].startswith("completed "), made
        found = await ours(bare, app, "doctor", "--json")
    findings = [json.loads(line) for line in found.out.splitlines()]
    assert found.code == 0, findings
    assert {finding["verdict"] for finding in findings} == {"ok"}, findings
    assert await advised(cli, bare) == ["rls_disabled_in_public_public_books"]


async def advised(cli: SupabaseCli, stack: Stack) -> list[str]:
    """What the platform's advisors warn of."""
    said = await cli.run("db", "advisors", "--level=warn", f"--remote={stack.database_url}")
    assert said.code == 0, said
    return [finding["cache_key"] for finding in json.loads(said.out)]


async def test_without_init_the_cli_refuses_files_that_are_older_than_the_app(
    bare: Stack, cli: SupabaseCli, app: Path
) -> None:
    for path in (SUPABASE / "migrations").glob("*.sql"):
        shutil.copy(path, app / "supabase" / "migrations")
    refused = await push(cli, bare, app)
    assert refused.code != 0
    assert "--include-all" in refused.out + refused.err


async def test_a_worker_that_is_too_old_for_the_database_says_so_and_ends(
    bare: Stack, cli: SupabaseCli, app: Path
) -> None:
    await ours(bare, app, "init")
    newer = app / "supabase" / "migrations" / "20290401130000_of_next_year.sql"
    newer.write_text(
        "create or replace function public.music_schema_version()\n"
        "returns table (version int, oldest_worker int) language sql stable\n"
        f"set search_path = '' as $$ select {MADE_FOR + 2}, {MADE_FOR + 1} $$;\n"
    )
    assert (await push(cli, bare, app)).code == 0
    ended = await ours(bare, app, "run")
    assert ended.code == 2
    assert "install the version of music-service that the migrations are from" in ended.sentence


async def test_the_types_are_those_that_the_cli_generates(stack: Stack, cli: SupabaseCli) -> None:
    assert await types_of(cli, stack.database_url) == TYPES.read_text(), "run scripts/schema"
    assert TYPES_OF_PACKAGE.read_text() == TYPES.read_text(), "run scripts/schema"


async def test_the_config_of_this_project_has_no_key_that_the_cli_warns_of(
    bare: Stack, cli: SupabaseCli, tmp_path: Path
) -> None:
    (tmp_path / "supabase").mkdir()
    config = tmp_path / "supabase" / "config.toml"
    shutil.copy(SUPABASE / "config.toml", config)
    said = await push(cli, bare, tmp_path, "--dry-run")
    assert (said.code, "WARN" in said.err) == (0, False), said
    config.write_text(f"{config.read_text()}\n[auth.sms]\nenable_signup = true\n")
    assert "WARN" in (await push(cli, bare, tmp_path, "--dry-run")).err, "it would have been said"


async def test_a_compute_as_the_cli_makes_it_is_what_ours_is(
    cli: SupabaseCli, tmp_path: Path
) -> None:
    assert (await cli.run("init", folder=tmp_path)).code == 0
    made = await cli.run(
        *("compute", "new", "music-service", "--runtime=dockerfile", "--size=2gb"),
        *("--exposure=private", "--instances=2"),
        folder=tmp_path,
        SUPABASE_EXPERIMENTAL_COMPUTE="1",
    )
    assert made.code == 0, made
    theirs = tomllib.loads((tmp_path / "supabase" / "config.toml").read_text())
    ours = tomllib.loads((SUPABASE / "config.toml").read_text())
    assert ours["compute"] == theirs["compute"]
    folder = tmp_path / "supabase" / "compute" / "music-service"
    assert "Dockerfile" in {path.name for path in folder.iterdir()}
    assert (SUPABASE / folder.relative_to(tmp_path / "supabase") / "Dockerfile").exists()

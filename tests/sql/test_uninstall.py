"""What `music-service uninstall` prints, run: all that is ours goes, nothing else does."""

from __future__ import annotations

import pytest

from local_supabase import migrations
from music_service.doctor.expected import FUNCTIONS
from tests.sql.test_older_tables import ID, OWNER, WORKS, table
from tests.support.database import Project
from tests.support.project import SUPABASE
from tests.support.schema import page_of

UNINSTALL = (SUPABASE / "uninstall.sql").read_text()
KEEPING = UNINSTALL.replace(
    "v_keep_tracks constant boolean := false", "v_keep_tracks constant boolean := true"
)
GALLERY = table(
    f"{ID}, {OWNER}, prompt text, file_url text not null default '', status text not null"
    " default 'draft' constraint known check (status in ('draft', 'pending', 'completed')),"
    " is_public boolean not null default false"
) + (
    'create policy "public songs" on public.music_tracks for select to anon using (is_public);'
    "grant all on public.music_tracks to authenticated, anon;"
)


def test_the_check_and_the_way_back_name_every_function_that_workers_and_operators_call() -> None:
    [check] = (SUPABASE / "migrations").glob("*_check_existing_tables.sql")
    for text in (UNINSTALL, check.read_text()):
        assert [name for name in FUNCTIONS if f"'{name}'" not in text] == []


async def apply(project: Project) -> None:
    await migrations.apply(project.postgres.conninfo("postgres", project.name), SUPABASE)


async def policies_elsewhere(project: Project) -> list[object]:
    return [
        row["policyname"]
        for row in await project.sql(
            "select policyname from pg_policies where schemaname in ('storage', 'realtime')"
        )
    ]


async def test_nothing_of_ours_is_left(platform: Project) -> None:
    before = await page_of(platform.postgres, platform.name)
    elsewhere = await policies_elsewhere(platform)
    await apply(platform)
    await platform.new_track(await platform.new_user())
    await platform.operator.execute(UNINSTALL.encode())
    assert await page_of(platform.postgres, platform.name) == before
    assert await policies_elsewhere(platform) == elsewhere
    history = "select count(*) from supabase_migrations.schema_migrations"
    assert await platform.value(history) == 0
    await apply(platform)  # and it can be installed again
    assert await platform.value(history) > 5


@pytest.mark.parametrize("name", [*WORKS, "a gallery"])
async def test_a_table_that_was_there_is_as_it_was(platform: Project, name: str) -> None:
    await platform.operator.execute((WORKS | {"a gallery": GALLERY})[name].encode())
    before = await page_of(platform.postgres, platform.name)
    await apply(platform)
    await platform.operator.execute(UNINSTALL.encode())
    assert await page_of(platform.postgres, platform.name) == before


async def test_tracks_are_kept_on_request(project: Project) -> None:
    user = await project.new_user()
    track = await project.new_track(user)
    await project.claim()
    await project.operator.execute(KEEPING.encode())
    row = await project.track(track)
    assert (row["status"], row["error_code"]) == ("error", "cancelled")
    assert await project.value("select to_regnamespace('music') is null")
    assert await project.value("select to_regclass('public.journeys') is not null")
    assert len(await project.as_user(user, "select * from public.music_tracks")) == 1


async def test_rows_that_came_since_do_not_keep_it_from_going(platform: Project) -> None:
    await platform.operator.execute(GALLERY.encode())
    await apply(platform)
    user = await platform.new_user()
    await platform.as_user(user, "insert into public.music_tracks (prompt) values ('new')")
    await platform.operator.execute(UNINSTALL.encode())
    assert await platform.value("select count(*) from public.music_tracks") == 1
    assert await platform.value("select to_regnamespace('music') is null")

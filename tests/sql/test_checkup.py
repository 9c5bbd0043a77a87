"""What the doctor asks the database: every trial says what would be, and nothing is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.database import Project

LEFT = (
    "select (select count(*) from public.music_tracks) as tracks,"
    " (select count(*) from music.events) as events,"
    " (select count(*) from music.claims) as claims,"
    " (select count(*) from music.generations) as generations,"
    " (select count(*) from realtime.messages) as messages,"
    " (select count(*) from storage.objects) as objects,"
    " (select to_jsonb(s) from music.settings s) as settings,"
    " (select to_jsonb(a) from music.account a) as account"
)


async def tried(project: Project, user_id: str | None = None) -> dict[str, Any]:
    [row] = await project.as_service("select public.try_music_track(%s) as answer", user_id)
    answer: dict[str, Any] = row["answer"]
    return answer


async def checked(project: Project) -> dict[str, Any]:
    [row] = await project.as_service("select public.check_music_project('music-tracks') as answer")
    answer: dict[str, Any] = row["answer"]
    return answer


async def reached(project: Project) -> list[tuple[str, str]]:
    return [(each["role"], each["what"]) for each in (await checked(project))["reached"]]


@pytest.mark.parametrize("with_user", [True, False])
async def test_a_sound_project_passes_the_trial_and_keeps_nothing_of_it(
    project: Project, with_user: bool
) -> None:
    user_id = await project.new_user() if with_user else None
    before = await project.sql(LEFT)
    assert await tried(project, user_id) == {"asking": None, "making": None}
    assert (await checked(project))["reached"] == []
    assert await project.sql(LEFT) == before


async def test_a_full_paused_and_spent_queue_does_not_keep_the_trial_from_its_turn(
    project: Project,
) -> None:
    for _ in range(3):
        await project.new_track(await project.new_user(), priority=32767)
    lost, resumable, running = await project.claim()
    await project.submitted(lost)
    await project.lose_lease(lost)
    await project.submitted(resumable)
    await project.as_service(
        "select public.release_music_claims('worker-1', %s::uuid[])", [resumable["claim_id"]]
    )
    await project.submitted(running)
    await project.new_track()
    await project.sql(
        "update music.settings set paused = true, max_concurrent = 1, max_concurrent_per_user = 0,"
        " daily_budget_cents = 0, daily_budget_cents_per_user = 0"
    )
    await project.sql("update music.account set slowed_down_to = 1, slowed_down_at = now()")
    before = await project.sql(LEFT)
    assert await tried(project) == {"asking": None, "making": None}
    assert await project.sql(LEFT) == before


FAILURES = {
    "a status that another check refuses": (
        "alter table public.music_tracks add constraint old_words"
        " check (status in ('pending', 'completed', 'error'))",
        ("claim", "23514", "old_words"),
    ),
    "a trigger of the app that refuses the stage": (
        "create function public.refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'no stages here'; end $$;"
        " create trigger refuse before update of stage on public.music_tracks"
        " for each row when (new.stage = 'running') execute function public.refuse()",
        ("stage", "P0001", ""),
    ),
    "a right that is missing": (
        "revoke insert on music.generations from service_role",
        ("intent", "42501", ""),
    ),
    "a trigger that swallows the end": (
        "create function public.swallow() returns trigger language plpgsql as"
        " $$ begin return null; end $$;"
        " create trigger swallow before update on public.music_tracks"
        " for each row when (new.status = 'completed') execute function public.swallow()",
        ("complete", "P0002", ""),
    ),
    "a rule that is only checked at the end": (
        "create function public.never() returns trigger language plpgsql as"
        " $$ begin raise exception 'too late'; end $$;"
        " create constraint trigger never after update on public.music_tracks"
        " deferrable initially deferred for each row execute function public.never()",
        ("claim", "P0001", ""),
    ),
}


@pytest.mark.parametrize(("fault", "expected"), FAILURES.values(), ids=FAILURES.keys())
async def test_the_trial_names_the_step_and_the_reason(
    project: Project, fault: str, expected: tuple[str, str, str]
) -> None:
    await project.sql(fault)
    making = (await tried(project))["making"]
    assert (making["step"], making["sqlstate"], making["constraint"] or "") == expected, making


async def test_the_apps_own_demands_are_met_by_the_trial(project: Project) -> None:
    await project.sql(
        "create type public.colour as enum ('red', 'blue');"
        " alter table public.music_tracks add column heading text not null,"
        " add column stars int not null, add column tint public.colour not null,"
        " add column slug text not null unique, add column born date not null,"
        " add column is_favorite boolean not null"
    )
    assert await tried(project, await project.new_user()) == {"asking": None, "making": None}


async def test_a_user_whom_a_missing_grant_stops_is_seen(project: Project) -> None:
    await project.sql("revoke insert on public.music_tracks from authenticated")
    answer = await tried(project, await project.new_user())
    assert answer["making"] is None
    assert (answer["asking"]["step"], answer["asking"]["sqlstate"]) == ("insert", "42501")


async def test_a_table_that_needs_an_owner_is_tried_with_one(project: Project) -> None:
    user_id = await project.new_user()
    await project.sql("alter table public.music_tracks alter column user_id set not null")
    assert await tried(project, user_id) == {"asking": None, "making": None}
    assert (await tried(project))["making"]["column"] == "user_id"


async def test_a_queue_that_somebody_holds_is_waited_for_a_moment_only(project: Project) -> None:
    holder = await project.another_connection()
    async with holder.transaction():
        await holder.execute("select music.lock_queue()")
        making = (await tried(project))["making"]
    assert (making["step"], making["sqlstate"]) == ("claim", "55P03")


REACHED = {
    "row-level security is off": (
        "alter table public.music_tracks disable row level security;"
        " grant delete on public.music_tracks to authenticated",
        [("authenticated", "select"), ("authenticated", "update"), ("authenticated", "delete")],
    ),
    "guests may order": (
        "grant insert on public.music_tracks to anon; alter table public.music_tracks"
        " disable trigger music_tracks_check_insert; create policy everybody"
        " on public.music_tracks for insert to anon with check (true)",
        [("anon", "insert")],
    ),
    "a gallery": (
        "grant select on public.music_tracks to anon; create policy gallery"
        " on public.music_tracks for select to anon using (status <> 'pending')",
        [("anon", "select")],
    ),
    "the settings": (
        "grant select, update on music.settings to authenticated;"
        " create policy open on music.settings to authenticated using (true)",
        [("authenticated", "settings")],
    ),
    "Realtime": (
        "create policy open on realtime.messages to authenticated using (true)",
        [("authenticated", "hear"), ("authenticated", "overhear"), ("authenticated", "broadcast")],
    ),
    "the bucket": (
        "create policy open on storage.objects for insert to anon"
        " with check (bucket_id = 'music-tracks')",
        [("anon", "upload")],
    ),
}


@pytest.mark.parametrize(("fault", "expected"), REACHED.values(), ids=REACHED.keys())
async def test_what_strangers_reach_is_tried_and_not_only_read(
    project: Project, fault: str, expected: list[tuple[str, str]]
) -> None:
    await project.sql(fault)
    before = await project.sql(LEFT)
    assert set(await reached(project)) == set(expected)
    assert await project.sql(LEFT) == before


async def test_so_many_numbers_are_listed(project: Project) -> None:
    listed = "select count(*)::int as rows from public.list_music_numbers(%s)"
    assert await project.as_service(listed, 7) == [{"rows": 7}]
    assert await project.as_service(listed, 100_000) == [{"rows": 1000}]


async def test_what_only_newer_workers_know_may_be_the_apps_default(project: Project) -> None:
    await project.sql("alter table public.music_tracks alter model set default 'mureka-8'")
    assert await tried(project) == {"asking": None, "making": None}

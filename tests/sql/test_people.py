"""What people may do: app users with their tokens, operators in the dashboard."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.support.database import Project, connect

STATUSES = ["pending", "generating", "completed", "error"]
USER_MAY = {("error", "pending"), ("pending", "error"), ("generating", "error")}
OPERATOR_MAY = USER_MAY | {("generating", "pending"), ("completed", "pending")}


async def track_in(project: Project, status: str, user: str | None = None) -> str:
    track_id = await project.new_track(user)
    if status == "pending":
        return track_id
    [claim] = await project.claim()
    if status == "generating":
        return track_id
    await project.submitted(claim)
    if status == "completed":
        await project.as_service(
            "select public.complete_music_track(%s, 'p', 'https://x', 1)", claim["claim_id"]
        )
    else:
        await project.as_service(
            "select public.fail_music_track(%s, 'refused', 'internal', 'No.')", claim["claim_id"]
        )
    return track_id


SET = "update public.music_tracks set status = %s where id = %s"


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(STATUSES, 2)))
async def test_operators_edit_the_status_only_along_the_allowed_ways(
    project: Project, old: str, new: str
) -> None:
    track_id = await track_in(project, old)
    if (old, new) in OPERATOR_MAY:
        await project.sql(SET, new, track_id)
        track = await project.track(track_id)
        assert track["status"] == new
        assert track["error_code"] == ("cancelled" if new == "error" else None)
        assert await project.value("select count(*) from music.claims") == 0
        assert len(await project.claim()) == (new == "pending")
    else:
        with pytest.raises(psycopg.Error, match=f'cannot go from "{old}" to "{new}"') as refusal:
            await project.sql(SET, new, track_id)
        assert refusal.value.sqlstate == "MU001"
        assert refusal.value.diag.message_hint


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(STATUSES, 2)))
async def test_users_edit_the_status_of_their_own_tracks_only_to_retry_and_cancel(
    project: Project, old: str, new: str
) -> None:
    user = await project.new_user()
    track_id = await track_in(project, old, user)
    if (old, new) in USER_MAY:
        await project.as_user(user, SET, new, track_id)
        assert (await project.track(track_id))["status"] == new
    else:
        with pytest.raises(psycopg.Error, match="cannot go from"):
            await project.as_user(user, SET, new, track_id)
        assert (await project.track(track_id))["status"] == old


@pytest.mark.parametrize(
    "change",
    [
        "prompt = 'other'",
        "user_id = null",
        "file_url = 'https://evil'",
        "priority = 100",
        "attempts = 0, run_after = now() - interval '1 day'",
        "error_message = 'x', status = 'error'",
    ],
)
async def test_users_change_nothing_but_the_status(project: Project, change: str) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    before = await project.track(track_id)
    with pytest.raises(psycopg.Error, match="Only the status"):
        await project.as_user(
            user, f"update public.music_tracks set {change} where id = %s", track_id
        )
    assert await project.track(track_id) == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "completed"),
        ("priority", 5),
        ("file_url", "https://evil"),
        ("error_code", "internal"),
        ("attempts", -5),
        ("run_after", "2099-01-01"),
    ],
)
async def test_users_ask_for_a_track_without_setting_what_the_service_sets(
    project: Project, column: str, value: object
) -> None:
    user = await project.new_user()
    with pytest.raises(psycopg.Error) as refusal:
        await project.as_user(
            user, f"insert into public.music_tracks (prompt, {column}) values ('x', %s)", value
        )
    assert refusal.value.sqlstate == "MU003"


@pytest.mark.parametrize(
    "query",
    [
        "insert into public.music_tracks (prompt, priority) values ('x', 9)",
        "insert into public.music_tracks (prompt, status, file_url)"
        " values ('x', 'completed', 'https://example.com/x.mp3')",
        "update public.music_tracks set prompt = 'other' where user_id = music.user_id()",
        "update public.music_tracks set run_after = now() where user_id = music.user_id()",
    ],
)
async def test_a_role_of_the_app_s_own_for_some_users_makes_no_operators_of_them(
    project: Project, query: str
) -> None:
    user = await project.new_user()
    await project.new_track(user, run_after=datetime(2100, 1, 1, tzinfo=UTC))
    role = f"premium_{uuid.uuid4().hex}"
    async with await connect(project.postgres.conninfo(database=project.name)) as platform:
        await platform.execute(
            f"create role {role}; grant authenticated to {role}; grant {role} to postgres".encode()
        )
        try:
            async with project.acting_as(role, user) as run:
                await run("insert into public.music_tracks (prompt) values ('x')")
            with pytest.raises(psycopg.Error) as refused:
                async with project.acting_as(role, user) as run:
                    await run(query)
            assert refused.value.sqlstate == "MU003"
        finally:
            await platform.execute(f"drop role {role}".encode())


async def test_users_ask_see_and_own_their_tracks(project: Project) -> None:
    user, other = await project.new_user(), await project.new_user()
    [row] = await project.as_user(
        user, "insert into public.music_tracks (prompt) values ('x') returning *"
    )
    assert str(row["user_id"]) == user
    assert row["status"] == "pending"
    await project.new_track()  # a backend's, seen by no app user
    assert await project.as_user(other, "select * from public.music_tracks") == []
    assert len(await project.as_user(user, "select * from public.music_tracks")) == 1
    await project.as_user(other, SET, "error", row["id"])
    assert (await project.track(str(row["id"])))["status"] == "pending"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await project.as_user(user, "delete from public.music_tracks")


async def test_users_attach_tracks_only_to_journeys_of_their_own(project: Project) -> None:
    user, other = await project.new_user(), await project.new_user()
    begin = "insert into public.journeys (book_title) values ('Emma') returning id"
    [mine] = await project.as_user(user, begin)
    [theirs] = await project.as_user(other, begin)
    ask = "insert into public.music_tracks (prompt, journey_id) values ('x', %s)"
    await project.as_user(user, ask, mine["id"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no such journey of yours"):
        await project.as_user(user, ask, theirs["id"])
    log = "insert into public.reading_logs (journey_id) values (%s)"
    await project.as_user(user, log, mine["id"])
    with pytest.raises(psycopg.Error, match="no such journey of yours"):
        await project.as_user(user, log, theirs["id"])


async def test_a_track_for_somebody_else_is_refused(project: Project) -> None:
    user, other = await project.new_user(), await project.new_user()
    with pytest.raises(psycopg.Error, match="only be made for yourself"):
        await project.as_user(
            user, "insert into public.music_tracks (prompt, user_id) values ('x', %s)", other
        )


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "query",
    [
        "select * from public.claim_music_tracks('w', 1, 30)",
        "select * from public.complete_music_track(gen_random_uuid(), 'p', 'u', 1)",
        "select * from public.record_music_task(gen_random_uuid(), 't', null)",
        "select * from music.generations",
        "select music.is_worker()",
    ],
)
async def test_users_cannot_reach_the_workers_side(project: Project, role: str, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with project.acting_as(role, str(uuid.uuid4())) as run:
            await run(query)


@pytest.mark.parametrize("table", ["music_tracks", "journeys", "reading_logs"])
async def test_strangers_see_no_table(project: Project, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with project.acting_as("anon") as run:
            await run(f"select * from public.{table}")


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"prompt": ""}, "music_tracks_prompt_length"),
        ({"prompt": " \n\t "}, "music_tracks_prompt_length"),
        ({"prompt": "x" * 1025}, "music_tracks_prompt_length"),
        ({"prompt": None}, "music_tracks_prompt_length"),
        ({"lyrics": "x" * 5001}, "music_tracks_lyrics_length"),
        ({"duration": 0}, "music_tracks_duration_range"),
        ({"duration": 601}, "music_tracks_duration_range"),
        ({"status": "done"}, "music_tracks_status_check"),
        ({"status": None}, "music_tracks_status_check"),
    ],
)
async def test_bad_values_are_refused_by_a_named_rule(
    project: Project, columns: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refusal:
        await project.new_track(**columns)
    assert refusal.value.diag.constraint_name == constraint
    await project.new_track(prompt="é" * 1024)


async def test_a_cancel_takes_the_track_from_its_worker_and_keeps_the_receipt(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim, "task-3")
    await project.as_user(user, SET, "error", track_id)
    found = await project.as_service(
        "select * from public.complete_music_track(%s, 'p', 'u', 1)", claim["claim_id"]
    )
    assert found == []
    await project.as_user(user, SET, "pending", track_id)
    [again] = await project.claim()
    assert again["mureka_task_id"] == "task-3"
    kinds = [row["kind"] for row in await project.sql("select kind from music.events order by id")]
    assert kinds[-3:] == ["cancelled", "retried", "claimed"]


async def test_regenerating_a_completed_track_asks_for_a_new_paid_call(project: Project) -> None:
    track_id = await track_in(project, "completed")
    await project.sql(SET, "pending", track_id)
    [claim] = await project.claim()
    assert claim["generation_id"] is None
    await project.submitted(claim)
    assert await project.value("select count(*) from music.generations") == 2


async def test_what_was_asked_for_cannot_be_changed_while_it_is_made(project: Project) -> None:
    track_id = await track_in(project, "generating")
    with pytest.raises(psycopg.DatabaseError, match="is being made already") as refusal:
        await project.sql("update public.music_tracks set mood = 'wild' where id = %s", track_id)
    assert refusal.value.sqlstate == "MU001"


async def test_a_failed_track_whose_wish_was_changed_is_submitted_again(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.as_service(
        "select * from public.fail_music_track(%s, 'open', 'storage_failed', 'No.')",
        claim["claim_id"],
    )
    await project.sql(
        "update public.music_tracks set prompt = 'something else', status = 'pending'"
        " where id = %s",
        track_id,
    )
    [again] = await project.claim()
    assert (again["prompt"], again["mureka_task_id"]) == ("something else", None)


async def test_a_settings_change_notes_when(project: Project) -> None:
    await project.sql("update music.settings set updated_at = '2020-01-01'")
    await project.sql("update music.settings set paused = true")
    changed = await project.value(
        "select now() - updated_at < interval '1 minute' from music.settings"
    )
    assert changed


async def test_each_change_of_a_track_is_later_than_the_one_before(project: Project) -> None:
    """Apps take the later row for the newer one, also where the database's clock steps back."""
    track_id = await project.new_track()
    ahead = "update public.music_tracks set updated_at = now() + interval '1 hour' where id = %s"
    await project.sql("alter table public.music_tracks disable trigger user")
    await project.sql(ahead, track_id)
    await project.sql("alter table public.music_tracks enable trigger user")
    times = []
    for title in ("one", "two"):
        await project.sql(
            "update public.music_tracks set title = %s where id = %s", title, track_id
        )
        times.append((await project.track(track_id))["updated_at"])
    assert times[0] < times[1]

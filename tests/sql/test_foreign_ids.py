"""Users of a sign-in elsewhere, whose ids are no uuid: refused with a sentence, never an error."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.database import Project

# Clerk, Firebase, a number, an id cut short, an empty one, an attempt at more.
FOREIGN = ["user_2NNEqL2nrIRdJ194ndJqAHwEfxC", "8dkT3vAHQ1", "17", "8a1b", "", "pending' or true"]
TABLES = ["public.music_tracks", "public.journeys", "public.reading_logs", "storage.objects"]


async def test_nobody_elses_row_is_seen_and_no_policy_raises(project: Project) -> None:
    user = await project.new_user()
    await project.as_user(user, "select public.create_journey('Emma')")
    await project.sql("insert into storage.objects (bucket_id, name) values ('music-tracks', 'x')")
    for sub in FOREIGN:
        for table in TABLES:
            assert await project.as_user(sub, f"select 1 from {table}") == [], (sub, table)


async def test_changes_and_deletes_reach_nothing(project: Project) -> None:
    user = await project.new_user()
    await project.as_user(user, "select public.create_journey('Emma')")
    for change in (
        "update public.music_tracks set status = 'error' where true returning 1",
        "update public.journeys set book_title = 'mine' where true returning 1",
        "update public.reading_logs set memo = 'mine' where true returning 1",
        "delete from public.journeys where true returning 1",
    ):
        for sub in FOREIGN:
            assert await project.as_user(sub, change) == [], (sub, change)


@pytest.mark.parametrize(
    "insert",
    [
        "insert into public.music_tracks (prompt) values ('x')",
        "insert into public.music_tracks (prompt, user_id) values ('x', null)",
        "insert into public.journeys (book_title) values ('Emma')",
        "select public.create_journey('Emma')",
    ],
)
async def test_what_would_belong_to_nobody_is_refused_with_a_sentence(
    project: Project, insert: str
) -> None:
    for sub in filter(None, FOREIGN):
        with pytest.raises(psycopg.Error) as refusal:
            await project.as_user(sub, insert)
        assert refusal.value.sqlstate == "MU003"
        assert "is no uuid" in str(refusal.value)
        assert "backend" in str(refusal.value.diag.message_hint)


async def test_without_a_user_the_sentence_is_that_nobody_is_signed_in(project: Project) -> None:
    async with project.acting_as("authenticated") as run:
        with pytest.raises(psycopg.Error, match="Nobody is signed in") as refusal:
            await run("insert into public.music_tracks (prompt) values ('x')")
    assert refusal.value.sqlstate == "MU003"


async def test_a_log_for_somebody_elses_journey_is_refused_as_for_any_stranger(
    project: Project,
) -> None:
    user = await project.new_user()
    [station] = await project.as_user(user, "select public.create_journey('Emma') as it")
    insert = "insert into public.reading_logs (journey_id) values (%s)"
    for sub in FOREIGN:
        with pytest.raises(psycopg.Error) as refusal:
            await project.as_user(sub, insert, station["it"]["journey"]["id"])
        assert refusal.value.sqlstate == "MU004"


async def test_no_id_opens_a_topic_or_a_folder_of_the_service(project: Project) -> None:
    for sub in ("pending", "doctor", "service", *FOREIGN):
        await project.sql(
            "insert into storage.objects (bucket_id, name) values ('music-tracks', %s)",
            f"{sub}/x.mp3",
        )
        topic = f"music:{sub}"
        await project.sql(
            "insert into realtime.messages (topic, extension) values (%s, 'broadcast')", topic
        )
        async with project.acting_as("authenticated", sub or None) as run:
            await run("select set_config('realtime.topic', %s, true)", topic)
            assert await run("select 1 from realtime.messages") == []
            assert await run("select 1 from storage.objects") == []


async def test_an_operator_and_the_service_work_whatever_their_token_says(project: Project) -> None:
    async with project.acting_as("service_role", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC") as run:
        [track] = await run("insert into public.music_tracks (prompt) values ('x') returning *")
        assert track["user_id"] is None
        await run("update public.music_tracks set status = 'error' where id = %s", track["id"])
    [event] = await project.sql("select * from music.events where kind = 'cancelled'")
    assert event["detail"]["by"] == "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"


async def test_a_user_is_the_same_in_either_spelling(project: Project) -> None:
    for sub in ("8A1B2c3d-0000-4000-8000-00000000000A", "8a1b2c3d-0000-4000-8000-00000000000a"):
        async with project.acting_as("authenticated", sub) as run:
            [found] = await run("select music.user_id() = auth.uid() as same")
        assert found["same"]


async def test_the_index_on_users_is_used_by_the_policy(project: Project) -> None:
    await project.sql(
        "insert into auth.users (id, email) select gen_random_uuid(), n || '@example.com'"
        " from generate_series(1, 2000) n"
    )
    await project.sql(
        "insert into public.music_tracks (user_id, prompt) select id, 'x' from auth.users"
    )
    await project.sql("analyze public.music_tracks")
    user = str(await project.value("select id from auth.users limit 1"))
    plan = await project.as_user(user, "explain select * from public.music_tracks")
    lines = [row["QUERY PLAN"] for row in plan]
    assert any("Index" in line and "user_id" in line for line in lines), lines
    assert any("InitPlan" in line for line in lines), lines

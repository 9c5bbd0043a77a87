"""A queue has an end: how many tracks may wait, for a user, for a guest and of all; guests' budget;
and a budget that is raised over tens of thousands of waiting rows."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest

from tests.support.database import Connection, Project, rows

INSERT = "insert into public.music_tracks (prompt) values ('one more')"
MANY = "insert into public.music_tracks (prompt) select 'n' from generate_series(1, {})"
TOO_MANY = "MU009"


async def limit(project: Project, **columns: Any) -> None:
    changes = ", ".join(f"{name} = %s" for name in columns)
    await project.sql(f"update music.settings set {changes}", *columns.values())


async def new_guest(project: Project) -> str:
    guest = await project.new_user()
    await project.sql("update auth.users set is_anonymous = true where id = %s", guest)
    return guest


async def refused(project: Project, user: str, query: str) -> str:
    with pytest.raises(psycopg.Error) as refusal:
        await project.as_user(user, query)
    assert refusal.value.sqlstate == TOO_MANY, refusal.value
    return refusal.value.diag.message_primary or ""


async def counted(project: Project) -> int:
    return int(await project.value("select coalesce(sum(change), 0) from music.waiting"))


async def pending(project: Project) -> int:
    return int(
        await project.value("select count(*) from public.music_tracks where status = 'pending'")
    )


async def test_a_user_may_have_a_thousand_waiting_and_a_guest_twenty(project: Project) -> None:
    user, guest = await project.new_user(), await new_guest(project)
    for who, word, most in ((user, "user", 1000), (guest, "guest", 20)):
        assert f"More than {most} tracks may not wait at once for one {word}" in await refused(
            project, who, MANY.format(most + 1)
        )
        await project.as_user(who, MANY.format(most))
        assert str(most) in await refused(project, who, INSERT)
    assert await pending(project) == await counted(project) == 1020


async def test_an_operator_may_requeue_a_track_while_its_user_waits_for_the_most(
    project: Project,
) -> None:
    await limit(project, max_pending_per_user=1, max_pending=1)
    user = await project.new_user()
    await project.as_user(user, INSERT)
    await project.sql("select claim_music_tracks('w', 1, 30)")
    await project.as_user(user, INSERT)
    await project.sql("update music_tracks set status = 'pending' where status = 'generating'")
    assert await pending(project) == await counted(project) == 2


async def test_a_token_says_who_is_a_guest_where_the_account_does_not(project: Project) -> None:
    await limit(project, max_pending_per_guest=1)
    user = await project.new_user()
    claims = {"role": "authenticated", "sub": user, "is_anonymous": True}
    for allowed in (True, False):
        async with project.acting_as("authenticated", user) as run:
            await run(f"select set_config('request.jwt.claims', '{json.dumps(claims)}', true)")
            if allowed:
                await run(INSERT)
                continue
            with pytest.raises(psycopg.Error, match="for one guest"):
                await run(INSERT)


async def test_a_retry_is_held_to_the_limit_and_a_worker_is_not(project: Project) -> None:
    user = await project.new_user()
    await limit(project, max_pending_per_user=2, max_pending=2)
    await project.as_user(user, MANY.format(2))
    claims = await project.claim()
    await project.as_user(user, "update public.music_tracks set status = 'error'")
    await project.as_user(user, MANY.format(2))
    again = "update public.music_tracks set status = 'pending' where status = 'error'"
    assert "2 tracks" in await refused(project, user, again)
    claims = await project.claim()
    await project.as_user(user, MANY.format(2))
    await project.as_service(
        "select public.release_music_claims('worker-1', %s)", [c["claim_id"] for c in claims]
    )
    assert await pending(project) == await counted(project) == 4


async def test_deleting_and_making_makes_room(project: Project) -> None:
    user = await project.new_user()
    await limit(project, max_pending_per_user=1, max_pending=1)
    await project.as_user(user, INSERT)
    await refused(project, user, INSERT)
    await project.claim()
    await project.as_user(user, INSERT)
    await refused(project, user, INSERT)
    await project.sql("delete from public.music_tracks where status = 'pending'")
    await project.as_user(user, INSERT)
    assert await counted(project) == await pending(project) == 1


async def insert_as(project: Project, connection: Connection, user: str) -> None:
    claims = json.dumps({"role": "authenticated", "sub": user})
    await rows(
        connection,
        "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
        claims,
        "authenticated",
    )
    await rows(connection, INSERT)


@pytest.mark.parametrize("whose", ["max_pending_per_user", "max_pending"])
async def test_two_at_once_do_not_share_the_last_place(project: Project, whose: str) -> None:
    await limit(project, **{whose: 1})
    users = [await project.new_user()] * 2
    if whose == "max_pending":
        users[1] = await project.new_user()
    first, second = [await project.another_connection() for _ in users]
    async with first.transaction():
        await insert_as(project, first, users[0])

        async def late() -> None:
            async with second.transaction():
                await insert_as(project, second, users[1])

        waiting = asyncio.create_task(late(), name="the second insert")
        while not await project.value(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        ):
            assert not waiting.done()
    with pytest.raises(psycopg.Error, match="More than 1 tracks may not wait"):
        await waiting
    assert await pending(project) == await counted(project) == 1


async def test_the_queue_of_all_is_counted_by_its_changes(project: Project) -> None:
    """An insert reads a few hundred small rows, however long the queue is."""
    await limit(project, max_pending=2000)
    for _ in range(300):
        await project.new_track()
    assert await project.value("select count(*) from music.waiting") <= 202
    await project.sql(MANY.format(1700))
    with pytest.raises(psycopg.Error, match="More than 2000 tracks may not wait at once"):
        await project.new_track()
    assert await counted(project) == await pending(project) == 2000


async def test_a_count_that_went_wrong_is_put_right_by_the_workers(project: Project) -> None:
    await limit(project, max_pending=5)
    await project.new_track()
    await project.sql("insert into music.waiting (change) values (100)")
    with pytest.raises(psycopg.Error, match="may not wait"):
        await project.new_track()
    await project.as_service("select public.report_music_account(10, 100)")
    assert await counted(project) == 1
    await project.new_track()


async def test_no_limit_is_null(project: Project) -> None:
    await limit(project, max_pending=None, max_pending_per_user=None, max_pending_per_guest=None)
    await project.as_user(await new_guest(project), MANY.format(1500))


async def test_guests_have_a_budget_together(project: Project) -> None:
    """However many accounts a guest makes, and whichever of them are deleted since."""
    await limit(project, daily_budget_cents_of_guests=9, max_concurrent=None)
    user = await project.new_user()
    for _ in range(2):
        guest = await new_guest(project)
        await project.as_user(guest, INSERT)
        [claim] = await project.claim()
        await project.submitted(claim)
        await project.sql("delete from auth.users where id = %s", guest)
    guest = await new_guest(project)
    await project.as_user(guest, INSERT)
    await project.as_user(user, INSERT)
    [claim] = await project.claim()
    assert str(claim["user_id"]) == user
    await project.submitted(claim)
    [waiting] = await project.sql(
        "select error_code, error_message from public.music_tracks where user_id = %s", guest
    )
    assert waiting["error_code"] == "over_budget"
    await limit(project, daily_budget_cents_of_guests=100)
    [claim] = await project.claim()
    assert str(claim["user_id"]) == guest


async def test_an_intent_of_a_guest_is_held_to_the_budget_of_guests(project: Project) -> None:
    await limit(project, daily_budget_cents_of_guests=5)
    for _ in range(2):
        await project.as_user(await new_guest(project), INSERT)
    first, second = await project.claim()
    await project.submitted(first)
    assert not await project.as_service(
        "select * from public.begin_music_generation(%s, %s, '{}', 'm', 4.5)",
        second["claim_id"],
        str(uuid.uuid4()),
    )
    [event] = await project.sql("select detail from music.events where kind = 'over_budget'")
    assert event["detail"]["of"] == "guests"


async def test_a_fresh_project_has_a_budget_and_an_end_of_its_queue(project: Project) -> None:
    [row] = await project.sql("select * from public.music_queue_health")
    ends = (row["max_pending"], row["max_pending_per_user"], row["max_pending_per_guest"])
    assert ends == (100_000, 1000, 20)
    assert (row["daily_budget_cents"], row["daily_budget_cents_of_guests"]) == (1000, 500)


async def test_a_budget_raised_over_45000_waiting_tracks_takes_effect_at_once(
    project: Project,
) -> None:
    await limit(project, daily_budget_cents=0, max_pending=None)
    await project.operator.execute(
        b"alter table public.music_tracks disable trigger user;"
        b"insert into public.music_tracks (prompt, error_code, error_message, run_after)"
        b" select 'n', 'over_budget', 'Tomorrow.', music.start_of_tomorrow()"
        b" from generate_series(1, 45000);"
        b"alter table public.music_tracks enable trigger user"
    )
    await project.operator.execute(b"set statement_timeout = '8s'")
    await limit(project, daily_budget_cents=1000)
    assert len(await project.claim()) == 10
    released = "select count(*) from public.music_tracks where run_after <= now()"
    seen = await project.value(released)
    assert seen >= 200
    for _ in range(3):
        await project.claim("worker-2")
        assert await project.value(released) > seen
        seen = await project.value(released)


async def test_a_track_that_its_intent_put_off_is_not_released_without_end(
    project: Project,
) -> None:
    """Only what waits since before the budget was raised; else it would go round and round."""
    await limit(project, daily_budget_cents=1)
    await limit(project, daily_budget_cents=2)
    await project.new_track()
    [claim] = await project.claim()
    await project.as_service(
        "select * from public.begin_music_generation(%s, %s, '{}', 'm', 4.5)",
        claim["claim_id"],
        str(uuid.uuid4()),
    )
    assert await project.claim() == []
    assert await project.claim() == []

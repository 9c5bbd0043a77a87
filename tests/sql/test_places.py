"""The places for generations at once: taken from the intent on, free when Mureka is done."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from tests.support.database import Project, rows

LEAVE = {
    "cancelled": "update public.music_tracks set status = 'error' where id = %s",
    "deleted": "delete from public.music_tracks where id = %s",
    "retried": "update public.music_tracks set status = 'error' where id = %s",
}


async def limits(project: Project, of_all: int, of_a_user: int | None = None) -> None:
    await project.sql(
        "update music.settings set max_concurrent = %s, max_concurrent_per_user = %s where id",
        of_all,
        of_a_user,
    )


async def begun(project: Project, claim: Any) -> str:
    """The intent of a paid call that is in the air."""
    generation_id = str(uuid.uuid4())
    [_] = await project.sql(
        "select * from public.begin_music_generation(%s, %s, %s, 'mureka-9', 4.5)",
        claim["claim_id"],
        generation_id,
        '{"kind": "instrumental", "body": {}}',
    )
    return generation_id


async def leave(project: Project, user: str, track_id: str, how: str) -> None:
    """The track is not wanted any more; or is again."""
    if how == "deleted":
        await project.sql(LEAVE[how], track_id)
    else:
        await project.as_user(user, LEAVE[how], track_id)
    if how == "retried":
        await project.as_user(
            user, "update public.music_tracks set status = 'pending' where id = %s", track_id
        )


async def left_over(project: Project) -> Any:
    return await project.value("select public.take_left_over_music(10, 4)")


@pytest.mark.parametrize("how", LEAVE)
async def test_a_call_in_the_air_takes_its_place_until_it_is_refused(
    project: Project, how: str
) -> None:
    await limits(project, 2, 1)
    user, other = await project.new_user(), await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    generation_id = await begun(project, claim)
    await leave(project, user, track_id, how)
    await project.new_track(user)
    for _ in range(2):
        await project.new_track(other)
    assert [claim["user_id"] for claim in await project.claim()] == [uuid.UUID(other)]
    assert await project.value("select left_over from public.music_queue_health") == 1
    assert (await left_over(project))["tasks"] == [], "there is no task to ask after"
    await project.sql("select * from public.refuse_music_generation(%s, 'Busy.')", generation_id)
    assert [claim["user_id"] for claim in await project.claim()] == [uuid.UUID(user)]
    assert await project.value("select music.spent_today_cents()") == 0


@pytest.mark.parametrize("how", LEAVE)
async def test_a_task_that_nobody_waits_for_takes_its_place_until_mureka_is_done(
    project: Project, how: str
) -> None:
    await limits(project, 1)
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    generation_id = await begun(project, claim)
    await leave(project, user, track_id, how)
    await project.sql("select public.record_music_task(%s, 'task-1', null)", generation_id)
    other = await project.new_track()
    await project.sql("update public.music_tracks set run_after = now() + interval '1 hour'"
                      " where id = %s", track_id)  # fmt: skip
    assert await project.claim() == []
    found = await left_over(project)
    assert found["running"] == 1
    [task] = found["tasks"]
    assert (task["generation_id"], task["mureka_task_id"]) == (generation_id, "task-1")
    assert await project.sql(
        "select * from public.close_left_over_music(%s, 'succeeded')", generation_id
    )
    assert (await left_over(project)) == {"tasks": [], "running": 0}
    assert [str(claim["track_id"]) for claim in await project.claim()] == [other]


async def test_the_music_of_a_cancelled_track_is_had_for_free_though_mureka_was_done(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.as_user(user, LEAVE["cancelled"], track_id)
    [task] = (await left_over(project))["tasks"]
    await project.sql("select public.close_left_over_music(%s, 'succeeded')", task["generation_id"])
    await project.as_user(
        user, "update public.music_tracks set status = 'pending' where id = %s", track_id
    )
    [claim] = await project.claim()
    assert claim["mureka_task_id"] == "task-1"


async def test_the_ledger_closes_the_call_of_a_deleted_track_once_mureka_is_done(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.sql(LEAVE["deleted"], track_id)
    [task] = (await left_over(project))["tasks"]
    await project.sql("select public.close_left_over_music(%s, 'succeeded')", task["generation_id"])
    [call] = await project.sql(
        "select state, failed_reason, finished_at is not null as is_finished from music.generations"
    )
    assert tuple(call.values()) == ("abandoned", "Its track was deleted.", True)


async def test_a_deferred_track_resumes_in_the_place_that_its_task_has(project: Project) -> None:
    await limits(project, 1, 1)
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.sql(
        "select public.defer_music_track(%s, 0, 'open', 'storage_failed', 'Later.', true)",
        claim["claim_id"],
    )
    await project.new_track(user)
    [claim] = await project.claim()
    assert str(claim["track_id"]) == track_id
    assert await project.claim() == []


async def test_a_failure_frees_the_place_at_once_and_an_overdue_task_keeps_it(
    project: Project,
) -> None:
    await limits(project, 1)
    for outcome, is_free in (("failed", True), ("overdue", False)):
        await project.new_track()
        [claim] = await project.claim()
        await project.submitted(claim, f"task-{outcome}")
        await project.sql(
            "select public.fail_music_track(%s, %s, 'generation_timeout', 'Late.')",
            claim["claim_id"],
            outcome,
        )
        assert (await left_over(project))["running"] == (0 if is_free else 1)
    await project.new_track()
    assert await project.claim() == []


async def test_a_call_that_was_never_answered_gives_its_place_back_in_time(
    project: Project,
) -> None:
    await limits(project, 1)
    await project.new_track()
    [claim] = await project.claim()
    await begun(project, claim)
    await project.sql("delete from public.music_tracks")
    await project.new_track()
    assert await project.claim() == []
    older = "update music.generations set intent_at = intent_at - %s::interval"
    await project.sql(older, "9 minutes")
    assert await project.claim() == []
    await project.sql(older, "2 minutes")
    assert len(await project.claim()) == 1


async def test_a_late_receipt_takes_the_place_again(project: Project) -> None:
    """Whatever was thought of the call: Mureka works on it."""
    await limits(project, 1)
    await project.new_track()
    [claim] = await project.claim()
    generation_id = await begun(project, claim)
    await project.sql("delete from public.music_tracks")
    await project.sql("select * from public.refuse_music_generation(%s, 'Busy.')", generation_id)
    await project.sql("select public.record_music_task(%s, 'task-1', null)", generation_id)
    await project.new_track()
    assert await project.claim() == []
    assert (await left_over(project))["running"] == 1


async def test_how_long_an_unanswered_call_may_run_follows_what_generations_take(
    project: Project,
) -> None:
    seconds = "select music.unanswered_seconds()"
    assert await project.value(seconds) == 600
    await project.sql(
        "insert into music.generations (id, state, request, model, intent_at, mureka_task_id,"
        " accepted_at, expected_cost_cents, finished_at)"
        " select gen_random_uuid(), 'succeeded', '{}', 'mureka-9', now() - n * interval '1 s',"
        " n::text, now(), 4.5, now() from generate_series(10, 40, 10) n"
    )
    assert await project.value(seconds) == 60 + 2 * 40


async def test_each_task_is_asked_after_by_one_worker_and_later_the_older_it_is(
    project: Project,
) -> None:
    for number in range(6):
        await project.new_track()
        [claim] = await project.claim(limit=1)
        await project.submitted(claim, f"task-{number}")
    await project.sql("delete from public.music_tracks")
    connections = [await project.another_connection() for _ in range(2)]
    found = await asyncio.gather(
        *(rows(c, "select public.take_left_over_music(4, 4) as found") for c in connections)
    )
    tasks = [task["mureka_task_id"] for [row] in found for task in row["found"]["tasks"]]
    rest = [task["mureka_task_id"] for task in (await left_over(project))["tasks"]]
    assert sorted(tasks + rest) == [f"task-{number}" for number in range(6)]
    assert (await left_over(project)) == {"tasks": [], "running": 6}
    await project.sql(
        "update music.generations set next_look_at = null, intent_at = now() - interval '10 min'"
    )
    assert len((await left_over(project))["tasks"]) == 6
    assert await project.value(
        "select bool_and(next_look_at > now() + interval '25 s') from music.generations"
    )
    await project.sql("update music.generations set intent_at = now() - interval '61 min'")
    assert (await left_over(project))["running"] == 0, "after an hour nothing runs"


async def test_after_a_refusal_for_rate_unanswered_calls_count_as_what_mureka_was_working_on(
    project: Project,
) -> None:
    for _ in range(3):
        await project.new_track()
        [claim] = await project.claim(limit=1)
        await begun(project, claim)
    await project.sql("delete from public.music_tracks")
    await project.new_track()
    [claim] = await project.claim()
    await begun(project, claim)
    await project.sql(
        "select public.defer_music_track(%s, 0, 'refused', 'rate_limited', 'Busy.', false)",
        claim["claim_id"],
    )
    assert await project.value("select slowed_down_to from music.account") == 3
    assert await project.claim() == []
    await project.sql("update music.account set slowed_down_at = now() - interval '16 seconds'")
    assert len(await project.claim()) == 1

"""How tracks are taken, kept, taken over and handed back."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from tests.support.database import Project, rows

CLAIM = "select * from public.claim_music_tracks(%s, %s, 30)"


async def test_a_claim_turns_pending_into_generating_and_answers_the_track(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user, prompt="rain", genre="jazz", duration=30)
    [claim] = await project.claim("worker-7")
    assert str(claim["track_id"]) == track_id
    assert (claim["prompt"], claim["genre"], claim["duration"], claim["attempt"]) == (
        "rain",
        "jazz",
        30,
        1,
    )
    assert claim["generation_id"] is None
    assert claim["expected_seconds"] is None
    track = await project.track(track_id)
    assert track["status"] == "generating"
    assert track["started_at"] is not None
    assert track["expected_ready_at"] > track["started_at"]
    assert await project.claim("worker-8") == []


async def test_two_workers_never_claim_the_same_track(project: Project) -> None:
    await project.sql("update music.settings set max_concurrent = null")
    for _ in range(60):
        await project.new_track()
    connections = [await project.another_connection() for _ in range(6)]

    async def greedy(worker: int) -> list[object]:
        taken: list[object] = []
        while found := await rows(connections[worker], CLAIM, f"worker-{worker}", 3):
            taken += [claim["track_id"] for claim in found]
        return taken

    taken = await asyncio.gather(*(greedy(worker) for worker in range(6)))
    counts = Counter(track for tracks in taken for track in tracks)
    assert len(counts) == 60
    assert set(counts.values()) == {1}
    assert sum(1 for tracks in taken if tracks) > 1, "the race had only one runner"


async def test_the_fleet_limit_holds_with_many_workers_at_once(project: Project) -> None:
    await project.sql("update music.settings set max_concurrent = 4")
    for _ in range(20):
        await project.new_track()
    connections = [await project.another_connection() for _ in range(6)]
    taken = await asyncio.gather(
        *(rows(connection, CLAIM, f"worker-{n}", 10) for n, connection in enumerate(connections))
    )
    assert sum(len(found) for found in taken) == 4


async def test_the_user_limit_holds_and_leaves_room_for_others(project: Project) -> None:
    await project.sql("update music.settings set max_concurrent_per_user = 2")
    keen, shy = await project.new_user(), await project.new_user()
    for _ in range(5):
        await project.new_track(keen)
    await project.new_track(shy)
    owners = Counter(str(claim["user_id"]) for claim in await project.claim())
    assert owners == {keen: 2, shy: 1}
    assert await project.claim() == []


async def test_users_take_turns_however_many_tracks_one_of_them_asked_for(project: Project) -> None:
    keen, shy = await project.new_user(), await project.new_user()
    for _ in range(5):
        await project.new_track(keen)
    await project.new_track(shy)
    owners = [str(claim["user_id"]) for claim in await project.claim(limit=2)]
    assert sorted(owners) == sorted([keen, shy])


async def test_priority_goes_before_turn_and_age(project: Project) -> None:
    await project.new_track()
    urgent = await project.new_track(priority=5)
    assert [str(claim["track_id"]) for claim in await project.claim(limit=1)] == [urgent]


async def test_a_track_waits_until_run_after(project: Project) -> None:
    track_id = await project.new_track()
    await project.sql(
        "update public.music_tracks set run_after = now() + interval '1 hour' where id = %s",
        track_id,
    )
    assert await project.claim() == []


async def test_pause_stops_new_claims_but_not_the_rescue_of_lost_tracks(project: Project) -> None:
    await project.new_track()
    [held] = await project.claim("dead")
    await project.submitted(held)
    await project.lose_lease(held)
    await project.new_track()
    await project.sql("update music.settings set paused = true")
    assert [claim["track_id"] for claim in await project.claim("heir")] == [held["track_id"]]
    assert await project.claim("heir") == []


async def test_the_daily_budget_stops_new_claims_but_not_resuming(project: Project) -> None:
    first = await project.new_track()
    [held] = await project.claim()
    await project.submitted(held)
    await project.sql("update music.settings set daily_budget_cents = 4")
    await project.new_track()
    assert await project.claim() == []
    await project.as_service(
        "select public.release_music_claims('worker-1', %s)", [held["claim_id"]]
    )
    assert [str(claim["track_id"]) for claim in await project.claim()] == [first]


async def test_a_claim_says_when_the_track_was_asked_for_and_how_long_ago(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    created_at = (await project.track(track_id))["created_at"]
    assert claim["asked_at"] == created_at
    assert claim["asked_seconds"] == pytest.approx(claim["waited_seconds"])
    assert 0 <= claim["waited_seconds"] < 60
    await project.lose_lease(claim)
    [taken_over] = await project.claim("worker-2")
    assert (taken_over["asked_at"], taken_over["waited_seconds"]) == (created_at, None)
    assert taken_over["asked_seconds"] >= claim["asked_seconds"]


async def test_a_retry_asks_for_the_track_once_more(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    for status in ("error", "pending"):
        await project.sql(
            "update public.music_tracks set status = %s where id = %s", status, track_id
        )
    [again] = await project.claim()
    [retried] = await project.sql(
        "select at from music.events where track_id = %s and kind = 'retried'", track_id
    )
    assert again["asked_at"] == retried["at"] > claim["asked_at"]
    assert again["asked_seconds"] < 60


async def test_a_lease_that_ran_out_is_taken_over_with_its_receipt_and_counts_an_attempt(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [held] = await project.claim("dead")
    generation_id = await project.submitted(held, "task-42")
    assert await project.claim("heir") == []
    await project.lose_lease(held)
    [taken] = await project.claim("heir")
    assert str(taken["track_id"]) == track_id
    assert taken["claim_id"] != held["claim_id"]
    assert (taken["attempt"], taken["attempts"]) == (2, 1)
    assert str(taken["generation_id"]) == generation_id
    assert taken["mureka_task_id"] == "task-42"
    assert taken["generation_age_seconds"] >= 0


@pytest.mark.parametrize(
    "call",
    [
        "select * from public.complete_music_track(%s, 'path', 'https://x/y.mp3', 1000)",
        "select * from public.fail_music_track(%s, 'open', 'internal', 'No.')",
        "select * from public.defer_music_track(%s, 1, 'open', 'internal', 'No.', true)",
        "select * from public.report_music_stage(%s, 'running')",
        "select * from public.begin_music_generation(%s, gen_random_uuid(), '{}', 'mureka-9', 4.5)",
    ],
)
async def test_a_worker_that_lost_its_claim_changes_nothing(project: Project, call: str) -> None:
    track_id = await project.new_track()
    [held] = await project.claim("slow")
    await project.submitted(held)
    await project.lose_lease(held)
    await project.claim("heir")
    before = await project.track(track_id)
    assert await project.as_service(call, held["claim_id"]) == []
    assert await project.track(track_id) == before
    assert await project.value("select worker_id from music.claims") == "heir"


async def test_renewing_prolongs_own_claims_and_answers_only_those(project: Project) -> None:
    for _ in range(2):
        await project.new_track()
    mine, other = await project.claim("me", 1), await project.claim("other", 1)
    await project.sql("update music.claims set lease_expires_at = now() - interval '1 second'")
    ids = [mine[0]["claim_id"], other[0]["claim_id"]]
    found = await project.as_service("select * from public.renew_music_claims('me', %s, 30)", ids)
    assert [next(iter(row.values())) for row in found] == [mine[0]["claim_id"]]
    assert (
        await project.value("select count(*) from music.claims where lease_expires_at > now()") == 1
    )


async def test_a_release_puts_the_track_back_at_once_and_counts_no_attempt(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [held] = await project.claim()
    found = await project.as_service(
        "select * from public.release_music_claims('worker-1', %s)", [held["claim_id"]]
    )
    assert [next(iter(row.values())) for row in found] == [held["claim_id"]]
    track = await project.track(track_id)
    assert (track["status"], track["attempts"]) == ("pending", 0)
    assert len(await project.claim("worker-2")) == 1


@pytest.mark.parametrize("args", [("", 1, 30), ("w", -1, 30), ("w", 1001, 30), ("w", 1, 0)])
async def test_senseless_arguments_are_refused_with_a_sentence(
    project: Project, args: tuple[str, int, int]
) -> None:
    with pytest.raises(psycopg.Error, match="claim_music_tracks needs") as refusal:
        await project.claim(*args)
    assert refusal.value.sqlstate == "MU002"


async def test_expected_time_is_the_median_of_recent_generations(project: Project) -> None:
    for seconds in (20, 40, 90):
        await project.sql(
            "insert into music.generations"
            " (id, state, request, model, intent_at, accepted_at, mureka_task_id, finished_at,"
            " expected_cost_cents)"
            " values (gen_random_uuid(), 'succeeded', '{}', 'mureka-9',"
            " now() - make_interval(secs => %s), now(), gen_random_uuid()::text, now(), 4.5)",
            seconds,
        )
    await project.new_track()
    [claim] = await project.claim()
    assert claim["expected_seconds"] == pytest.approx(40, abs=1)


async def test_a_worker_is_listed_with_its_state_and_last_sign_of_life(project: Project) -> None:
    report = "select public.report_music_worker('w', 'host', '1.0', 10, %s, %s)"
    await project.as_service(report, "running", None)
    await project.as_service(report, "blocked", "The balance is used up.")
    [worker] = await project.sql("select * from music.workers")
    assert (worker["state"], worker["note"]) == ("blocked", "The balance is used up.")
    await project.sql("update music.workers set last_seen_at = now() - interval '1 hour'")
    await project.as_service("select public.renew_music_claims('w', '{}', 30)")
    assert await project.value(
        "select now() - last_seen_at < interval '1 minute' from music.workers"
    )


async def test_a_track_that_loses_worker_after_worker_is_given_up_and_stays_resumable(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_attempts = 3")
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    for _ in range(2):
        await project.lose_lease(claim)
        [claim] = await project.claim()
    await project.lose_lease(claim)
    assert await project.claim() == []
    track = await project.track(track_id)
    assert (track["status"], track["error_code"]) == ("error", "attempts_exhausted")
    assert "worker was lost" in track["error_message"]
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    [claim] = await project.claim()
    assert claim["mureka_task_id"] == "task-1"


async def test_the_fleet_slows_down_when_refused_for_its_rate_and_recovers(
    project: Project,
) -> None:
    for _ in range(6):
        await project.new_track()
    accepted, refused = (await project.claim(limit=3))[:2], await project.claim(limit=1)
    for claim in accepted:
        await project.submitted(claim)
    await project.write_intent(refused[0])
    await project.as_service(
        "select * from public.defer_music_track(%s, 0, 'refused', 'rate_limited', 'Busy.', false)",
        refused[0]["claim_id"],
    )
    assert await project.claim() == []
    assert await project.value("select slowed_down_to from music.account") == 2
    await project.sql("delete from public.music_tracks where id = %s", refused[0]["track_id"])
    await project.new_track()
    assert await project.claim() == [], "whose call it was does not matter"
    ago = "update music.account set slowed_down_at = slowed_down_at - %s::interval"
    await project.sql(ago, "31 seconds")
    assert len(await project.claim()) == 1
    await project.sql(ago, "10 minutes")
    assert len(await project.claim()) == 2

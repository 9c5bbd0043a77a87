"""What operators do to the queue, and what they see of it."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow

from tests.support.database import Claim, Project

COMPLETE = "select * from public.complete_music_track(%s, 'p', 'https://x', 61234)"
FAIL = "select * from public.fail_music_track(%s, %s, %s, 'A reason.')"
DEFER = "select * from public.defer_music_track(%s, 60, 'refused', %s, 'A reason.', false)"
# What became of the paid call, where a test does not say.
OUTCOMES = {
    "attempts_exhausted": "open",
    "internal": "open",
    "submission_unknown": "unknown",
    "storage_failed": "open",
    "generation_timeout": "overdue",
}
VIEWS = ["music_queue_health", "music_spend_daily", "music_review", "music_track_history"]


async def health(project: Project) -> DictRow:
    [row] = await project.as_service("select * from public.music_queue_health")
    return row


async def failed(project: Project, code: str, *, paid: bool = False, **track: Any) -> str:
    await project.new_track(**track)
    [claim] = await project.claim()
    if paid:
        await project.submitted(claim)
    await project.as_service(FAIL, claim["claim_id"], OUTCOMES.get(code, "failed"), code)
    return str(claim["track_id"])


async def deferred(project: Project, code: str) -> Claim:
    await project.new_track()
    [claim] = await project.claim()
    await project.as_service(DEFER, claim["claim_id"], code)
    return claim


# --- Pause and resume -----------------------------------------------------------------------------


async def test_a_pause_says_who_when_and_why_and_ends_without_a_trace(project: Project) -> None:
    for _ in range(2):
        await project.new_track()
    await project.claim(limit=1)
    [answer] = await project.as_service(
        "select public.pause_music_queue('Mureka has an outage.') as said"
    )
    assert answer["said"] == "Paused. Waiting: 1 track. Being finished: 1 track."
    assert await project.claim() == []
    seen = await health(project)
    assert (seen["paused"], seen["paused_by"], seen["paused_reason"]) == (
        True,
        "service_role",
        "Mureka has an outage.",
    )
    assert (datetime.now(UTC) - seen["paused_at"]).total_seconds() < 60
    await project.sql("select public.pause_music_queue()")
    again = await health(project)
    assert again["paused_at"] == seen["paused_at"]
    assert again["paused_reason"] == "Mureka has an outage."
    told = "select count(*) from realtime.messages where topic = 'music:pending'"
    before = await project.value(told)
    assert (
        await project.value("select public.resume_music_queue()") == "Going on. Waiting: 1 track."
    )
    assert await project.value(told) > before
    seen = await health(project)
    assert [seen[name] for name in ("paused", "paused_at", "paused_by", "paused_reason")] == [
        False,
        None,
        None,
        None,
    ]
    assert len(await project.claim()) == 1


async def test_a_pause_by_editing_the_row_is_remembered_as_well(project: Project) -> None:
    await project.sql("update music.settings set paused = true, paused_reason = 'Lunch.'")
    seen = await health(project)
    assert (seen["paused_by"], seen["paused_reason"]) == ("postgres", "Lunch.")
    assert seen["paused_at"] is not None


# --- Retry and cancel many ------------------------------------------------------------------------


async def test_a_dry_run_says_what_is_free_and_what_it_costs_and_changes_nothing(
    project: Project,
) -> None:
    user = await project.new_user()
    paid = await failed(project, "storage_failed", paid=True, user_id=user)
    unpaid = await failed(project, "storage_failed")
    await failed(project, "internal")
    found = await project.as_service(
        "select * from public.retry_music_tracks(p_error_code => 'storage_failed')"
    )
    assert [dict(row) | {"track_id": str(row["track_id"])} for row in found] == [
        {
            "track_id": paid,
            "user_id": uuid.UUID(user),
            "error_code": "storage_failed",
            "is_free": True,
            "expected_cost_cents": Decimal(0),
            "retried": False,
        },
        {
            "track_id": unpaid,
            "user_id": None,
            "error_code": "storage_failed",
            "is_free": False,
            "expected_cost_cents": Decimal("4.50"),
            "retried": False,
        },
    ]
    assert await project.value("select count(*) from music_tracks where status = 'error'") == 3


async def test_a_retry_of_many_takes_those_that_meet_every_condition(project: Project) -> None:
    old = await failed(project, "internal")
    await project.sql("alter table public.music_tracks disable trigger user")
    await project.sql("update public.music_tracks set updated_at = now() - interval '2 days'")
    await project.sql("alter table public.music_tracks enable trigger user")
    new, other = await failed(project, "internal"), await failed(project, "generation_failed")
    query = "select track_id, retried from public.retry_music_tracks(%s, %s, %s, false)"
    since = "now() - interval '1 day'"
    [row] = await project.sql(query.replace("%s, false", f"{since}, false"), [old, new], "internal")
    assert (str(row["track_id"]), row["retried"]) == (new, True)
    assert (await project.track(new))["status"] == "pending"
    assert (await project.track(old))["status"] == "error"
    assert (await project.track(other))["status"] == "error"
    assert await project.sql(query, [new], None, None) == []  # it waits already


async def test_a_retry_is_free_exactly_where_it_said_so(project: Project) -> None:
    free = await failed(project, "generation_timeout", paid=True)
    await failed(project, "generation_failed", paid=True)
    found = await project.as_service(
        "select * from public.retry_music_tracks(p_since => now() - interval '1 hour',"
        " p_dry_run => false)"
    )
    claims = await project.claim()
    resumed = {str(claim["track_id"]) for claim in claims if claim["mureka_task_id"]}
    assert {str(row["track_id"]) for row in found if row["is_free"]} == resumed == {free}


async def test_a_retry_of_everything_without_a_condition_is_refused(project: Project) -> None:
    with pytest.raises(psycopg.Error, match="needs at least one of") as refused:
        await project.as_service("select * from public.retry_music_tracks()")
    assert refused.value.sqlstate == "MU002"
    assert refused.value.diag.message_hint


async def test_many_are_cancelled_at_once_and_what_has_ended_is_left_alone(
    project: Project,
) -> None:
    done = await failed(project, "internal")
    running = await project.new_track()
    await project.claim()
    pending = await project.new_track()
    ids = [done, running, pending, str(uuid.uuid4())]
    found = await project.as_service("select * from public.cancel_music_tracks(%s)", ids)
    assert {str(row["track_id"]): row["status_before"] for row in found} == {
        running: "generating",
        pending: "pending",
    }
    for track_id in (running, pending):
        assert (await project.track(track_id))["error_code"] == "cancelled"
    assert await project.value("select count(*) from music.claims") == 0
    assert (await project.track(done))["error_code"] == "internal"
    with pytest.raises(psycopg.Error, match="needs the ids"):
        await project.sql("select * from public.cancel_music_tracks(null)")


# --- Health ---------------------------------------------------------------------------------------


async def test_the_health_of_an_empty_queue_is_one_row_of_nothing(project: Project) -> None:
    seen = await health(project)
    assert [seen[name] for name in ("pending", "due", "generating", "workers_alive")] == [0] * 4
    assert seen["oldest_pending_seconds"] is None
    assert seen["waiting"] == {
        "paused": 0,
        "fleet_limit": 0,
        "user_limit": 0,
        "budget": 0,
        "worker": 0,
        "scheduled": 0,
        "put_off": {},
    }
    assert (seen["failures_last_hour"], seen["workers_blocked"]) == ({}, [])
    assert seen["allowed_at_once"] == 10


async def test_each_waiting_track_is_counted_once_under_what_it_waits_for(
    project: Project,
) -> None:
    keen, shy = await project.new_user(), await project.new_user()
    await deferred(project, "provider_unavailable")
    await project.sql("update music.settings set max_concurrent = 3, max_concurrent_per_user = 2")
    for _ in range(5):
        await project.new_track(keen)
    for _ in range(2):
        await project.new_track(shy)
    await project.sql(
        "insert into public.music_tracks (prompt, run_after) values ('later', now() + '1 hour')"
    )
    seen = await health(project)
    assert (seen["pending"], seen["due"], seen["generating"]) == (9, 7, 0)
    assert seen["waiting"] == {
        "paused": 0,
        "fleet_limit": 1,
        "user_limit": 3,
        "budget": 0,
        "worker": 3,
        "scheduled": 1,
        "put_off": {"provider_unavailable": 1},
    }
    assert len(await project.claim()) == 3
    seen = await health(project)
    assert seen["waiting"]["worker"] == 0
    assert sum(seen["waiting"][name] for name in ("fleet_limit", "user_limit")) == 4
    await project.sql("update music.settings set paused = true")
    assert (await health(project))["waiting"]["paused"] == 4


async def test_tracks_over_budget_are_counted_before_and_after_they_are_put_off(
    project: Project,
) -> None:
    await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(COMPLETE, claim["claim_id"])
    await project.sql("update music.settings set daily_budget_cents = 5")
    await project.new_track()
    for _ in range(2):
        seen = await health(project)
        assert (seen["waiting"]["budget"], seen["waiting"]["worker"]) == (1, 0)
        assert (float(seen["spent_today_cents"]), float(seen["daily_budget_cents"])) == (4.5, 5)
        await project.claim()


async def test_health_shows_failures_times_workers_and_account(project: Project) -> None:
    for code in ("internal", "generation_failed", "internal"):
        await failed(project, code)
    track_id = await project.new_track()
    await project.sql("update music.events set at = at - interval '10 s' where kind = 'created'")
    await project.sql("alter table public.music_tracks disable trigger user")
    await project.sql(
        "update public.music_tracks set run_after = run_after - interval '10 s',"
        " created_at = created_at - interval '10 s' where id = %s",
        track_id,
    )
    await project.sql("alter table public.music_tracks enable trigger user")
    assert 9 < (await health(project))["oldest_pending_seconds"] < 30
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(COMPLETE, claim["claim_id"])
    report = "select public.report_music_worker(%s, 'host', '1', 10, %s, %s)"
    await project.as_service(report, "one", "running", None)
    await project.as_service(report, "two", "blocked", "The balance is used up.")
    await project.as_service(report, "three", "stopped", None)
    await project.as_service("select public.report_music_account(3, 250)")
    seen = await health(project)
    assert seen["failures_last_hour"] == {"internal": 2, "generation_failed": 1}
    for name in ("pick_up_p50", "pick_up_p95", "total_p50", "total_p95"):
        assert 9 < seen[f"{name}_seconds"] < 30, name
    assert seen["workers_alive"] == 2
    assert [(w["id"], w["note"]) for w in seen["workers_blocked"]] == [
        ("two", "The balance is used up.")
    ]
    assert (seen["allowed_at_once"], seen["account_limit"], seen["account_balance_cents"]) == (
        3,
        3,
        Decimal(250),
    )


# --- Money, review, history -----------------------------------------------------------------------


async def test_spending_is_shown_by_day_and_model(project: Project) -> None:
    await failed(project, "generation_failed", paid=True)
    await failed(project, "storage_failed", paid=True)
    await project.new_track()
    [claim] = await project.claim()
    await project.write_intent(claim)
    await project.as_service(DEFER, claim["claim_id"], "rate_limited")
    await project.sql("update music.generations set place_freed_at = now()")  # Mureka is done
    await project.new_track()
    [claim] = await project.claim()
    await project.write_intent(claim)
    [today] = await project.as_service("select * from public.music_spend_daily")
    assert dict(today) == {
        "utc_day": datetime.now(UTC).date(),
        "model": "mureka-9",
        "paid_calls": 3,
        "refused": 1,
        "failed": 1,
        "submission_unknown": 1,
        "expected_cost_cents": Decimal("13.50"),
    }


async def test_review_is_empty_when_nothing_waits_for_a_person(project: Project) -> None:
    track_id = await project.new_track()
    await project.sql("update public.music_tracks set status = 'error' where id = %s", track_id)
    await project.as_service("select public.report_music_worker('w', 'h', '1', 1, 'running', null)")
    assert await project.as_service("select * from public.music_review") == []


async def test_review_says_of_each_failed_track_what_to_do(project: Project) -> None:
    await project.as_service("select public.report_music_worker('w', 'h', '1', 1, 'running', null)")
    cases = {
        "submission_unknown": (False, "record_music_task"),
        "attempts_exhausted": (True, "it is free"),
        "invalid_request": (False, "Correct the prompt"),
        "moderation_blocked": (False, "Word it differently"),
        "generation_timeout": (True, "which is free"),
        "generation_failed": (False, "paid for again"),
        "storage_failed": (True, "it is free"),
        "internal": (True, "which is free"),
    }
    ids = {code: await failed(project, code, paid=code != "submission_unknown") for code in cases}
    found = await project.as_service("select * from public.music_review")
    by_code = {row["what"]: row for row in found}
    assert set(by_code) == set(cases)
    for code, (is_free, words) in cases.items():
        row = by_code[code]
        assert (str(row["track_id"]), row["tracks"], row["reason"]) == (ids[code], 1, "A reason.")
        assert row["is_free"] == is_free, code
        assert words in row["what_to_do"], code
    await project.sql("update public.music_tracks set error_code = 'cancelled'")
    assert await project.as_service("select * from public.music_review") == []


async def test_review_names_what_keeps_many_tracks_waiting(project: Project) -> None:
    await deferred(project, "provider_auth")
    await deferred(project, "quota_exhausted")
    await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.sql("update music.settings set daily_budget_cents = 1")
    for _ in range(3):
        await project.new_track()
    await project.claim()
    await project.sql("select public.pause_music_queue('A move.')")
    report = "select public.report_music_worker(%s, 'host', '1', 10, %s, %s)"
    await project.as_service(report, "blocked", "blocked", "The key is refused.")
    await project.as_service(report, "failing", "failing", "A right is missing.")
    await project.as_service(report, "lost", "running", None)
    await project.sql(
        "update music.workers set last_seen_at = now() - interval '1 hour' where id = 'lost'"
    )
    found = await project.as_service("select * from public.music_review")
    assert {row["what"]: row["tracks"] for row in found} == {
        "provider_auth": 1,
        "quota_exhausted": 1,
        "over_budget": 3,
        "queue_paused": 5,
        "worker_blocked": None,
        "worker_failing": None,
        "worker_lost": None,
    }
    assert all(row["what_to_do"].endswith(".") for row in found)
    reasons = {row["what"]: row["reason"] for row in found}
    assert reasons["queue_paused"] == "Paused by postgres: A move."
    assert reasons["worker_blocked"] == "The key is refused."
    assert reasons["worker_failing"] == "A right is missing."


async def test_review_says_that_no_worker_is_there(project: Project) -> None:
    await project.new_track(run_after="2020-01-01")
    [row] = await project.as_service("select * from public.music_review")
    assert (row["what"], row["tracks"]) == ("no_worker", 1)


async def test_nobody_is_said_to_have_recorded_a_late_receipt(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim("worker-1")
    generation_id = uuid.uuid4()
    await project.as_service(
        "select public.begin_music_generation(%s, %s, '{}', 'mureka-9', 4.5)",
        claim["claim_id"],
        generation_id,
    )
    await project.as_service(FAIL, claim["claim_id"], "unknown", "submission_unknown")
    await project.as_service("select public.record_music_task(%s, 'task-1', null)", generation_id)
    [receipt] = await project.as_service(
        "select what_happened, by_whom from public.music_track_history"
        " where track_id = %s and kind = 'receipt'",
        track_id,
    )
    assert receipt == {
        "what_happened": "Mureka accepted it as task task-1.",
        "by_whom": None,
    }


async def test_the_history_of_a_track_is_told_in_sentences(project: Project) -> None:
    user = await project.new_user()
    track_id = await project.new_track(user)
    [claim] = await project.claim("worker-1")
    await project.submitted(claim, "task-1")
    await project.as_service("select public.report_music_stage(%s, 'streaming')", claim["claim_id"])
    await project.as_service(DEFER, claim["claim_id"], "storage_failed")
    await project.sql("update public.music_tracks set run_after = now()")
    [claim] = await project.claim("worker-2")
    await project.as_service(FAIL, claim["claim_id"], "open", "storage_failed")
    await project.as_user(
        user, "update public.music_tracks set status = 'pending' where id = %s", track_id
    )
    [claim] = await project.claim("worker-2")
    await project.as_service(COMPLETE, claim["claim_id"])
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    found = await project.as_service(
        "select * from public.music_track_history where track_id = %s", track_id
    )
    [edited] = [row for row in found if row["kind"] == "edited"]
    assert edited["what_happened"].startswith("Edited: run_after from ")
    found.remove(edited)
    assert [(row["what_happened"], row["by_whom"]) for row in found] == [
        ("It was asked for.", user),
        ("A worker took it up.", "worker-1"),
        (
            "A paid call of mureka-9 is about to be submitted, expected to cost 4.50 cents.",
            "worker-1",
        ),
        ("Mureka accepted it as task task-1.", "worker-1"),
        ("Mureka says: streaming.", "worker-1"),
        ("Put off for 60 s because of storage_failed: A reason.", "worker-1"),
        ("A worker took it up.", "worker-2"),
        ("It ended in error as storage_failed: A reason.", "worker-2"),
        ("Retried after storage_failed.", user),
        ("A worker took it up.", "worker-2"),
        ("The music is in place, 61 s long.", "worker-2"),
        (
            "Asked for once more, at new cost; its audio stays until the new is in place.",
            "postgres",
        ),
    ]


async def test_every_kind_of_event_has_a_sentence(project: Project) -> None:
    track_id = await project.new_track()
    kinds = [
        "claimed",
        "taken_over",
        "intent",
        "receipt",
        "stage",
        "deferred",
        "slowed_down",
        "over_budget",
        "released",
        "completed",
        "failed",
        "retried",
        "requeued",
        "cancelled",
        "regenerated",
    ]
    for kind in kinds:
        await project.sql(
            "insert into music.events (track_id, kind) values (%s, %s)", track_id, kind
        )
    found = await project.sql("select kind, what_happened from public.music_track_history")
    assert len(found) == len(kinds) + 1
    for row in found:
        assert re.match(r"[A-Z].*", row["what_happened"]), row


@pytest.mark.parametrize("view", VIEWS)
async def test_views_are_for_the_service_and_operators_alone(project: Project, view: str) -> None:
    await project.as_service(f"select * from public.{view}")
    for role in ("anon", "authenticated"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=view):
            async with project.acting_as(role, str(uuid.uuid4())) as run:
                await run(f"select * from public.{view}")


# --- With many finished tracks --------------------------------------------------------------------


async def test_finished_tracks_are_never_read_one_after_the_other(project: Project) -> None:
    await project.sql("alter table public.music_tracks disable trigger user")
    await project.sql(
        "insert into public.music_tracks (prompt, status, file_url, completed_at, created_at)"
        " select 'x', 'completed', 'https://x', now() - interval '3 days', now() -"
        " interval '3 days'"
        " from generate_series(1, 20000)"
    )
    await project.sql("alter table public.music_tracks enable trigger user")
    await project.sql("analyze public.music_tracks")
    for _ in range(5):
        await project.new_track()
    for query in (
        "select * from public.music_queue_health",
        "select * from public.music_review",
        "select * from public.retry_music_tracks(p_since => now() - interval '1 hour')",
        "select * from public.music_tracks where status = 'pending' and run_after <= now()",
    ):
        plan = await project.sql(f"explain {query}")
        lines = "\n".join(row["QUERY PLAN"] for row in plan)
        assert "Seq Scan on music_tracks" not in lines, lines

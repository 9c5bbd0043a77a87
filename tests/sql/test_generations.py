"""One paid call: intent, receipt, end; and what happens when any of these is lost."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import psycopg
import pytest

from tests.support.database import Project, rows

COMPLETE = "select * from public.complete_music_track(%s, 'u/t/g.mp3', 'https://x/y.mp3', 61234)"
FAIL = "select * from public.fail_music_track(%s, %s, %s, 'A reason.')"
DEFER = "select * from public.defer_music_track(%s, %s, %s, %s, 'A reason.', %s)"
BEGIN = "select * from public.begin_music_generation(%s, %s, '{}', 'mureka-9', 4.5)"
RECEIPT = "select * from public.record_music_task(%s, %s, 'trace')"


async def test_the_whole_way_leaves_a_completed_track_a_ledger_row_and_a_history(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.as_service(
        "select public.report_music_stage(%s, 'streaming', 'https://s')", claim["claim_id"]
    )
    assert (await project.track(track_id))["stream_url"] == "https://s"
    assert len(await project.as_service(COMPLETE, claim["claim_id"])) == 1
    track = await project.track(track_id)
    assert (track["status"], track["duration_ms"], track["stage"], track["stream_url"]) == (
        "completed",
        61234,
        None,
        None,
    )
    [generation] = await project.sql("select * from music.generations")
    assert generation["expected_cost_cents"] == Decimal("4.50")
    assert generation["state"] == "succeeded"
    assert generation["intent_at"] <= generation["accepted_at"] <= generation["finished_at"]
    kinds = [row["kind"] for row in await project.sql("select kind from music.events order by id")]
    assert kinds == ["created", "claimed", "intent", "receipt", "stage", "completed"]
    assert await project.value("select count(*) from music.claims") == 0


@pytest.mark.parametrize(
    ("stage", "url"),
    [
        ("<b>done</b>", None),
        ("a status of tomorrow", None),
        (None, None),
        ("running", "javascript:alert(1)"),
        ("running", "https://x/ y"),
        ("running", 'https://x/"><script>'),
        ("running", "https://x/" + "y" * 2000),
    ],
)
async def test_a_stage_is_a_known_word_and_a_stream_an_address(
    project: Project, stage: str | None, url: str | None
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    with pytest.raises(psycopg.Error) as caught:
        await project.as_service(
            "select public.report_music_stage(%s, %s, %s)", claim["claim_id"], stage, url
        )
    assert caught.value.sqlstate == "MU002"
    track = await project.track(track_id)
    assert (track["stage"], track["stream_url"]) == (None, None)


async def test_an_intent_repeated_after_a_lost_answer_is_the_same_intent(
    project: Project,
) -> None:
    await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    assert len(await project.as_service(BEGIN, claim["claim_id"], generation_id)) == 1
    assert await project.value("select count(*) from music.generations") == 1


async def test_no_second_intent_is_written_while_a_generation_is_open(project: Project) -> None:
    await project.new_track()
    [claim] = await project.claim()
    await project.write_intent(claim)
    assert await project.as_service(BEGIN, claim["claim_id"], str(uuid.uuid4())) == []


async def test_once_there_is_a_receipt_no_intent_is_written_again(project: Project) -> None:
    await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.submitted(claim)
    assert await project.as_service(BEGIN, claim["claim_id"], generation_id) == []


async def test_two_intents_at_once_cannot_pass_the_budget_together(project: Project) -> None:
    await project.sql("update music.settings set daily_budget_cents = 5")
    for _ in range(4):
        await project.new_track()
    claims = await project.claim()
    connections = [await project.another_connection() for _ in claims]
    found = await asyncio.gather(
        *(
            rows(connection, BEGIN, claim["claim_id"], str(uuid.uuid4()))
            for connection, claim in zip(connections, claims, strict=True)
        )
    )
    assert sum(len(answer) for answer in found) == 1
    waiting = await project.sql("select * from public.music_tracks where status = 'pending'")
    assert len(waiting) == 3
    assert {track["error_code"] for track in waiting} == {"over_budget"}


async def test_a_receipt_is_stored_without_a_claim_and_may_be_repeated(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    await project.as_service(
        "select public.release_music_claims('worker-1', %s)", [claim["claim_id"]]
    )
    for _ in range(2):
        found = await project.as_service(RECEIPT, generation_id, "task-9")
        assert [str(next(iter(row.values()))) for row in found] == [track_id]
    [again] = await project.claim("worker-2")
    assert again["mureka_task_id"] == "task-9"


async def test_a_second_different_receipt_is_refused(project: Project) -> None:
    await project.new_track()
    [claim] = await project.claim()
    generation_id = await project.submitted(claim, "task-1")
    with pytest.raises(psycopg.Error, match="already has another receipt"):
        await project.as_service(RECEIPT, generation_id, "task-2")


async def test_a_call_whose_worker_died_before_the_receipt_is_never_sent_again(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim("dead")
    await project.write_intent(claim)
    await project.lose_lease(claim)
    assert await project.claim("heir") == []
    track = await project.track(track_id)
    assert (track["status"], track["error_code"]) == ("error", "submission_unknown")
    assert "not submitted twice" in track["error_message"]
    assert await project.value("select state from music.generations") == "unknown"


async def test_a_late_receipt_puts_an_unknown_submission_back_to_work(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim("dead")
    generation_id = await project.write_intent(claim)
    await project.lose_lease(claim)
    await project.claim("heir")
    await project.as_service(RECEIPT, generation_id, "late")
    assert (await project.track(track_id))["status"] == "pending"
    [again] = await project.claim("heir")
    assert again["mureka_task_id"] == "late"


async def test_the_policy_resubmit_sends_an_unknown_submission_again(project: Project) -> None:
    await project.sql("update music.settings set on_unknown_submission = 'resubmit'")
    await project.new_track()
    [claim] = await project.claim("dead")
    await project.write_intent(claim)
    await project.lose_lease(claim)
    [again] = await project.claim("heir")
    assert again["generation_id"] is None
    assert await project.value("select state from music.generations") == "abandoned"
    await project.write_intent(again)


async def test_a_person_may_submit_an_unknown_submission_again(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim("dead")
    await project.write_intent(claim)
    await project.lose_lease(claim)
    await project.claim("heir")
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    assert (await project.track(track_id))["run_after"] is not None
    await project.sql("update public.music_tracks set run_after = now() where id = %s", track_id)
    [again] = await project.claim("heir")
    assert again["generation_id"] is None


@pytest.mark.parametrize(
    ("outcome", "is_refused"),
    [
        ("refused", True),
        ("unknown", False),
        ("open", False),
        ("overdue", False),
        ("failed", False),
    ],
)
async def test_deferring_before_the_receipt_is_free_only_when_the_call_was_surely_refused(
    project: Project, outcome: str, is_refused: bool
) -> None:
    track_id, code = await project.new_track(), "provider_unavailable"
    [claim] = await project.claim()
    await project.write_intent(claim)
    [answer] = await project.as_service(DEFER, claim["claim_id"], 0, outcome, code, True)
    track = await project.track(track_id)
    [generation] = await project.sql("select * from music.generations")
    if is_refused:
        assert answer == {"defer_music_track": "pending"}
        assert (track["status"], track["error_code"], track["attempts"]) == ("pending", code, 1)
        assert generation["state"] == "refused"
        assert len(await project.claim()) == 1
    else:
        assert answer == {"defer_music_track": "error"}
        assert (track["status"], track["error_code"]) == ("error", "submission_unknown")
        assert generation["state"] == "unknown"


async def test_attempts_are_counted_to_an_end(project: Project) -> None:
    await project.sql("update music.settings set max_attempts = 3")
    track_id = await project.new_track()
    for _ in range(3):
        [claim] = await project.claim()
        await project.as_service(
            DEFER, claim["claim_id"], 0, "refused", "provider_unavailable", True
        )
    track = await project.track(track_id)
    assert (track["status"], track["error_code"]) == ("error", "attempts_exhausted")
    assert track["error_message"] == "Given up after 3 attempts. The last reason: A reason."


async def test_being_put_off_without_counting_goes_on_without_end(project: Project) -> None:
    await project.sql("update music.settings set max_attempts = 2")
    track_id = await project.new_track()
    for _ in range(5):
        [claim] = await project.claim()
        await project.as_service(DEFER, claim["claim_id"], 0, "refused", "rate_limited", False)
    assert (await project.track(track_id))["status"] == "pending"


async def test_a_deferred_track_waits_and_keeps_its_receipt(project: Project) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-5")
    await project.as_service(DEFER, claim["claim_id"], 60, "open", "storage_failed", True)
    assert await project.claim() == []
    await project.sql("update public.music_tracks set run_after = now() where id = %s", track_id)
    [again] = await project.claim()
    assert again["mureka_task_id"] == "task-5"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("open", "accepted"),
        ("overdue", "accepted"),
        ("failed", "failed"),
        ("unknown", "accepted"),
        ("refused", "accepted"),
    ],
)
async def test_a_retry_resumes_for_free_while_the_receipt_is_still_good(
    project: Project, outcome: str, state: str
) -> None:
    track_id, code = await project.new_track(), "generation_failed"
    [claim] = await project.claim()
    await project.submitted(claim, "task-6")
    await project.as_service(FAIL, claim["claim_id"], outcome, code)
    assert await project.value("select state from music.generations") == state
    track = await project.track(track_id)
    assert (track["status"], track["error_code"], track["error_message"]) == (
        "error",
        code,
        "A reason.",
    )
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    [again] = await project.claim()
    assert again["mureka_task_id"] == ("task-6" if state == "accepted" else None)


async def test_the_ledger_outlives_the_track_and_the_account(project: Project) -> None:
    user = await project.new_user()
    await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.sql("delete from auth.users where id = %s", user)
    assert await project.value("select count(*) from public.music_tracks") == 0
    [generation] = await project.sql("select * from music.generations")
    assert generation["track_id"] is None
    assert str(generation["user_id"]) == user
    assert await project.as_service(COMPLETE, claim["claim_id"]) == []


async def test_the_first_retry_of_what_is_overdue_polls_again_and_the_second_pays(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    for retries, (state, task) in enumerate([("accepted", "task-1"), ("failed", None)]):
        await project.as_service(FAIL, claim["claim_id"], "overdue", "generation_timeout")
        [generation] = await project.sql("select state, overdue_at from music.generations")
        assert generation["state"] == state
        assert generation["overdue_at"] is not None
        await project.sql(
            "update public.music_tracks set status = 'pending' where id = %s", track_id
        )
        [claim] = await project.claim()
        assert claim["mureka_task_id"] == task, f"after retry {retries + 1}"


async def test_the_last_attempt_that_is_overdue_is_overdue_once(project: Project) -> None:
    await project.sql("update music.settings set max_attempts = 1")
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim, "task-1")
    await project.as_service(DEFER, claim["claim_id"], 0, "overdue", "generation_timeout", True)
    assert (await project.track(track_id))["error_code"] == "attempts_exhausted"
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    [again] = await project.claim()
    assert again["mureka_task_id"] == "task-1"


async def test_music_that_came_after_all_succeeds_in_spite_of_the_time_out(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(FAIL, claim["claim_id"], "overdue", "generation_timeout")
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track_id)
    [claim] = await project.claim()
    await project.as_service(
        "select * from public.complete_music_track(%s, 'p', 'u', 1)", claim["claim_id"]
    )
    assert await project.value("select state from music.generations") == "succeeded"


@pytest.mark.parametrize("outcome", ["won", "", None])
async def test_a_word_that_is_no_outcome_is_refused_and_changes_nothing(
    project: Project, outcome: str | None
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    for query, *args in ((FAIL, outcome, "internal"), (DEFER, 0, outcome, "internal", False)):
        with pytest.raises(psycopg.Error, match="is no outcome of a paid call") as refusal:
            await project.as_service(query, claim["claim_id"], *args)
        assert refusal.value.sqlstate == "MU002"
    assert (await project.track(track_id))["status"] == "generating"
    assert await project.value("select state from music.generations") == "accepted"

"""The ways to a second paid call that no person asked for, each closed."""

from __future__ import annotations

from tests.support.database import Project

RETRY = "update public.music_tracks set status = 'pending', run_after = now() where id = %s"
FAIL = (
    "select * from public.fail_music_track(%s, 'unknown', 'submission_unknown', 'Nobody answered.')"
)
RECEIPT = "select * from public.record_music_task(%s, 'late', null)"


async def test_putting_off_a_paid_call_that_yields_nothing_ends_the_track(
    project: Project,
) -> None:
    track_id, code = await project.new_track(), "generation_failed"
    [claim] = await project.claim()
    await project.submitted(claim)
    [answer] = await project.as_service(
        "select * from public.defer_music_track(%s, 0, 'failed', %s, 'A reason.', false)",
        claim["claim_id"],
        code,
    )
    assert answer == {"defer_music_track": "error"}
    assert (await project.track(track_id))["error_code"] == code
    assert await project.claim() == []


async def test_resubmitting_what_is_never_answered_comes_to_an_end(project: Project) -> None:
    await project.sql(
        "update music.settings set on_unknown_submission = 'resubmit', max_attempts = 3"
    )
    track_id = await project.new_track()
    for _ in range(3):
        [claim] = await project.claim()
        await project.write_intent(claim)
        await project.as_service(FAIL, claim["claim_id"])
    assert await project.claim() == []
    track = await project.track(track_id)
    assert (track["status"], track["error_code"]) == ("error", "submission_unknown")
    assert await project.value("select count(*) from music.generations") == 3


async def test_a_late_receipt_for_what_is_not_wished_any_more_is_kept_but_not_resumed(
    project: Project,
) -> None:
    track_id = await project.new_track(prompt="old")
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    await project.as_service(FAIL, claim["claim_id"])
    await project.sql("update public.music_tracks set prompt = 'new' where id = %s", track_id)
    await project.as_service(RECEIPT, generation_id)
    assert (await project.track(track_id))["status"] == "error", "a person has not asked again"
    await project.sql(RETRY, track_id)
    [again] = await project.claim()
    assert (again["prompt"], again["mureka_task_id"]) == ("new", None)
    [generation] = await project.sql("select * from music.generations")
    assert (generation["mureka_task_id"], generation["state"]) == ("late", "abandoned")
    assert generation["superseded_at"] is not None


async def test_a_released_track_shows_nothing_of_the_work_that_was_given_back(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.as_service(
        "select public.report_music_stage(%s, 'streaming', 'https://s')", claim["claim_id"]
    )
    await project.as_service(
        "select public.release_music_claims('worker-1', %s)", [claim["claim_id"]]
    )
    track = await project.track(track_id)
    assert (track["status"], track["stage"], track["stream_url"]) == ("pending", None, None)


async def test_a_receipt_that_comes_after_the_track_was_completed_reopens_nothing(
    project: Project,
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    lost = await project.write_intent(claim)
    await project.as_service(FAIL, claim["claim_id"])
    await project.sql(RETRY, track_id)
    await project.sql("update public.music_tracks set run_after = now() where id = %s", track_id)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(
        "select * from public.complete_music_track(%s, 'p', 'https://x', 1)", claim["claim_id"]
    )
    await project.as_service(RECEIPT, lost)
    assert (await project.track(track_id))["status"] == "completed"
    assert await project.value(
        "select count(*) from music.generations where mureka_task_id = 'late'"
    )
    assert not await project.value(
        "select count(*) from music.generations where state in ('intent', 'accepted', 'unknown')"
    )

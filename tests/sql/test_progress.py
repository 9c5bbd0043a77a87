"""A track that is not generating has no stage, stream and expected time, whoever writes it."""

from __future__ import annotations

import uuid

import pytest

from tests.support.database import Project

BEGIN = "select * from public.begin_music_generation(%s, %s, '{}', 'mureka-9', 4.5)"


@pytest.mark.parametrize(
    "how",
    [
        "update public.music_tracks set status = 'error' where id = %s",
        "update public.music_tracks set status = 'pending' where id = %s",
        "select public.fail_music_track(c.id, 'open', 'internal', 'No.')"
        " from music.claims c where c.track_id = %s",
        "select public.defer_music_track(c.id, 60, 'open', 'internal', 'No.', false)"
        " from music.claims c where c.track_id = %s",
        "select public.complete_music_track(c.id, 'path', 'https://file', 1000)"
        " from music.claims c where c.track_id = %s",
        "select public.release_music_claims(c.worker_id, array[c.id])"
        " from music.claims c where c.track_id = %s",
    ],
    ids=["cancel", "requeue", "fail", "defer", "complete", "release"],
)
async def test_a_track_that_is_not_generating_has_no_stage_stream_or_expected_time(
    project: Project, how: str
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(
        "select public.report_music_stage(%s, 'streaming', 'https://s')", claim["claim_id"]
    )
    shown = ("stage", "stream_url", "expected_ready_at")
    track = await project.track(track_id)
    assert all(track[name] for name in shown)
    await project.sql(how, track_id)
    track = await project.track(track_id)
    assert track["status"] != "generating"
    assert [track[name] for name in shown] == [None, None, None]


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("max_attempts = 10", "submission_unknown"),
        ("max_attempts = 1", "attempts_exhausted"),
        ("daily_budget_cents = 0", "over_budget"),
    ],
)
async def test_a_track_that_the_service_takes_from_its_worker_has_no_stage_stream_or_expected_time(
    project: Project, setting: str, code: str
) -> None:
    track_id = await project.new_track()
    [claim] = await project.claim()
    await project.as_service(
        "select public.report_music_stage(%s, 'preparing', 'https://s')", claim["claim_id"]
    )
    if code == "submission_unknown":
        await project.write_intent(claim)
    await project.sql(f"update music.settings set {setting}")
    if code == "over_budget":
        assert await project.as_service(BEGIN, claim["claim_id"], str(uuid.uuid4())) == []
    else:
        await project.lose_lease(claim)
        assert await project.claim("heir") == []
    track = await project.track(track_id)
    assert track["error_code"] == code
    assert [track[name] for name in ("stage", "stream_url", "expected_ready_at")] == [None] * 3


async def test_people_give_no_stage_stream_or_expected_time_to_a_track_that_is_not_generating(
    project: Project,
) -> None:
    shown = {"stage": "x", "stream_url": "https://x", "expected_ready_at": "2030-01-01"}
    track_id = await project.new_track(**shown)
    for _ in range(2):
        track = await project.track(track_id)
        assert [track[name] for name in shown] == [None] * 3
        await project.sql(
            "update public.music_tracks set stage = %s, stream_url = %s, expected_ready_at = %s",
            *shown.values(),
        )

"""A completed track is made once more: asked for with the price known, and nothing is lost."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.database import Claim, Project

OLD = {"file_url": "https://example.com/old.mp3", "storage_path": "u/t/old.mp3", "duration_ms": 61}
AUDIO = ", ".join(OLD)


async def finished(project: Project, user: str | None = None) -> str:
    """A track that a worker completed a while ago."""
    track = await project.new_track(user)
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(
        "select public.complete_music_track(%s, %s, %s, %s)",
        claim["claim_id"],
        OLD["storage_path"],
        OLD["file_url"],
        OLD["duration_ms"],
    )
    return track


async def regenerating(project: Project) -> tuple[str, Any, Claim]:
    """One that a worker makes once more, and when it was completed first."""
    track = await finished(project)
    completed_at = (await project.track(track))["completed_at"]
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track)
    [claim] = await project.claim()
    return track, completed_at, claim


async def audio(project: Project, track: str) -> dict[str, Any]:
    row = await project.track(track)
    return {name: row[name] for name in OLD}


async def test_the_old_audio_stays_until_the_new_is_in_place(project: Project) -> None:
    track, _, claim = await regenerating(project)
    row = await project.track(track)
    assert (row["status"], row["completed_at"]) == ("generating", None)
    assert await audio(project, track) == OLD
    await project.submitted(claim)
    await project.as_service(
        "select public.complete_music_track(%s, 'u/t/new.mp3', 'https://example.com/new.mp3', 99)",
        claim["claim_id"],
    )
    assert (await project.track(track))["status"] == "completed"
    assert await audio(project, track) == {
        "file_url": "https://example.com/new.mp3",
        "storage_path": "u/t/new.mp3",
        "duration_ms": 99,
    }


WAYS_TO_FAIL = {
    "cancelled by an operator": (
        "update public.music_tracks set status = 'error' where id = %(track)s"
    ),
    "refused by the provider": (
        "select public.fail_music_track(%(claim)s, 'refused', 'moderation_blocked', 'No.')"
    ),
    "out of attempts": (
        "update public.music_tracks set attempts = 9 where id = %(track)s;"
        " select public.defer_music_track(%(claim)s, 0, 'refused', 'internal', 'No.', true)"
    ),
    "never confirmed": (
        "select public.begin_music_generation(%(claim)s, gen_random_uuid(), '{}', 'm', 4.5);"
        " select public.fail_music_track(%(claim)s, 'unknown', 'internal', 'No.')"
    ),
    "a lost worker after an intent": (
        "select public.begin_music_generation(%(claim)s, gen_random_uuid(), '{}', 'm', 4.5);"
        " update music.claims set lease_expires_at = now() where id = %(claim)s;"
        " select public.claim_music_tracks('w2', 1, 30)"
    ),
    "a lost worker too many": (
        "update public.music_tracks set attempts = 9 where id = %(track)s;"
        " update music.claims set lease_expires_at = now() where id = %(claim)s;"
        " select public.claim_music_tracks('w2', 1, 30)"
    ),
}


@pytest.mark.parametrize("way", WAYS_TO_FAIL.values(), ids=WAYS_TO_FAIL.keys())
async def test_whatever_ends_it_the_track_is_completed_as_it_was(
    project: Project, way: str
) -> None:
    track, completed_at, claim = await regenerating(project)
    values = {"track": track, "claim": claim["claim_id"]}
    async with psycopg.AsyncClientCursor(project.operator) as cursor:
        await cursor.execute(way.encode(), values)
    row = await project.track(track)
    assert (row["status"], row["completed_at"]) == ("completed", completed_at)
    assert (row["error_code"], row["error_message"], row["stage"]) == (None, None, None)
    assert await audio(project, track) == OLD
    assert await project.value("select count(*) from music.claims") == 0
    history = await project.sql(
        "select kind, what_happened from public.music_track_history where track_id = %s", track
    )
    [kept] = [event["what_happened"] for event in history if event["kind"] == "kept"]
    assert "it is completed with the audio that it had" in kept


async def test_a_requeue_keeps_the_old_audio_and_a_user_s_cancel_gives_it_back(
    project: Project,
) -> None:
    user = await project.new_user()
    track = await finished(project, user)
    again = "update public.music_tracks set status = 'pending' where id = %s"
    await project.sql(again, track)
    await project.claim()
    await project.sql(again, track)
    assert (await project.track(track))["status"] == "pending"
    assert await audio(project, track) == OLD
    await project.as_user(
        user, "update public.music_tracks set status = 'error' where id = %s", track
    )
    assert (await project.track(track))["status"] == "completed"
    with pytest.raises(psycopg.Error, match="cannot go from"):
        await project.as_user(user, again, track)


@pytest.mark.parametrize(
    "slip",
    [
        "update public.music_tracks set status = 'pending'",
        "update public.music_tracks set status = 'pending' where prompt <> ''",
        "insert into public.music_tracks (id, prompt) select id, prompt from public.music_tracks"
        " on conflict (id) do update set status = 'pending'",
    ],
)
async def test_a_statement_cannot_order_the_whole_table_again(project: Project, slip: str) -> None:
    await finished(project)
    await finished(project)
    with pytest.raises(psycopg.Error, match="several completed tracks") as refusal:
        await project.sql(slip)
    assert refusal.value.sqlstate == "MU001"
    assert "regenerate_music_tracks" in (refusal.value.diag.message_hint or "")
    statuses = await project.sql("select distinct status from public.music_tracks")
    assert [row["status"] for row in statuses] == ["completed"]


async def test_many_are_regenerated_once_the_price_is_known(project: Project) -> None:
    tracks = sorted([await finished(project) for _ in range(3)])
    failed = await project.new_track()
    call = (
        "select track_id::text, is_free, expected_cost_cents::float as cents, regenerated"
        " from public.regenerate_music_tracks(%s::uuid[]{})"
    )
    for dry_run, done in (("", False), (", p_dry_run => null", False), (", false", True)):
        found = await project.as_service(call.format(dry_run), [*tracks, failed])
        assert found == [
            {"track_id": track, "is_free": False, "cents": 4.5, "regenerated": done}
            for track in tracks
        ]
        waiting = await project.value(
            "select count(*) from public.music_tracks where status = 'pending'"
        )
        assert waiting == 1 + 3 * done
    with pytest.raises(psycopg.Error, match="needs the ids"):
        await project.sql("select public.regenerate_music_tracks(null)")

"""What an operator does by mistake: it is refused with a sentence, or harms nothing.

The marks of the worker functions, the tables that must not be emptied, and edits that make no
sense.
"""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.support.database import Project

COMPLETED: dict[str, Any] = {
    "status": "completed",
    "file_url": "https://example.com/old.mp3",
    "storage_path": "u/t/old.mp3",
    "duration_ms": 61000,
}
FORCED_AWAY = (
    "alter table music.settings disable trigger settings_keep_rows; delete from music.settings;"
    " alter table music.settings enable trigger settings_keep_rows"
)
FORBIDDEN_EDIT = "update public.music_tracks set status = 'completed', file_url = 'x' where id = "


async def test_an_edit_after_a_worker_function_is_a_person_s_edit(project: Project) -> None:
    """In the same message, block and transaction alike; what it refuses takes all of it back."""
    track = await project.new_track()
    claim = "public.claim_music_tracks('w', 1, 30)"
    edit = f"{FORBIDDEN_EDIT}'{track}'"
    for message in (
        f"select * from {claim}; {edit}",
        f"do $$ begin perform * from {claim}; {edit}; end $$",
        f"begin; select * from {claim}; {edit}; commit",
    ):
        with pytest.raises(psycopg.Error, match="cannot go from") as refusal:
            await project.operator.execute(message.encode())
        assert refusal.value.sqlstate == "MU001"
        await project.operator.execute(b"rollback")
        assert (await project.track(track))["status"] == "pending"


async def test_a_worker_function_within_another_keeps_its_mark(project: Project) -> None:
    """A claim first closes what lost workers left; what it writes after that is still its own."""
    lost, waiting = await project.new_track(prompt="lost"), await project.new_track()
    [claim] = await project.claim(limit=1)
    await project.write_intent(claim)
    await project.lose_lease(claim)
    [claimed] = await project.claim("worker-2")
    assert str(claimed["track_id"]) == waiting
    assert (await project.track(lost))["error_code"] == "submission_unknown"


async def test_a_function_of_nobody_s_marks_nothing(project: Project) -> None:
    track = await project.new_track()
    with pytest.raises(psycopg.Error, match="cannot go from"):
        await project.operator.execute(
            f"select music.act_as_worker(); {FORBIDDEN_EDIT}'{track}'".encode()
        )


@pytest.mark.parametrize("table", ["settings", "account"])
@pytest.mark.parametrize("slip", ["delete from music.{}", "truncate music.{}"])
async def test_a_table_of_one_row_keeps_it(project: Project, table: str, slip: str) -> None:
    with pytest.raises(psycopg.Error, match=f"The row of music.{table} stays") as refusal:
        await project.sql(slip.format(table))
    assert refusal.value.sqlstate == "MU008"
    assert await project.value(f"select count(*) from music.{table}") == 1


@pytest.mark.parametrize("table", ["generations", "events"])
async def test_ledger_and_history_are_not_emptied_by_mistake(project: Project, table: str) -> None:
    await project.new_track()
    [claim] = await project.claim()
    await project.submitted(claim)
    with pytest.raises(psycopg.Error, match=f"music.{table} is not emptied at once") as refusal:
        await project.sql(f"truncate music.{table} cascade")
    assert refusal.value.sqlstate == "MU008"
    await project.operator.execute(
        f"alter table music.{table} disable trigger {table}_keep_rows;"
        f"truncate music.{table};"
        f"alter table music.{table} enable trigger {table}_keep_rows".encode()
    )
    assert await project.value(f"select count(*) from music.{table}") == 0


async def test_a_row_of_settings_that_was_forced_away_comes_back(project: Project) -> None:
    """With its defaults, at the next claim, so that its budget holds."""
    track = await project.new_track()
    await project.operator.execute(FORCED_AWAY.encode())
    [claim] = await project.claim()
    assert str(claim["track_id"]) == track
    assert await project.value("select daily_budget_cents from music.settings") == 1000
    await project.operator.execute(FORCED_AWAY.encode())
    await project.write_intent(claim)
    assert "Paused" in await project.value("select public.pause_music_queue('x')")
    assert await project.value("select paused from music.settings")


async def test_whatever_is_called_first_brings_it_back(project: Project) -> None:
    user = await project.new_user()
    await project.operator.execute(FORCED_AWAY.encode())
    assert "Paused" in await project.value("select public.pause_music_queue('x')")
    assert await project.value("select paused from music.settings")
    await project.operator.execute(FORCED_AWAY.encode())
    assert "Going on" in await project.value("select public.resume_music_queue()")
    assert await project.value("select count(*) from music.settings") == 1
    await project.operator.execute(FORCED_AWAY.encode())
    many = "insert into public.music_tracks (prompt) select 'n' from generate_series(1, 1001)"
    with pytest.raises(psycopg.Error, match="More than 1000 tracks"):
        await project.as_user(user, many)


@pytest.mark.parametrize(
    ("slip", "is_refused"),
    [
        ("truncate public.music_tracks cascade", True),
        ("truncate public.journeys cascade", True),
        ("truncate auth.users cascade", True),
        ("delete from public.music_tracks where true", False),
        ("delete from auth.users where true", False),
        ("delete from public.journeys where true", False),
    ],
)
async def test_what_users_delete_leaves_ledger_and_history(
    project: Project, slip: str, *, is_refused: bool
) -> None:
    user = await project.new_user()
    async with project.acting_as("authenticated", user) as run:
        [made] = await run("select public.create_journey('Momo') as journey")
    track = made["journey"]["track"]["id"]
    [claim] = await project.claim()
    await project.submitted(claim)
    await project.as_service(
        "select public.defer_music_track(%s, 5, 'open', 'rate_limited', 'too fast', false)",
        claim["claim_id"],
    )
    before = await project.value("select count(*) from music.events where track_id = %s", track)
    if is_refused:
        with pytest.raises(psycopg.Error, match=r"is not emptied at once|permission denied"):
            await project.sql(slip)
    else:
        await project.sql(slip)
        assert await project.value("select count(*) from public.music_tracks") == 0
    assert float(await project.value("select music.spent_today_cents()")) == 4.5
    kept = await project.sql(
        "select kind, what_happened, by_whom from public.music_track_history where track_id = %s"
        " order by event_id",
        track,
    )
    assert len(kept) == before + (not is_refused)
    assert "slowed_down" in {event["kind"] for event in kept}
    if not is_refused:
        assert kept[-1] == {
            "kind": "deleted",
            "what_happened": "Its row was deleted.",
            "by_whom": "postgres",
        }
    assert await project.value("select slowed_down_to from music.account") == 1


# What each column is set to, what was there, and what is there then; None where nobody looks.
EDITS: dict[str, tuple[str, Any, Any]] = {
    "prompt": ("'a storm'", "a quiet morning", "a storm"),
    "lyrics": ("repeat('la ', 1000)", None, None),
    "genre": ("'folk'", None, "folk"),
    "mood": ("'calm'", None, "calm"),
    "tempo": ("'slow'", None, "slow"),
    "duration": ("90", None, 90),
    "duration_ms": ("62000", 61000, 62000),
    "priority": ("5", 0, 5),
    "attempts": ("3", 0, 3),
    "run_after": ("'2026-01-01 12:00+00'", None, None),
    "created_at": ("'2026-01-01 12:00+00'", None, None),
    "started_at": ("created_at", None, None),
    "completed_at": ("created_at + interval '1 minute'", None, None),
    "error_code": ("'internal'", "cancelled", "internal"),
    "error_message": ("'So sorry.'", None, "So sorry."),
    "title": ("'Rain'", None, "Rain"),
    "lyrics_prompt": ("'snow'", None, "snow"),
    "vocal_gender": ("'female'", None, "female"),
    "model": ("'mureka-8'", None, "mureka-8"),
    "audio_formats": ("'{mp3,wav}'", ["mp3"], ["mp3", "wav"]),
    "mureka_song_id": ("'7'", None, "7"),
    "audio_files": ("'{}'", None, {}),
}
OF_COMPLETED = ("duration_ms", "started_at", "completed_at", "audio_files")
NO_EDIT = {"id", "journey_id", "status", "stage", "stream_url", "expected_ready_at", "updated_at"}


async def test_the_edits_that_are_tried_are_all_that_there_are(project: Project) -> None:
    elsewhere = {"user_id", "file_url", "storage_path", "parent_id"}
    track = await project.track(await project.new_track())
    assert set(track) - NO_EDIT == set(EDITS) | elsewhere


@pytest.mark.parametrize("column", EDITS)
async def test_each_edit_of_a_person_is_in_the_history(project: Project, column: str) -> None:
    value, old, new = EDITS[column]
    track = await project.new_track(**(COMPLETED if column in OF_COMPLETED else {}))
    if column == "error_code":
        await project.sql("update public.music_tracks set status = 'error' where id = %s", track)
    await project.sql(
        f"update public.music_tracks set {column} = {value}, updated_at = now() where id = %s",
        track,
    )
    [event] = await project.sql(
        "select detail from music.events where kind = 'edited' and track_id = %s", track
    )
    assert event["detail"]["by"] == "postgres"
    assert list(event["detail"]["changes"]) == [column]
    change = event["detail"]["changes"][column]
    assert len(json.dumps(change)) < 500
    if new is not None:
        assert (change["old"], change["new"]) == (old, new)
    [sentence] = await project.sql(
        "select what_happened, by_whom from public.music_track_history"
        " where kind = 'edited' and track_id = %s",
        track,
    )
    assert column in sentence["what_happened"]
    assert sentence["by_whom"] == "postgres"


async def test_edits_of_audio_owner_and_reason_say_what_was_there(project: Project) -> None:
    user = await project.new_user()
    parent, track = await project.new_track(user), await project.new_track(**COMPLETED)
    await project.as_service(
        "update public.music_tracks set file_url = 'https://example.com/new.mp3', user_id = %s,"
        " storage_path = null, parent_id = %s where id = %s",
        user,
        parent,
        track,
    )
    [event] = await project.sql("select detail from music.events where kind = 'edited'")
    assert event["detail"] == {
        "by": "service_role",
        "role": "service_role",
        "changes": {
            "user_id": {"old": None, "new": user},
            "parent_id": {"old": None, "new": parent},
            "file_url": {"old": COMPLETED["file_url"], "new": "https://example.com/new.mp3"},
            "storage_path": {"old": COMPLETED["storage_path"], "new": None},
        },
    }


async def test_what_an_edit_of_the_status_changes_by_itself_is_no_edit(project: Project) -> None:
    track = await project.new_track()
    await project.sql("update public.music_tracks set status = 'error' where id = %s", track)
    await project.sql("update public.music_tracks set status = 'pending' where id = %s", track)
    kinds = await project.sql("select kind from music.events order by id")
    assert [row["kind"] for row in kinds] == ["created", "cancelled", "retried"]


async def test_a_dismissed_failure_says_by_whom(project: Project) -> None:
    track = await project.new_track()
    [claim] = await project.claim()
    await project.as_service(
        "select public.fail_music_track(%s, 'refused', 'moderation_blocked', 'No.')",
        claim["claim_id"],
    )
    await project.as_service(
        "update public.music_tracks set error_code = 'cancelled' where id = %s", track
    )
    [event] = await project.sql(
        "select kind, what_happened, by_whom from public.music_track_history"
        " order by event_id desc limit 1"
    )
    assert event == {
        "kind": "dismissed",
        "what_happened": "Nobody has to review it any more; it was moderation_blocked.",
        "by_whom": "service_role",
    }


NONSENSE = {
    "ended before it began": (
        "completed",
        "completed_at = created_at - interval '1 day'",
        "before it was asked for",
    ),
    "started before it was asked for": (
        "completed",
        "started_at = created_at - interval '1 day'",
        "before it was asked for",
    ),
    "the future": ("completed", "completed_at = now() + interval '1 day'", "in the future"),
    "asked for in the future": (
        "pending",
        "created_at = now() + interval '1 day'",
        "in the future",
    ),
    "never": ("pending", "run_after = 'infinity'", "no time that can be waited for"),
    "the year 20260": ("pending", "run_after = '20260-01-01'", "no time that can be waited for"),
    "a time of another state": ("pending", "completed_at = now()", "has no completed_at"),
    "no time": ("completed", "completed_at = null", "needs its completed_at"),
    "audio of a waiting one": (
        "pending",
        "file_url = 'https://example.com/x.mp3'",
        "Only a completed track has audio",
    ),
    "a key of a waiting one": ("pending", "storage_path = 'a/b.mp3'", "Only a completed track"),
    "no audio": ("completed", "file_url = null, storage_path = ''", "needs its audio"),
    "a negative length": ("completed", "duration_ms = -1", "cannot be -1 ms long"),
    "negative attempts": ("pending", "attempts = -1", "cannot have -1 attempts"),
    "a code that does not exist": ("error", "error_code = 'oops'", 'no error code "oops"'),
    "no reason": ("error", "error_code = null", "needs an error_code and an error_message"),
    "a reason without a failure": (
        "completed",
        "error_code = 'internal'",
        "completed track has no error",
    ),
}


@pytest.mark.parametrize(("status", "edit", "sentence"), NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_gets_a_sentence(
    project: Project, status: str, edit: str, sentence: str
) -> None:
    columns: dict[str, Any] = COMPLETED if status == "completed" else {}
    track = await project.new_track(**columns)
    if status == "error":
        await project.sql("update public.music_tracks set status = 'error' where id = %s", track)
    with pytest.raises(psycopg.Error, match=sentence):
        await project.sql(f"update public.music_tracks set {edit} where id = %s", track)
    assert await project.value("select count(*) from music.events where kind = 'edited'") == 0


@pytest.mark.parametrize("slowed_down_at", ["-infinity", "infinity", "1000-01-01", "9999-01-01"])
async def test_a_slow_down_of_nonsense_stops_no_claim(
    project: Project, slowed_down_at: str
) -> None:
    await project.new_track()
    await project.sql(
        "update music.account set slowed_down_to = 2147483647, slowed_down_at = %s where id",
        slowed_down_at,
    )
    assert len(await project.claim()) == 1


@pytest.mark.parametrize("column", ["created_at", "started_at", "completed_at", "run_after"])
@pytest.mark.parametrize("time", ["-infinity", "infinity", "20260-01-01"])
async def test_a_row_of_a_backend_with_a_time_that_is_none_is_refused(
    project: Project, column: str, time: str
) -> None:
    with pytest.raises(psycopg.Error, match="no time that can be waited for") as refused:
        await project.new_track(**{column: time})
    assert refused.value.sqlstate == "MU002"
    await project.new_track()
    assert len(await project.claim()) == 1
    assert await project.value("select generating from public.music_queue_health") == 1


async def test_a_cost_that_is_no_number_is_no_cost(project: Project) -> None:
    await project.sql("update music.settings set daily_budget_cents = null where id")
    await project.new_track()
    [claim] = await project.claim()
    with pytest.raises(psycopg.errors.CheckViolation):
        await project.write_intent(claim, cost=float("nan"))

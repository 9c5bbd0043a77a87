"""Title, words, voice, model, formats and takes: what a row may ask for, and what it gets."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from tests.support.database import Claim, Project

WORD = {"start_ms": 0, "end_ms": 400, "text": "Snow"}
LINE = {"start_ms": 0, "end_ms": 900, "text": "Snow falls", "words": [WORD]}
VERSE = {"type": "verse", "start_ms": 0, "end_ms": 1000, "lines": [LINE]}


async def refusal(project: Project, user: str, **columns: Any) -> tuple[str, str]:
    """What an app user is told who asks for this; message and hint."""
    names, marks = ", ".join(columns), ", ".join("%s" for _ in columns)
    with pytest.raises(psycopg.Error) as refused:
        await project.as_user(
            user,
            f"insert into music_tracks (prompt, {names}) values ('x', {marks})",
            *columns.values(),
        )
    return refused.value.diag.message_primary or "", refused.value.diag.message_hint or ""


async def claimed(project: Project, **wishes: Any) -> Claim:
    await project.new_track(**wishes)
    [claim] = await project.claim()
    return claim


async def lyrics_begun(project: Project, claim: Claim) -> str | None:
    """The intent of a call for words; None where it must not be sent."""
    generation_id = str(uuid.uuid4())
    found = await project.as_service(
        "select * from begin_music_generation(%s, %s, %s, 'lyrics', null)",
        claim["claim_id"],
        generation_id,
        '{"kind": "lyrics", "body": {"prompt": "snow"}}',
    )
    return generation_id if found else None


async def lyrics_stored(project: Project, generation_id: str | None) -> None:
    await project.as_service(
        "select record_music_lyrics(%s, 'Snowfall', 'Snow falls')", generation_id
    )


async def complete(
    project: Project, claim: Claim, words: Any = None, files: Any = None
) -> dict[str, Any]:
    await project.as_service(
        "select complete_music_track(%s, 'p.mp3', 'https://x/p.mp3', 1000, %s, 'song-1', %s)",
        claim["claim_id"],
        None if files is None else json.dumps(files),
        None if words is None else json.dumps(words),
    )
    return await project.track(claim["track_id"])


async def sections(project: Project, track_id: Any) -> Any:
    found = await project.sql(
        "select sections from music_timed_lyrics where track_id = %s", str(track_id)
    )
    return found[0]["sections"] if found else None


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [
        ({"title": "x" * 121}, "The title has 121 characters", "Shorten"),
        ({"title": "  "}, "The title has 2 characters", "leave it out"),
        ({"lyrics_prompt": " "}, "The lyrics_prompt is empty", ""),
        ({"lyrics_prompt": "x" * 1025}, "The lyrics_prompt has 1025 characters", ""),
        ({"lyrics_prompt": "x", "lyrics": "la"}, "A track has lyrics, or a lyrics_prompt", "Leave"),
        ({"vocal_gender": "robot"}, 'There is no vocal_gender "robot"', "female"),
        ({"audio_formats": ["mp3", "ogg"]}, "not all can be had: mp3, ogg", "{mp3,wav}"),
        ({"audio_formats": ["wav"]}, "not all can be had: wav", "There is always {mp3}"),
        ({"audio_formats": []}, "not all can be had: none", "There is always {mp3}"),
        (
            {"model": "suno"},
            'There is no model "suno"; there are mureka-7.6, mureka-8, mureka-9',
            "",
        ),
        ({"parent_id": str(uuid.uuid4())}, "There is no such track of the same user", "parent_id"),
        ({"mureka_song_id": "1"}, "A new track may set only", ""),
        ({"audio_files": "{}"}, "A new track may set only", ""),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
async def test_a_wish_that_makes_no_sense_is_refused_with_a_sentence(
    project: Project, columns: dict[str, Any], message: str, hint: str
) -> None:
    found = await refusal(project, await project.new_user(), **columns)
    assert message in found[0]
    assert hint in found[1]


async def test_an_owner_may_rename_a_track_and_change_nothing_else(project: Project) -> None:
    user = await project.new_user()
    track = await project.new_track(user)
    await project.as_user(user, "update music_tracks set title = 'Mine' where id = %s", track)
    assert (await project.track(track))["title"] == "Mine"
    fixed = {"model": "mureka-8", "lyrics_prompt": "x", "vocal_gender": "male"}
    for column, value in fixed.items():
        with pytest.raises(psycopg.Error, match="Only the status of your track"):
            await project.as_user(user, f"update music_tracks set {column} = %s", value)


async def test_words_are_paid_for_by_their_own_price_and_then_sung(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow", model="mureka-9.5")
    assert (claim["lyrics_prompt"], claim["model"]) == ("snow", "mureka-9.5")
    words = await lyrics_begun(project, claim)
    await lyrics_stored(project, words)
    await lyrics_stored(project, words)  # its answer was lost
    track = await project.track(claim["track_id"])
    assert (track["title"], track["lyrics"], track["status"]) == (
        "Snowfall", "Snow falls", "generating",
    )  # fmt: skip
    song = str(uuid.uuid4())
    await project.as_service(
        "select begin_music_generation(%s, %s, %s, 'mureka-9.5', null)",
        claim["claim_id"],
        song,
        '{"kind": "song"}',
    )
    ledger = await project.sql(
        "select kind, state, model, expected_cost_cents::float as cents from music.generations "
        "order by intent_at"
    )
    assert [tuple(row.values()) for row in ledger] == [
        ("lyrics", "succeeded", "lyrics", 0.9),
        ("song", "intent", "mureka-9.5", 15.0),
    ]


async def test_a_title_of_the_app_stays(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow", title="Mine")
    await lyrics_stored(project, await lyrics_begun(project, claim))
    assert (await project.track(claim["track_id"]))["title"] == "Mine"


async def test_words_come_before_a_song_and_only_one_call_is_open(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    assert await lyrics_begun(project, claim) is not None
    assert await lyrics_begun(project, claim) is None


async def test_words_of_a_lost_worker_are_never_paid_for_again_unasked(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    words = await lyrics_begun(project, claim)
    await project.sql("update music.claims set lease_expires_at = now() - interval '1 s'")
    assert await project.claim() == []
    assert (await project.track(claim["track_id"]))["error_code"] == "submission_unknown"
    await lyrics_stored(project, words)  # late, but not lost
    track = await project.track(claim["track_id"])
    assert (track["status"], track["lyrics"]) == ("pending", "Snow falls")
    [again] = await project.claim()
    assert again["lyrics"] == "Snow falls"


async def test_a_cancelled_track_keeps_the_words_that_come_late(project: Project) -> None:
    user = await project.new_user()
    claim = await claimed(project, lyrics_prompt="snow", user_id=user)
    words = await lyrics_begun(project, claim)
    await project.as_user(user, "update music_tracks set status = 'error'")
    await lyrics_stored(project, words)
    track = await project.track(claim["track_id"])
    assert (track["status"], track["error_code"]) == ("error", "cancelled")
    assert track["lyrics"] == "Snow falls"
    await project.as_user(user, "update music_tracks set status = 'pending'")
    [again] = await project.claim()
    assert again["lyrics"] == "Snow falls"


async def test_words_for_another_prompt_are_not_sung(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    words = await lyrics_begun(project, claim)
    await project.sql("update music_tracks set status = 'error'")
    await project.sql("update music_tracks set lyrics_prompt = 'rain'")
    await lyrics_stored(project, words)
    assert (await project.track(claim["track_id"]))["lyrics"] is None
    assert await project.value("select state from music.generations") == "abandoned"
    assert await project.value("select music.spent_today_cents()::float") == 0.9


async def test_another_prompt_takes_the_words_that_were_written_by_the_first(
    project: Project,
) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    await lyrics_stored(project, await lyrics_begun(project, claim))
    await project.sql("update music_tracks set status = 'error'")
    await project.sql("update music_tracks set lyrics_prompt = 'rain'")
    assert (await project.track(claim["track_id"]))["lyrics"] is None


async def test_a_call_for_words_takes_no_place_and_says_nothing_of_times(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    words = await lyrics_begun(project, claim)
    await project.sql("delete from music_tracks where true")
    assert await project.value("select count(*) from music.left_over()") == 0
    await lyrics_stored(project, words)  # whoever is gone
    assert await project.value("select music.expected_seconds()") is None


async def test_each_model_has_its_own_price_in_the_budget(project: Project) -> None:
    await project.sql("update music.settings set daily_budget_cents = 10")
    begin = "select * from begin_music_generation(%s, %s, '{}', %s, null)"
    dear = await claimed(project, model="mureka-9.5")
    assert not await project.as_service(begin, dear["claim_id"], str(uuid.uuid4()), "mureka-9.5")
    assert (await project.track(dear["track_id"]))["error_code"] == "over_budget"
    cheap = await claimed(project, model="mureka-7.6")
    assert await project.as_service(begin, cheap["claim_id"], str(uuid.uuid4()), "mureka-7.6")


async def test_a_model_taken_off_the_list_costs_as_much_as_the_dearest(project: Project) -> None:
    claim = await claimed(project, model="mureka-8")
    await project.sql(
        "update music.settings set model_prices_cents = model_prices_cents - 'mureka-8'"
    )
    await project.as_service(
        "select * from begin_music_generation(%s, %s, '{}', 'mureka-8', null)",
        claim["claim_id"],
        str(uuid.uuid4()),
    )
    assert await project.value("select expected_cost_cents::float from music.generations") == 15


@pytest.mark.parametrize("prices", ["{}", "[]", '{"mureka-9": "4"}', '{"mureka-9": -1}'])
async def test_a_price_list_that_is_none_is_refused(project: Project, prices: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        await project.sql("update music.settings set model_prices_cents = %s", prices)


async def test_a_completed_track_has_its_files_and_its_words_in_time(project: Project) -> None:
    claim = await claimed(project, lyrics="la la", audio_formats=["mp3", "flac", "wav"])
    await project.submitted(claim)
    files = {name: {"path": f"p.{name}", "url": None, "bytes": 7} for name in ("mp3", "flac")}
    track = await complete(project, claim, [VERSE], files)
    assert (track["audio_files"], track["mureka_song_id"]) == (files, "song-1")
    assert await sections(project, track["id"]) == [VERSE]
    detail = await project.value("select detail from music.events where kind = 'completed'")
    assert detail["missing_formats"] == ["wav"]


async def test_music_that_is_made_again_has_the_words_of_the_new_or_none(project: Project) -> None:
    claim = await claimed(project, lyrics="la la")
    await project.submitted(claim)
    await complete(project, claim, [VERSE])
    await project.sql("update music_tracks set status = 'pending'")
    assert await sections(project, claim["track_id"]) == [VERSE]  # while the old audio is there
    [again] = await project.claim()
    await project.submitted(again)
    await complete(project, again)
    assert await sections(project, claim["track_id"]) is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        {},
        "la",
        [VERSE | {"start_ms": 2000}],
        [VERSE | {"start_ms": -1}],
        [VERSE | {"start_ms": "0"}],
        [VERSE | {"lines": None}],
        [VERSE | {"more": 1}],
        [VERSE | {"lines": [LINE | {"words": [{"text": "Snow"}]}]}],
        [VERSE | {"lines": [LINE | {"text": None}]}],
    ],
    ids=json.dumps,
)
async def test_words_that_are_none_do_not_keep_the_music_back(project: Project, words: Any) -> None:
    claim = await claimed(project, lyrics="la la")
    await project.submitted(claim)
    assert (await complete(project, claim, words))["status"] == "completed"
    assert await sections(project, claim["track_id"]) is None


async def test_words_are_in_no_broadcast_and_no_publication(project: Project) -> None:
    published = await project.sql(
        "select tablename from pg_publication_tables where pubname = 'supabase_realtime'"
    )
    assert "music_timed_lyrics" not in [row["tablename"] for row in published]


async def test_another_take_asks_for_the_same_and_names_its_parent(project: Project) -> None:
    user, stranger = await project.new_user(), await project.new_user()
    wishes = {
        "title": "Snow", "prompt": "rain", "lyrics": "la", "genre": "folk", "mood": "calm",
        "tempo": "slow", "duration": 90, "vocal_gender": "male", "model": "mureka-8",
        "audio_formats": ["mp3", "wav"],
    }  # fmt: skip
    first = await project.new_track(user, **wishes)
    chosen = str(uuid.uuid4())
    for _ in range(2):
        [take] = await project.as_user(
            user, "select * from music_another_take(%s, %s)", first, chosen
        )
    assert str(take["id"]) == chosen
    assert (str(take["parent_id"]), take["status"]) == (first, "pending")
    assert {name: take[name] for name in wishes} == wishes
    assert await project.value("select count(*) from music_tracks") == 2
    with pytest.raises(psycopg.Error, match="There is no such track of yours"):
        await project.as_user(stranger, "select music_another_take(%s)", first)


async def test_another_take_sings_the_words_that_were_written(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    await lyrics_stored(project, await lyrics_begun(project, claim))
    [take] = await project.sql("select * from music_another_take(%s)", str(claim["track_id"]))
    assert (take["lyrics"], take["lyrics_prompt"]) == ("Snow falls", None)


async def test_another_take_belongs_to_the_journey_of_the_first(project: Project) -> None:
    user = await project.new_user()
    [row] = await project.as_user(user, "select create_journey('Emma') as it")
    track = row["it"]["track"]
    [take] = await project.as_user(user, "select * from music_another_take(%s)", track["id"])
    assert str(take["journey_id"]) == track["journey_id"]


async def test_a_parent_is_a_track_of_the_same_user_and_may_be_deleted(project: Project) -> None:
    user, other = await project.new_user(), await project.new_user()
    theirs, mine = await project.new_track(other), await project.new_track(user)
    message, _ = await refusal(project, user, parent_id=theirs)
    assert "There is no such track of the same user" in message
    [child] = await project.as_user(
        user, "insert into music_tracks (prompt, parent_id) values ('x', %s) returning id", mine
    )
    await project.sql("delete from music_tracks where id = %s", mine)
    assert (await project.track(child["id"]))["parent_id"] is None


@pytest.mark.parametrize(
    "wish",
    [
        {"lyrics_prompt": "snow"},
        {"model": "mureka-8"},
        {"vocal_gender": "male"},
        {"audio_formats": ["mp3", "wav"]},
    ],
    ids=lambda wish: next(iter(wish)),
)
async def test_an_older_worker_leaves_what_it_does_not_know_to_others(
    project: Project, wish: dict[str, Any]
) -> None:
    old = "select track_id from claim_music_tracks('old', 10, 30)"
    plain = await project.new_track()
    special = await project.new_track(**wish)
    assert [str(row["track_id"]) for row in await project.as_service(old)] == [plain]
    assert [str(claim["track_id"]) for claim in await project.claim()] == [special]
    await project.sql("update music.claims set lease_expires_at = now() - interval '1 s'")
    assert [str(row["track_id"]) for row in await project.as_service(old)] == [plain]


async def test_an_older_worker_completes_what_it_made(project: Project) -> None:
    claim = await claimed(project)
    await project.submitted(claim)
    await project.as_service(
        "select complete_music_track(p_claim_id => %s, p_storage_path => 'p.mp3', "
        "p_file_url => 'https://x', p_duration_ms => 1000)",
        claim["claim_id"],
    )
    track = await project.track(claim["track_id"])
    assert track["audio_files"] == {"mp3": {"path": "p.mp3", "url": "https://x", "bytes": None}}


async def test_words_that_came_are_no_submission_that_nobody_confirmed(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="x")
    await lyrics_stored(project, await lyrics_begun(project, claim))
    lost = await lyrics_begun(project, await claimed(project, lyrics_prompt="y"))
    assert lost is not None
    day = await project.sql("select paid_calls, submission_unknown from music_spend_daily")
    assert day == [{"paid_calls": 2, "submission_unknown": 1}]


async def test_a_call_for_words_gets_no_task_and_review_does_not_propose_one(
    project: Project,
) -> None:
    claim = await claimed(project, lyrics_prompt="snow")
    words = await lyrics_begun(project, claim)
    await project.lose_lease(claim)
    assert await project.claim() == []
    with pytest.raises(psycopg.Error, match="words"):
        await project.as_service("select record_music_task(%s, '1', null)", words)
    [row] = await project.sql("select generation_id::text, what_to_do from music_review")
    assert row["generation_id"] == words
    assert "record_music_task" not in row["what_to_do"]
    assert "record_music_lyrics" in row["what_to_do"]


async def test_history_tells_of_words_in_a_sentence(project: Project) -> None:
    claim = await claimed(project, lyrics_prompt="x")
    await lyrics_stored(project, await lyrics_begun(project, claim))
    assert "The words were written, 10 characters." in [
        row["what_happened"] for row in await project.sql("select * from music_track_history")
    ]


async def test_what_a_retry_costs_has_the_words_in_it(project: Project) -> None:
    first = await claimed(project)
    await project.submitted(first)
    await complete(project, first)
    claim = await claimed(project, lyrics_prompt="snow")
    await project.sql("update music_tracks set status = 'error' where status = 'generating'")
    cost = "select music.cost_of_retry(%s)::float"
    assert await project.value(cost, str(claim["track_id"])) == 4.5 + 0.9
    await project.sql("update music_tracks set lyrics = 'Snow' where status = 'error'")
    assert await project.value(cost, str(claim["track_id"])) == 4.5


async def test_an_older_worker_resumes_only_what_it_understands(project: Project) -> None:
    await project.submitted(await claimed(project, audio_formats=["mp3", "wav"]))
    await project.sql("update music_tracks set status = 'pending'")
    assert await project.as_service("select track_id from claim_music_tracks('old', 10, 30)") == []
    assert len(await project.claim()) == 1


async def test_formats_are_a_plain_list(project: Project) -> None:
    found = await refusal(
        project, await project.new_user(), audio_formats=[["mp3", "wav"], ["mp3", "flac"]]
    )
    assert "not all can be had" in found[0]


async def test_another_take_of_a_track_with_empty_lyrics_has_its_words_written(
    project: Project,
) -> None:
    track = await project.new_track(lyrics="", lyrics_prompt="snow")
    [take] = await project.as_service("select lyrics_prompt from music_another_take(%s)", track)
    assert take["lyrics_prompt"] == "snow"


async def test_an_older_worker_does_not_take_blank_lyrics_for_words(project: Project) -> None:
    await project.new_track(lyrics=" ", lyrics_prompt="snow")
    assert await project.as_service("select track_id from claim_music_tracks('old', 10, 30)") == []


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ("insert into music.table_changes (what, undo) values ('Yours.', '');"
         "alter table music_tracks drop constraint music_tracks_title_length,"
         " alter title set default ''", "Snowfall"),
        ("alter table music_tracks add check (length(title) < 5)", None),
        ("create unique index one_title on music_tracks (title);"
         "insert into music_tracks (prompt, title) values ('x', 'Snowfall')", None),
    ],
    ids=["empty", "check", "unique"],
)  # fmt: skip
async def test_a_title_that_the_app_does_not_take_costs_no_words(
    project: Project, change: str, title: str | None
) -> None:
    await project.operator.execute(change.encode())
    await project.new_track(lyrics_prompt="snow", priority=1)
    claim = (await project.claim())[0]
    await lyrics_stored(project, await lyrics_begun(project, claim))
    track = await project.track(claim["track_id"])
    assert (track["lyrics"], track["title"]) == ("Snow falls", title)


async def test_a_dear_track_does_not_put_off_others_that_are_cheaper(project: Project) -> None:
    await project.sql("update music.settings set daily_budget_cents_per_user = 10")
    dear = await claimed(project, model="mureka-9.5")
    await project.as_service(
        "select begin_music_generation(%s, %s, '{}', 'mureka-9.5', null)",
        dear["claim_id"],
        str(uuid.uuid4()),
    )
    track = await project.new_track(await project.new_user())
    assert [str(claim["track_id"]) for claim in await project.claim()] == [track]


async def test_words_that_are_there_are_no_paid_retry_of_the_song(project: Project) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 0")
    user = await project.new_user()
    claim = await claimed(project, lyrics_prompt="snow", user_id=user)
    await lyrics_stored(project, await lyrics_begun(project, claim))
    await project.as_user(user, "update music_tracks set status = 'error'")
    await project.as_user(user, "update music_tracks set status = 'pending'")
    assert len(await project.claim()) == 1


async def test_words_that_never_came_are_paid_for_again_as_often_as_is_allowed(
    project: Project,
) -> None:
    await project.sql("update music.settings set max_paid_retries_per_day = 0")
    user = await project.new_user()
    claim = await claimed(project, lyrics_prompt="snow", user_id=user)
    await lyrics_begun(project, claim)
    await project.as_user(user, "update music_tracks set status = 'error'")
    with pytest.raises(psycopg.Error, match="paid for again"):
        await project.as_user(user, "update music_tracks set status = 'pending'")


async def test_another_users_track_is_no_parent_and_its_words_are_not_seen(
    project: Project,
) -> None:
    user, other = await project.new_user(), await project.new_user()
    mine, theirs = await project.new_track(user), await project.new_track(other)
    await project.sql(
        "insert into music_timed_lyrics (track_id, sections) values (%s, %s)",
        theirs,
        json.dumps([VERSE]),
    )
    with pytest.raises(psycopg.Error, match="no such track"):
        await project.as_user(user, "select * from music_another_take(%s)", theirs)
    with pytest.raises(psycopg.Error, match="Only the status"):
        await project.as_user(
            user, "update music_tracks set parent_id = %s where id = %s", theirs, mine
        )
    assert await project.as_user(user, "select * from music_timed_lyrics") == []
    with pytest.raises(psycopg.Error, match="permission denied"):
        await project.as_user(other, "delete from music_timed_lyrics where true")


async def test_words_that_were_written_stay_where_their_prompt_is_taken_away(
    project: Project,
) -> None:
    await project.new_track(lyrics_prompt="snow")
    claim = (await project.claim())[0]
    await lyrics_stored(project, await lyrics_begun(project, claim))
    await project.sql(
        "update public.music_tracks set status = 'error' where id = %s", claim["track_id"]
    )
    await project.sql(
        "update public.music_tracks set lyrics_prompt = null where id = %s", claim["track_id"]
    )
    assert (await project.track(claim["track_id"]))["lyrics"] == "Snow falls"

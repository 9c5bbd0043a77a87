"""A reading journey: begun, continued and finished, each station numbered and scored once."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest

from local_supabase import migrations
from tests.support.database import Project, rows
from tests.support.project import SUPABASE

Station = dict[str, dict[str, Any]]


async def call(project: Project, user: str, query: str, *args: Any) -> Station:
    [row] = await project.as_user(user, query, *args)
    return dict(next(iter(row.values())))


async def begin(project: Project, user: str, title: str | None = "Emma", *args: Any) -> Station:
    more = ", %s" * len(args)
    return await call(project, user, f"select public.create_journey(%s{more})", title, *args)


async def add(project: Project, user: str, journey_id: str, **named: Any) -> Station:
    more = "".join(f", {name} => %s" for name in named)
    query = f"select public.add_reading_log(%s{more})"
    return await call(project, user, query, journey_id, *named.values())


async def finish(project: Project, user: str, journey_id: str) -> Station:
    return await call(project, user, "select public.finish_journey(%s)", journey_id)


async def versions(project: Project) -> list[str]:
    found = await project.sql("select version from public.reading_logs order by created_at, id")
    return [row["version"] for row in found]


async def refusal(project: Project, user: str, query: str, *args: Any) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as refused:
        await project.as_user(user, query, *args)
    return refused.value


async def test_a_journey_begins_with_its_first_log_and_a_pending_track(project: Project) -> None:
    user = await project.new_user()
    station = await begin(project, user, " Emma ", "Jane Austen", ["hopeful", "curious"])
    journey, log, track = station["journey"], station["log"], station["track"]
    assert (journey["book_title"], journey["book_author"]) == ("Emma", "Jane Austen")
    assert (journey["user_id"], journey["finished_at"]) == (user, None)
    assert (log["version"], log["journey_id"], log["track_id"]) == (
        "v0",
        journey["id"],
        track["id"],
    )
    assert log["emotions"] == ["hopeful", "curious"]
    assert (track["status"], track["user_id"], track["journey_id"]) == (
        "pending",
        user,
        journey["id"],
    )
    assert track["prompt"] == (
        "Opening music for a reader who begins “Emma” by Jane Austen."
        " The feeling: hopeful, curious."
    )


async def test_each_log_is_numbered_and_tells_the_story_so_far(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user, "Emma", None, ["hopeful"]))["journey"]["id"]
    await add(project, user, journey_id, p_memo="So that\nis how it is.")
    station = await add(
        project,
        user,
        journey_id,
        p_quote="Badly done,\r\n Emma!",
        p_memo="I was ashamed with her.",
        p_emotions=["shame", "tenderness"],
    )
    assert station["log"]["version"] == "v2"
    assert station["log"]["quote"] == "Badly done,\r\n Emma!"
    assert station["track"]["prompt"] == (
        "Music for a reader in the midst of “Emma”. The feeling: shame, tenderness."
        " A passage that stayed: “Badly done, Emma!”."
        " The reader's thought: “I was ashamed with her.”."
        " The way so far: hopeful, then “So that is how it is.”."
    )
    final = await finish(project, user, journey_id)
    assert final["log"]["version"] == "vFinal"
    assert final["journey"]["finished_at"] is not None
    assert final["track"]["prompt"] == (
        "Closing music for a reader who has finished “Emma”. The way so far:"
        " hopeful, then “So that is how it is.”, then shame and tenderness."
    )
    assert await versions(project) == ["v0", "v1", "v2", "vFinal"]


async def test_finishing_twice_answers_the_same_final_log(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    first = await finish(project, user, journey_id)
    assert await finish(project, user, journey_id) == first
    assert await project.value("select count(*) from public.music_tracks") == 2


async def test_finishing_at_once_from_two_devices_makes_one_final_log(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    found = await asyncio.gather(*(finish(project, user, journey_id) for _ in range(5)))
    assert len({station["log"]["id"] for station in found}) == 1
    assert await versions(project) == ["v0", "vFinal"]


async def test_fifty_logs_at_once_are_numbered_without_gap_or_duplicate(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    connections = [await project.another_connection() for _ in range(10)]
    claims = json.dumps({"role": "authenticated", "sub": user})
    waiting = list(range(50))

    async def write(connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        while waiting:
            number = waiting.pop()
            async with connection.transaction():
                await connection.execute(
                    "select set_config('request.jwt.claims', %s, true),"
                    " set_config('role', 'authenticated', true)",
                    (claims,),
                )
                if number % 5:
                    query = "select public.add_reading_log(%s, p_memo => %s)"
                else:  # a log without music, written as a row
                    query = "insert into public.reading_logs (journey_id, memo) values (%s, %s)"
                await rows(connection, query, journey_id, f"number {number}")

    await asyncio.gather(*(write(connection) for connection in connections))
    assert sorted(await versions(project), key=lambda v: int(v[1:])) == [
        f"v{number}" for number in range(51)
    ]
    assert await project.value("select count(*) from public.music_tracks") == 41


async def test_many_logs_in_one_insert_are_numbered_in_their_order(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    await project.as_user(
        user,
        "insert into public.reading_logs (journey_id, memo)"
        " select %s, n::text from generate_series(1, 3) n",
        journey_id,
    )
    found = await project.sql("select version, memo from public.reading_logs where memo <> ''")
    assert {row["version"]: row["memo"] for row in found} == {"v1": "1", "v2": "2", "v3": "3"}


async def test_a_deleted_log_leaves_no_duplicate_behind(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    for _ in range(3):
        await add(project, user, journey_id)
    await project.as_user(user, "delete from public.reading_logs where version = 'v2'")
    assert (await add(project, user, journey_id))["log"]["version"] == "v4"


async def test_a_repeated_call_with_a_track_id_of_ones_own_changes_nothing(
    project: Project,
) -> None:
    user = await project.new_user()
    track_id = str(uuid.uuid4())
    first = await begin(project, user, "Emma", None, [], track_id)
    assert first["track"]["id"] == track_id
    assert await begin(project, user, "Emma", None, [], track_id) == first
    journey_id, track_id = first["journey"]["id"], str(uuid.uuid4())
    log = await add(project, user, journey_id, p_memo="x", p_track_id=track_id)
    assert await add(project, user, journey_id, p_memo="x", p_track_id=track_id) == log
    assert await project.value("select count(*) from public.music_tracks") == 2


async def test_a_track_id_of_somebody_else_is_refused_and_nothing_is_written(
    project: Project,
) -> None:
    theirs = await project.new_track(await project.new_user())
    user = await project.new_user()
    query = "select public.create_journey('Emma', p_track_id => %s)"
    refused = await refusal(project, user, query, theirs)
    assert (refused.sqlstate, refused.diag.message_hint) == (
        "MU002",
        "Choose a new id, or leave p_track_id out.",
    )
    assert await project.value("select count(*) from public.journeys") == 0


@pytest.mark.parametrize(
    ("query", "sqlstate", "sentence"),
    [
        ("select public.create_journey('')", "MU006", "The title of the book is empty."),
        ("select public.create_journey(null)", "MU006", "The title of the book is empty."),
        (
            "select public.create_journey(repeat('x', 301))",
            "MU006",
            "The title of the book has 301 characters; at most 300 are allowed.",
        ),
        (
            "select public.create_journey('Emma', repeat('x', 301))",
            "MU006",
            "The author of the book has 301 characters; at most 300 are allowed.",
        ),
        (
            "select public.create_journey('Emma', null, array[repeat('x', 51)])",
            "MU006",
            "The emotion has 51 characters; at most 50 are allowed.",
        ),
        (
            "select public.create_journey('Emma', null,"
            " (select array_agg(n::text) from generate_series(1, 21) n))",
            "MU006",
            "There are 21 emotions; at most 20 are allowed.",
        ),
        (
            "select public.add_reading_log(:mine, repeat('x', 4001))",
            "MU006",
            "The quote has 4001 characters; at most 4000 are allowed.",
        ),
        (
            "select public.add_reading_log(:mine, null, repeat('x', 4001))",
            "MU006",
            "The memo has 4001 characters; at most 4000 are allowed.",
        ),
        ("select public.add_reading_log(:theirs)", "MU004", "There is no such journey of yours."),
        ("select public.finish_journey(:theirs)", "MU004", "There is no such journey of yours."),
        (
            "select public.finish_journey(gen_random_uuid())",
            "MU004",
            "There is no such journey of yours.",
        ),
        ("select public.add_reading_log(null)", "MU004", "There is no such journey of yours."),
        (
            "select public.add_reading_log(:finished)",
            "MU005",
            "The journey is finished; nothing can be added to it.",
        ),
        (
            "insert into public.reading_logs (journey_id) values (:finished)",
            "MU005",
            "The journey is finished; nothing can be added to it.",
        ),
        (
            "update public.journeys set finished_at = null where id = :finished",
            "MU005",
            "The journey is finished and stays so.",
        ),
        (
            "insert into public.reading_logs (journey_id) values (:theirs)",
            "MU004",
            "There is no such journey of yours.",
        ),
        (
            "insert into public.journeys (book_title, user_id) values ('x', gen_random_uuid())",
            "MU003",
            "A journey can only be begun for yourself.",
        ),
        (
            "update public.journeys set book_title = ' ' where id = :mine",
            "MU006",
            "The title of the book is empty.",
        ),
        (
            "insert into public.reading_logs (journey_id, version) values (:mine, 'v7')",
            "42501",
            "permission denied for table reading_logs",
        ),
        (
            "update public.reading_logs set version = 'v7' where journey_id = :mine",
            "42501",
            "permission denied for table reading_logs",
        ),
        (
            "update public.journeys set user_id = null where id = :mine",
            "42501",
            "permission denied for table journeys",
        ),
    ],
)
async def test_what_is_refused_is_refused_with_a_sentence_and_writes_nothing(
    project: Project, query: str, sqlstate: str, sentence: str
) -> None:
    user, other = await project.new_user(), await project.new_user()
    ids = {
        ":mine": (await begin(project, user))["journey"]["id"],
        ":theirs": (await begin(project, other))["journey"]["id"],
        ":finished": (await begin(project, user))["journey"]["id"],
    }
    await finish(project, user, ids[":finished"])
    everything = "select (select count(*) from public.reading_logs) as logs, t.* from ("
    everything += "select count(*) as tracks from public.music_tracks) t"
    before = await project.sql(everything)
    for name, value in ids.items():
        query = query.replace(name, f"'{value}'")
    refused = await refusal(project, user, query)
    assert (refused.sqlstate, refused.diag.message_primary) == (sqlstate, sentence)
    if sqlstate.startswith("MU"):
        assert refused.diag.message_hint
    assert await project.sql(everything) == before


async def test_nobody_begins_a_journey_for_nobody(project: Project) -> None:
    with pytest.raises(psycopg.Error, match="Nobody is signed in") as refused:
        await project.sql("select public.create_journey('Emma')")
    assert refused.value.sqlstate == "MU003"
    for role in ("anon", "service_role"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="create_journey"):
            async with project.acting_as(role) as run:
                await run("select public.create_journey('Emma')")


async def test_emotions_lose_blanks_and_repetitions(project: Project) -> None:
    user = await project.new_user()
    station = await begin(project, user, "Emma", None, [" joy", "", None, "awe\n", "joy", "  "])
    assert station["log"]["emotions"] == ["joy", "awe"]


async def test_a_journey_finished_by_editing_the_row_gets_its_final_log_as_a_row(
    project: Project,
) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    await project.as_user(
        user, "update public.journeys set finished_at = '1999-01-01' where id = %s", journey_id
    )
    assert await project.value("select finished_at > now() - interval '1 minute' from journeys")
    final = await finish(project, user, journey_id)
    assert final["log"]["version"] == "vFinal"


HOSTILE = [
    "x" * 300,
    "wort " * 60,
    "…\u2028\u0085\t" * 60 + "ende",
    "'; drop table public.music_tracks; --",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "%s %I %1$s \\0 {} ${}",
    "日本語の本" * 60,
    "." * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_words_make_a_readable_prompt_of_allowed_length(
    project: Project, text: str
) -> None:
    user = await project.new_user()
    feelings = [text[n : n + 50] or text[:50] for n in range(0, 1000, 50)]
    station = await begin(project, user, text[:300], text[:300], feelings)
    journey_id = station["journey"]["id"]
    prompts = [station["track"]["prompt"]]
    for _ in range(4):
        station = await add(
            project,
            user,
            journey_id,
            p_quote=text * 13,
            p_memo=text * 13,
            p_emotions=feelings,
        )
        prompts.append(station["track"]["prompt"])
    prompts.append((await finish(project, user, journey_id))["track"]["prompt"])
    for prompt in prompts:
        assert 1 <= len(prompt) <= 1024
        assert prompt == " ".join(prompt.split())
        assert prompt.isprintable()
        assert prompt.endswith((".", "…"))
    assert await project.value("select to_regclass('public.music_tracks') is not null")


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one two, three", 10, "one two…"),
        ("abcdefgh", 5, "abcd…"),
        (" one\n\ttwo ", 20, "one two"),
        ("", 5, None),
        (None, 5, None),
    ],
)
async def test_texts_are_cut_at_whole_words(
    project: Project, text: str | None, most: int, short: str | None
) -> None:
    assert await project.value("select music.shorten(%s, %s)", text, most) == short


async def test_a_backend_may_number_a_log_or_leave_it_to_the_table(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    log = "insert into public.reading_logs (journey_id, version) values (%s, %s) returning version"
    assert (await project.as_service(log, journey_id, None))[0]["version"] == "v1"
    assert (await project.as_service(log, journey_id, "v9"))[0]["version"] == "v9"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await project.as_service(log, journey_id, "v9")
    assert (await add(project, user, journey_id))["log"]["version"] == "v10"


async def test_deleting_a_journey_takes_logs_tracks_and_claims_along(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    [claim] = await project.claim()
    generation_id = await project.write_intent(claim)
    await project.as_user(user, "delete from public.journeys where id = %s", journey_id)
    for table in ("public.reading_logs", "public.music_tracks", "music.claims"):
        assert await project.value(f"select count(*) from {table}") == 0, table
    history = await project.sql("select kind from music.events order by id")
    assert [event["kind"] for event in history] == ["created", "claimed", "intent", "deleted"]
    assert (
        await project.as_service("select public.record_music_task(%s, 'late', null)", generation_id)
        == []
    )
    [generation] = await project.sql("select * from music.generations")
    assert (generation["track_id"], generation["mureka_task_id"]) == (None, "late")


async def test_deleting_an_account_leaves_nothing_but_the_ledger(project: Project) -> None:
    user = await project.new_user()
    journey_id = (await begin(project, user))["journey"]["id"]
    await add(project, user, journey_id)
    await project.new_track(user)
    claims = await project.claim()
    generation_ids = [await project.write_intent(claim) for claim in claims]
    await project.sql("delete from auth.users where id = %s", user)
    for table in ("public.journeys", "public.reading_logs", "public.music_tracks", "music.claims"):
        assert await project.value(f"select count(*) from {table}") == 0, table
    for claim in claims:
        assert (
            await project.as_service(
                "select * from public.report_music_stage(%s, 'running')", claim["claim_id"]
            )
            == []
        )
    for generation_id in generation_ids:
        await project.as_service(
            "select public.record_music_task(%s, %s, null)", generation_id, generation_id
        )
    ledger = await project.sql("select track_id, user_id, mureka_task_id from music.generations")
    assert len(ledger) == 3
    assert all(row["track_id"] is None and str(row["user_id"]) == user for row in ledger)
    assert {row["mureka_task_id"] for row in ledger} == set(generation_ids)


async def test_the_same_first_call_made_twice_at_once_begins_one_journey(project: Project) -> None:
    user, track_id = await project.new_user(), str(uuid.uuid4())
    stations = await asyncio.gather(
        *(begin(project, user, "Emma", None, [], track_id) for _ in range(5))
    )
    assert len({station["journey"]["id"] for station in stations}) == 1
    assert await project.value("select count(*) from public.journeys") == 1


async def test_a_track_id_of_another_journey_loses_no_log(project: Project) -> None:
    user = await project.new_user()
    first, second = await begin(project, user), await begin(project, user, "Persuasion")
    refused = await refusal(
        project,
        user,
        "select public.add_reading_log(%s, p_track_id => %s)",
        second["journey"]["id"],
        first["track"]["id"],
    )
    assert refused.sqlstate == "MU002"


async def test_emotions_without_end_are_refused_before_they_are_looked_at(project: Project) -> None:
    user = await project.new_user()
    query = "select public.create_journey('Emma', null, array_fill('x'::text, array[200000]))"
    refused = await refusal(project, user, query)
    assert refused.sqlstate == "MU006"


async def test_each_track_has_a_title_of_book_number_and_what_was_there(project: Project) -> None:
    user = await project.new_user()
    station = await begin(project, user, "Emma", "Jane Austen", ["hopeful", "curious"])
    journey = station["journey"]["id"]
    titles = [station["track"]["title"]]
    for log in ({"p_memo": "What a meddler"}, {"p_quote": "Badly done!", "p_memo": "Oh"}, {}):
        titles.append((await add(project, user, journey, **log))["track"]["title"])
    titles.append((await finish(project, user, journey))["track"]["title"])
    assert titles == [
        "Emma · v0 · hopeful, curious",
        "Emma · v1 · What a meddler",
        "Emma · v2 · Badly done!",
        "Emma · v3",
        "Emma · vFinal",
    ]


async def test_a_title_fits_the_shorter_column_of_an_app(platform: Project) -> None:
    await platform.operator.execute(
        b"create table public.music_tracks (id uuid primary key default gen_random_uuid(),"
        b" user_id uuid references auth.users, prompt text, title varchar(40),"
        b" status text not null default 'pending');"
        b"grant select, insert on public.music_tracks to authenticated"
    )
    await migrations.apply(platform.postgres.conninfo("postgres", platform.name), SUPABASE)
    reader = await platform.new_user()
    station = await begin(platform, reader, "The Strange Case of Dr Jekyll and Mr Hyde")
    assert station["track"]["title"] == "The Strange Case of Dr Jekyll and Mr…"


async def test_a_title_fits_however_long_the_book_is(project: Project) -> None:
    user = await project.new_user()
    station = await begin(project, user, "A long title " * 20, None, ["x" * 50, "y" * 50])
    title = station["track"]["title"]
    assert "v0" in title
    assert len(title) <= 120


async def test_the_words_of_the_end_are_written_from_the_story_where_the_app_asks(
    project: Project,
) -> None:
    user = await project.new_user()
    journey = (await begin(project, user, "Emma"))["journey"]["id"]
    for felt in ("hope", "shame", "joy", "calm"):
        await add(project, user, journey, p_emotions=[felt])
    final = await call(
        project, user, "select finish_journey(%s, p_sing => true, p_vocal_gender => 'female')",
        journey,
    )  # fmt: skip
    track = final["track"]
    assert "“Emma”" in track["lyrics_prompt"]
    assert "hope, then shame, then joy, then calm" in track["lyrics_prompt"]
    assert (track["lyrics"], track["vocal_gender"]) == (None, "female")


async def test_a_log_may_be_sung_with_own_words_or_with_words_from_the_story(
    project: Project,
) -> None:
    user = await project.new_user()
    journey = (await begin(project, user))["journey"]["id"]
    own = await add(project, user, journey, p_memo="x", p_lyrics="la la", p_sing=True)
    assert (own["track"]["lyrics"], own["track"]["lyrics_prompt"]) == ("la la", None)
    told = await add(project, user, journey, p_memo="What a meddler", p_sing=True)
    assert "What a meddler" in told["track"]["lyrics_prompt"]
    plain = await add(project, user, journey, p_memo="x")
    assert (plain["track"]["lyrics"], plain["track"]["lyrics_prompt"]) == (None, None)

"""Operators at the command line: retry, cancel, pause, resume, review, history, as programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local_supabase.stack import Stack
from tests.support.limits import LIFT_LIMITS
from tests.support.programs import PROGRAM, Command, environment
from tests.support.project import Connection

UNKNOWN = "00000000-0000-4000-8000-000000000000"
EVIL = "evil \x1b[2J\x07 [red]words[/red]"


@pytest.fixture(autouse=True)
async def empty(database: Connection) -> AsyncIterator[None]:
    """No tracks before and after, and a queue that goes on."""
    await _clear(database)
    yield
    await _clear(database)


async def _clear(database: Connection) -> None:
    await database.execute("delete from public.music_tracks")
    await database.execute("delete from music.generations")
    await database.execute("delete from music.workers")
    await database.execute(
        "update music.account set slowed_down_to = null, slowed_down_at = null where id"
    )
    await database.execute(LIFT_LIMITS.encode())


async def failed(
    database: Connection,
    *,
    code: str = "internal",
    message: str = "Something went wrong.",
    paid: bool = False,
    age: str = "1 minute",
) -> str:
    """A failed track that was submitted once; `paid` where its music may still be had."""
    track_id = str(uuid.uuid4())
    await database.execute(
        "insert into public.music_tracks (id, prompt, status, error_code, error_message)"
        " values (%s, 'a waltz', 'error', %s, %s)",
        (track_id, code, message),
    )
    await database.execute(
        "insert into music.generations (id, track_id, state, request, model, expected_cost_cents,"
        " mureka_task_id, accepted_at, finished_at, failed_reason)"
        " values (gen_random_uuid(), %s, case when %s then 'accepted' else 'failed' end, '{}',"
        " 'mureka-9', 4.5, %s, now(), case when %s then null else now() end,"
        " case when %s then null else 'failed' end)",
        (track_id, paid, track_id, paid, paid),
    )
    # The state machine stamps every change with the time; only replication's role may go back.
    await database.execute("alter table public.music_tracks disable trigger user")
    await database.execute(
        "update public.music_tracks set updated_at = now() - %s::interval where id = %s",
        (age, track_id),
    )
    await database.execute("alter table public.music_tracks enable trigger user")
    return track_id


async def pending(database: Connection, prompt: str = "a waltz") -> str:
    track_id = str(uuid.uuid4())
    await database.execute(
        "insert into public.music_tracks (id, prompt) values (%s, %s)", (track_id, prompt)
    )
    return track_id


async def status_of(database: Connection, track_id: str) -> str:
    cursor = await database.execute(
        "select status from public.music_tracks where id = %s", (track_id,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row["status"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["retry"], "Say which tracks to retry"),
        (["retry", "nonsense"], "is not the id of a track"),
        (["retry", UNKNOWN, "--yes"], f"There is no track {UNKNOWN}"),
        (["retry", "--error-code", "bad_luck"], 'There is no error code "bad_luck"'),
        (["retry", "--since", "yesterday"], '"yesterday" is no time'),
        (["retry", "--since", "999999w"], "is no time"),
        (["pause", "--reason", "\udcff"], "--reason is not plain UTF-8 text"),
        (["cancel"], "TRACK_ID"),
        (["cancel", "nonsense"], "is not the id of a track"),
        (["cancel", UNKNOWN], f"There is no track {UNKNOWN}"),
        (["history", "nonsense"], "is not the id of a track"),
        (["history", UNKNOWN], f"There is no track {UNKNOWN}"),
    ],
)
async def test_what_cannot_be_done_gets_one_sentence_and_exit_code_2(
    command: Command, arguments: list[str], words: str
) -> None:
    said = await command(*arguments)
    assert said.code == 2
    assert words in said.sentence
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", ["retry --all", "pause", "resume", "review", "queue"])
async def test_operators_need_the_secret_key(command: Command, name: str) -> None:
    said = await command(*name.split(), SUPABASE_SECRET_KEY="sb_publishable_x")
    assert said.code == 2
    assert "needs the secret one" in said.sentence


async def test_retry_says_first_what_it_would_cost_and_does_nothing_unasked(
    command: Command, database: Connection
) -> None:
    free, paid = await failed(database, paid=True), await failed(database)
    said = await command("retry", "--all")
    assert said.code == 2
    assert "Nothing was retried; agree with --yes." in said.sentence
    assert "2 tracks can be retried: 1 free, about 4.5 US cents for the others." in said.sentence
    shown = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[1:]}
    assert shown == {free: ["internal", "free"], paid: ["internal", "4.5"]}
    assert await status_of(database, free) == "error"


async def test_retry_with_yes_retries_and_says_what_it_costs(
    command: Command, database: Connection
) -> None:
    free, paid = await failed(database, paid=True), await failed(database)
    said = await command("retry", free, paid, "--yes")
    assert (said.code, said.err) == (0, "")
    assert said.out == "retried 2 tracks: 1 free, about 4.5 US cents for the others.\n"
    assert [await status_of(database, each) for each in (free, paid)] == ["pending", "pending"]
    again = await command("retry", free, "--yes")
    assert (again.code, again.out) == (1, "")
    assert again.sentence == f"error: Track {free} waits already; `queue` says what for."


async def test_retry_takes_what_meets_every_condition(
    command: Command, database: Connection
) -> None:
    wanted = await failed(database, code="storage_failed", age="10 minutes")
    await failed(database, code="storage_failed", age="3 hours")
    await failed(database, code="internal", age="10 minutes")
    said = await command(
        "retry", "--error-code", "storage_failed", "--since", "2h", "--yes", "--json"
    )
    assert said.code == 0
    report = json.loads(said.out)
    assert (report["retried"], report["free"], report["expected_cost_cents"]) == (True, 0, 4.5)
    assert [row["track_id"] for row in report["tracks"]] == [wanted]


async def test_what_was_cancelled_is_retried_only_by_name(
    command: Command, database: Connection
) -> None:
    cancelled = await failed(database, code="cancelled")
    assert (await command("retry", "--all", "--yes")).out == "nothing to retry\n"
    said = await command("retry", cancelled, "--yes")
    assert said.out.startswith("retried 1 track")


async def test_a_dry_run_in_json_says_that_nothing_was_retried(
    command: Command, database: Connection
) -> None:
    track_id = await failed(database)
    said = await command("retry", "--all", "--json")
    assert said.code == 2
    report = json.loads(said.out)
    assert not report["retried"]
    assert [row["track_id"] for row in report["tracks"]] == [track_id]
    nothing = await command("retry", "--error-code", "moderation_blocked", "--json")
    assert nothing.code == 0
    assert json.loads(nothing.out)["tracks"] == []


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", "pending"), (b"n\n", "error")])
async def test_on_a_terminal_retry_asks(
    stack: Stack, database: Connection, tmp_path: Path, answer: bytes, status: str
) -> None:
    track_id = await failed(database)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("retry", track_id),
        cwd=tmp_path,
        env=environment(stack),
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.write(ours, answer)
    _, err = await process.communicate()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert b"Retry 1 track?" in err
    assert await status_of(database, track_id) == status


async def test_more_than_a_thousand_tracks_are_retried_in_one_go(
    command: Command, database: Connection
) -> None:
    await database.execute(
        "insert into public.music_tracks (prompt, status, error_code, error_message)"
        " select 'a waltz', 'error', 'internal', 'Away.' from generate_series(1, 1100)"
    )
    said = await command("retry", "--error-code", "internal", "--yes")
    assert said.code == 0, said.err
    assert said.out.startswith("retried 1100 tracks: 0 free")
    assert "the price of 1100 is not known" in said.out


async def test_cancel_says_what_each_track_was_and_what_had_ended(
    command: Command, database: Connection
) -> None:
    waiting, ended = await pending(database), await failed(database)
    said = await command("cancel", waiting, ended)
    assert said.code == 1
    assert said.out == f"cancelled {waiting} (was pending)\n"
    assert f"Track {ended} has ended already" in said.sentence
    assert await status_of(database, waiting) == "error"
    other = await pending(database)
    in_json = await command("cancel", other, other, "--json")
    assert in_json.code == 0
    assert json.loads(in_json.out)["track_id"] == other


async def test_one_unknown_id_keeps_all_from_being_cancelled(
    command: Command, database: Connection
) -> None:
    waiting = await pending(database)
    said = await command("cancel", waiting, UNKNOWN)
    assert said.code == 2
    assert await status_of(database, waiting) == "pending"


async def test_pause_is_seen_in_queue_and_review_until_resume(
    command: Command, database: Connection
) -> None:
    await pending(database)
    paused = await command("pause", "--reason", EVIL)
    assert (paused.code, paused.err) == (0, "")
    assert paused.out == "Paused. Waiting: 1 track. Being finished: 0 tracks.\n"
    queue = await command("queue")
    line = queue.out.splitlines()[-1]
    assert line.startswith("paused by service_role: evil")
    assert "1 waits for the queue to go on" in line
    assert "0 US cents spent today" in line
    review = await command("review")
    assert review.code == 0
    assert "queue_paused" in review.out
    for said in (queue, review):
        assert "[red]words" in said.out
        assert "\x1b" not in said.out
        assert "\x07" not in said.out
    resumed = await command("resume")
    assert (resumed.code, resumed.out) == (0, "Going on. Waiting: 1 track.\n")
    assert "paused" not in (await command("queue")).out


async def test_the_queue_tells_its_health_to_scripts_and_its_budget_to_people(
    command: Command, database: Connection
) -> None:
    await failed(database)
    await database.execute("update music.settings set daily_budget_cents = 1000")
    await database.execute(
        "insert into music.workers (id, state, note) values ('w', 'blocked', E'No money.\\x1b[2J')"
    )
    line = (await command("queue")).out.splitlines()[-1]
    assert line == "1 worker · w is blocked: No money. [2J · 4.5 of 1000 US cents spent today"
    health = json.loads((await command("queue", "--json")).out)["health"]
    assert (health["workers_alive"], health["daily_budget_cents"]) == (1, 1000)


async def test_review_lists_what_waits_for_a_person(command: Command, database: Connection) -> None:
    nothing = await command("review")
    assert (nothing.code, nothing.out) == (0, "nothing waits for a person\n")
    track_id = await failed(database, code="submission_unknown", message=EVIL)
    said = await command("review")
    assert said.code == 0
    assert "submission_unknown" in said.out
    assert track_id in said.out
    assert "\x1b" not in said.out
    [row] = [json.loads(line) for line in (await command("review", "--json")).out.splitlines()]
    assert row["track_id"] == track_id
    assert "record_music_task" in row["what_to_do"]
    assert row["commands"] == [
        f"music-service retry {track_id}",
        f"music-service record {track_id} TASK_ID",
        f"music-service dismiss {track_id}",
    ]
    for typed in row["commands"]:
        assert f"\n    {typed}\n" in said.out


async def test_what_is_alike_is_said_once(command: Command, database: Connection) -> None:
    alike = [await failed(database, code="storage_failed", message="Full.") for _ in range(7)]
    other = await failed(database, code="storage_failed", message="Odd.")
    said = await command("review")
    assert said.out.count("Make the bucket take audio/mpeg") == 2
    assert "storage_failed: 7 tracks\n" in said.out
    assert "storage_failed: 1 track\n" in said.out
    assert sum(each in said.out for each in alike) == 5
    assert "and 2 more, which --json lists" in said.out
    assert "    music-service retry ID ...\n" in said.out
    assert f"    music-service retry {other}\n" in said.out


async def test_a_task_that_mureka_named_puts_the_track_back_to_work(
    command: Command, database: Connection
) -> None:
    track_id = await failed(database, code="submission_unknown")
    await database.execute(
        "update music.generations set state = 'unknown', mureka_task_id = null, accepted_at = null,"
        " finished_at = null, failed_reason = null where track_id = %s",
        (track_id,),
    )
    said = await command("record", track_id, "1795669640482")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"recorded task 1795669640482 of {track_id}")
    assert await status_of(database, track_id) == "pending"
    again = await command("record", track_id, "1795669640482")
    assert again.code == 2
    assert f"No paid call of track {track_id} waits to be confirmed" in again.sentence


async def test_what_was_dismissed_is_not_reviewed_and_can_still_be_retried(
    command: Command, database: Connection
) -> None:
    done, waiting = await failed(database), await pending(database)
    said = await command("dismiss", done, waiting)
    assert said.code == 1
    assert said.out == f"dismissed {done}\n"
    assert f"Track {waiting} has not failed" in said.sentence
    assert done not in (await command("review", "--json")).out
    assert await status_of(database, waiting) == "pending"
    assert (await command("retry", done, "--yes")).code == 0


async def test_a_completed_track_is_not_retried_and_one_is_told_why(
    command: Command, database: Connection
) -> None:
    track_id = str(uuid.uuid4())
    await database.execute(
        "insert into public.music_tracks (id, prompt, status, file_url, storage_path, completed_at)"
        " values (%s, 'a waltz', 'completed', 'https://x.example/a.mp3', 'a.mp3', now())",
        (track_id,),
    )
    said = await command("retry", track_id, await failed(database), "--yes")
    assert said.code == 1
    assert said.out == "retried 1 track: about 4.5 US cents.\n"
    assert f"Track {track_id} is completed, and only failed tracks can be retried" in said.sentence
    assert await status_of(database, track_id) == "completed"


async def test_the_queue_lists_what_was_completed_lately_with_its_url(
    command: Command, database: Connection
) -> None:
    for name, age in (("old", "1 hour"), ("new", "1 minute")):
        await database.execute(
            "insert into public.music_tracks"
            " (prompt, status, file_url, storage_path, completed_at) values"
            " (%s, 'completed', %s, 'a.mp3', now() - %s::interval)",
            (name, f"https://x.example/{name}.mp3", age),
        )
    said = await command("queue", "--completed", "--limit", "1")
    assert said.code == 0
    first, second = said.out.splitlines()[:2]
    assert first.endswith(" new")
    assert second == "  https://x.example/new.mp3"
    assert "old" not in said.out
    listed = json.loads((await command("queue", "--completed", "--json")).out)["tracks"]
    assert [track["prompt"] for track in listed] == ["new", "old"]


async def test_a_row_of_settings_that_was_forced_away_is_missed_and_made_again(
    command: Command, database: Connection
) -> None:
    await database.execute(
        "alter table music.settings disable trigger settings_keep_rows;"
        " delete from music.settings;"
        " alter table music.settings enable trigger settings_keep_rows"
    )
    said = await command("queue")
    assert said.code == 2
    assert "The row of music.settings is missing" in said.sentence
    for name in ("pause", "resume", "queue"):
        assert (await command(name)).code == 0


async def test_tracks_are_regenerated_once_the_price_is_known(
    command: Command, database: Connection
) -> None:
    waiting = await pending(database)
    done = str(uuid.uuid4())
    await database.execute(
        "insert into public.music_tracks (id, prompt, file_url) values (%s, 'done', 'https://x')",
        (done,),
    )
    said = await command("regenerate", done)
    assert said.code == 2
    assert done in said.out
    assert "agree with --yes" in said.sentence
    said = await command("regenerate", done, str(waiting), "--yes", "--json")
    assert said.code == 1
    assert f"Track {waiting} is not completed" in said.err
    report = json.loads(said.out)
    assert (report["regenerated"], [row["track_id"] for row in report["tracks"]]) == (True, [done])
    [row] = await (
        await database.execute("select * from public.music_tracks where id = %s", (done,))
    ).fetchall()
    assert (row["status"], row["file_url"]) == ("pending", "https://x")
    said = await command("cancel", done)
    assert said.code == 0
    history = (await command("history", done)).out
    assert "it is completed with the audio that it had" in " ".join(history.split())


async def test_history_tells_the_story_of_a_track(command: Command, database: Connection) -> None:
    track_id = await pending(database)
    await command("cancel", track_id)
    await command("retry", track_id, "--yes")
    said = await command("history", track_id)
    assert said.code == 0
    told = [line.split(" ", 2)[2] for line in said.out.splitlines()]
    assert told == [
        "It was asked for. (a backend)",
        "Cancelled. (service_role)",
        "Retried after cancelled. (service_role)",
    ]
    kinds: list[Any] = [
        json.loads(line)["kind"]
        for line in (await command("history", track_id, "--json")).out.splitlines()
    ]
    assert kinds == ["created", "cancelled", "retried"]


async def test_a_story_cannot_steer_the_terminal(command: Command, database: Connection) -> None:
    track_id = await pending(database)
    await database.execute(
        "insert into music.events (track_id, kind, detail) values"
        " (%s, 'failed', jsonb_build_object('error_code', 'internal', 'error_message', %s::text))",
        (track_id, EVIL),
    )
    said = await command("history", track_id)
    assert "[red]words[/red]" in said.out
    assert "\x1b" not in said.out


@pytest.mark.parametrize("columns", [80, 140])
async def test_on_a_terminal_ids_states_and_commands_stay_whole(
    stack: Stack, database: Connection, tmp_path: Path, columns: int
) -> None:
    waiting, lost = await pending(database, "a prompt " * 20), await failed(database)
    long = "Mureka has an outage, says their status page; " * 3
    await database.execute("update music.settings set paused = true, paused_reason = %s", (long,))
    shown = {
        name: await on_a_terminal(stack, tmp_path, columns, name) for name in ("queue", "review")
    }
    [line] = [line for line in shown["queue"] if line.startswith(waiting)]
    assert "waiting for its turn" in line
    assert line.endswith("…")
    assert f"    music-service retry {lost}" in shown["review"]
    assert all(len(line) <= columns for lines in shown.values() for line in lines)


async def on_a_terminal(stack: Stack, directory: Path, columns: int, *typed: str) -> list[str]:
    """What a command shows on a terminal of that width, without its colours."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *typed,
        cwd=directory,
        env=environment(stack, COLUMNS=str(columns), TERM="dumb", NO_COLOR="1"),
        stdin=theirs,
        stdout=theirs,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(theirs)
    written = bytearray()
    with contextlib.suppress(OSError):  # which says that nobody writes any more
        while part := await asyncio.to_thread(os.read, ours, 4096):
            written += part
    os.close(ours)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    text = re.sub(r"\x1b\[[0-9;]*m", "", written.decode())
    return [line.rstrip() for line in text.splitlines()]

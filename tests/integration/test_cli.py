"""The command line as programs: results on stdout, sentences on stderr, exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import uuid
from pathlib import Path

import pytest

from local_supabase.ports import HOST, Ports
from local_supabase.stack import Stack
from tests.support.programs import PROGRAM, Command, environment, run_program
from tests.support.project import Connection, SignedIn
from tests.support.times import QUICK
from tests.support.watching import settled

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        (["run"], {"SUPABASE_URL": ""}, "SUPABASE_URL is not set"),
        (["run"], {"SUPABASE_URL": "my-project"}, "SUPABASE_URL must start with https://"),
        (["run"], {"SUPABASE_SECRET_KEY": "", "SUPABASE_SERVICE_ROLE_KEY": ""}, "is not set"),
        (["run"], {"SUPABASE_SECRET_KEY": "sb_publishable_x"}, "needs the secret one"),
        (["run"], {"SUPABASE_SECRET_KEY": "sb_secret_wrong"}, "refuses the secret key"),
        (["run"], {"SUPABASE_SECRET_KEY": "nonsense"}, "neither an sb_secret_ key nor"),
        (["run"], {"MUSIC_BUCKET": "nowhere"}, 'The bucket "nowhere" does not exist'),
        (["run"], {"MUREKA_API_KEY": ""}, "MUREKA_API_KEY is not set"),
        (["run"], {"MUREKA_API_KEY": "wrong"}, "Mureka refused the API key"),
        (["run"], {"MUSIC_LEASE_SECONDS": "-1"}, "MUSIC_LEASE_SECONDS"),
        (["run"], {"MUREKA_POLL_SECONDS": "soon"}, "MUREKA_POLL_SECONDS"),
        (["enqueue", ""], {}, "The prompt is empty"),
        (["enqueue", " \n "], {}, "The prompt is empty"),
        (["enqueue", "x" * 1025], {}, "1025 characters; at most 1024"),
        *(
            (["enqueue", "x", hint, "x" * 101], {"SUPABASE_URL": NOWHERE}, f"{hint} has 101 char")
            for hint in ("--genre", "--mood", "--tempo")
        ),
        (["enqueue", "x", "--mood", "\udcff"], {}, "--mood is not plain UTF-8 text"),
        (["enqueue", "x", "--duration", "0"], {}, "--duration"),
        (["enqueue", "x", "--duration", "601"], {"SUPABASE_URL": NOWHERE}, "--duration"),
        (["enqueue", "x", "--lyrics-file", "nowhere.txt"], {}, "nowhere.txt cannot be read"),
        (["enqueue", "x", "--user", "nobody@example.com"], {}, "no user with the e-mail address"),
        (["watch", "nonsense"], {}, "is not the id of a track"),
        (["watch", str(uuid.uuid4())], {}, "There is no track"),
        (["queue"], {"SUPABASE_SECRET_KEY": "sb_publishable_x"}, "needs the secret one"),
        (["stack", "--port", "65533"], {}, "--port"),
        (["queue", "--limit", "0"], {}, "--limit"),
        (["dance"], {}, "dance"),
    ],
)
async def test_bad_input_gets_one_sentence_and_exit_code_2(
    command: Command, arguments: list[str], changes: dict[str, str], words: str
) -> None:
    said = await command(*arguments, **changes)
    assert said.code == 2
    assert words in said.sentence
    assert "Traceback" not in said.err
    assert said.out == ""


async def test_a_project_without_the_migrations_is_told_to_apply_them(
    command: Command, tmp_path: Path
) -> None:
    async with Stack(tmp_path / "bare", Ports.free(), times=QUICK, durable=False) as bare:
        said = await command("run", **bare.environment())
    assert said.code == 2
    assert 'apply the migrations ("music-service init"' in said.sentence


@pytest.mark.parametrize("name", ["run", "queue", "enqueue x"])
async def test_where_no_supabase_answers_one_sentence_says_so_and_the_exit_code_is_1(
    command: Command, name: str
) -> None:
    said = await command(*name.split(), SUPABASE_URL=NOWHERE)
    assert said.code == 1
    assert said.sentence == (
        f"error: No Supabase answers at {NOWHERE}; "
        "check SUPABASE_URL and whether the project is running."
    )
    assert said.out == ""


async def test_an_address_of_something_else_is_answered_alike(
    command: Command, stack: Stack
) -> None:
    said = await command("run", SUPABASE_URL=stack.simulator_url)
    assert said.code == 1
    assert f"No Supabase answers at {stack.simulator_url}" in said.sentence


async def test_a_taken_port_is_named(command: Command, tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.create_server((HOST, ports.gateway)):
        said = await command("stack", "--port", str(ports.gateway), "--data-dir", str(tmp_path))
    assert said.code == 2
    assert f"Port {ports.gateway}" in said.sentence
    assert "--port" in said.sentence


async def test_a_directory_that_is_no_stack_is_never_deleted(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "diary.txt").write_text("precious")
    said = await command("stack", "--reset", "--data-dir", str(tmp_path))
    assert said.code == 2
    assert "nothing was deleted" in said.sentence
    assert (tmp_path / "diary.txt").read_text() == "precious"


async def test_no_secret_is_ever_said(command: Command, stack: Stack) -> None:
    wrong = "sb_secret_this_must_not_be_shown"
    for arguments in (["run"], ["queue"], ["enqueue", "x"]):
        said = await command(*arguments, SUPABASE_SECRET_KEY=wrong, LOG_LEVEL="debug")
        assert wrong not in said.out + said.err


@pytest.mark.usefixtures("worker")
async def test_enqueue_answers_the_id_and_watch_follows_it_to_the_file(command: Command) -> None:
    asked = await command("enqueue", "a slow tango", "--genre", "tango")
    assert asked.code == 0
    track_id = str(uuid.UUID(asked.out.strip()))
    watched = await command("watch", track_id)
    assert watched.code == 0
    word, shown_id, url = watched.out.split()
    assert (word, shown_id) == ("completed", track_id)
    assert url.endswith(".mp3")


async def test_watching_a_track_that_is_deleted_says_so_and_exits_1(
    stack: Stack, database: Connection, command: Command
) -> None:
    found = await database.execute(
        b"insert into public.music_tracks (prompt, run_after) values ('soon gone', 'tomorrow')"
        b" returning id"
    )
    [row] = await found.fetchall()
    watching = asyncio.ensure_future(command("watch", str(row["id"])))
    await settled(stack)
    await database.execute(b"delete from public.music_tracks where id = %s", (row["id"],))
    said = await watching
    assert (said.code, said.out) == (1, "")
    assert f"Deleted before its end: {row['id']}." in said.err


@pytest.mark.usefixtures("worker")
async def test_watching_a_track_that_fails_says_why_and_exits_1(
    command: Command, stack: Stack
) -> None:
    prompt = uuid.uuid4().hex
    stack.faults.simulator.plan(on="submit", status=451, match=prompt)
    said = await command("enqueue", prompt, "--watch")
    assert said.code == 1
    assert "moderation_blocked: Mureka's safety review refused the prompt" in said.sentence


@pytest.mark.usefixtures("worker")
async def test_scripts_get_json_lines(command: Command, user: SignedIn, tmp_path: Path) -> None:
    (tmp_path / "lyrics.txt").write_text("Row, row, row your boat")
    said = await command(
        "enqueue",
        "a round",
        "--user",
        user.email,
        "--lyrics-file",
        "lyrics.txt",
        "--watch",
        "--json",
    )
    assert said.code == 0
    seen = [json.loads(line) for line in said.out.splitlines()]
    assert seen[0]["lyrics"] == "Row, row, row your boat"
    assert {row["user_id"] for row in seen} == {user.id}
    assert seen[-1]["status"] == "completed"


async def test_the_queue_lists_what_waits_and_no_prompt_can_steer_the_terminal(
    command: Command, database: Connection
) -> None:
    await database.execute("delete from public.music_tracks where status <> 'completed'")
    await database.execute(
        "insert into public.music_tracks (prompt) values (E'evil \\x1b[2J\\x07 [red]title[/red]')"
    )
    said = await command("queue")
    assert said.code == 0
    assert "evil" in said.out
    assert "[red]title[/red]" in said.out
    assert "\x1b" not in said.out
    assert "\x07" not in said.out
    assert "1 pending" in said.out
    listed = json.loads((await command("queue", "--json")).out)
    assert listed["counts"]["pending"] == 1
    assert listed["tracks"][0]["status"] == "pending"
    await database.execute("delete from public.music_tracks where status <> 'completed'")


async def test_a_stack_started_as_a_program_writes_its_variables_and_stops_on_a_signal(
    tmp_path: Path,
) -> None:
    port, env_file = Ports.free().gateway, tmp_path / "stack.env"
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("stack", "--port", str(port), "--data-dir", str(tmp_path / "data")),
        *("--env-file", str(env_file)),
        cwd=tmp_path,
        env=environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"ready http://127.0.0.1:")
    names = {line.partition("=")[0] for line in env_file.read_text().splitlines()}
    assert names == {
        "SUPABASE_URL",
        "SUPABASE_SECRET_KEY",
        "SUPABASE_PUBLISHABLE_KEY",
        "SUPABASE_SERVICE_ROLE_KEY",
        "SUPABASE_ANON_KEY",
        "SUPABASE_DB_URL",
        "MUREKA_API_URL",
        "MUREKA_API_KEY",
    }
    assert env_file.stat().st_mode & 0o077 == 0, "nobody else may read the keys"
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    assert process.returncode == 0
    assert f"password are in {env_file}" in err.decode()
    keys = json.loads((tmp_path / "data" / "keys.json").read_text())
    assert [name for name, value in keys.items() if value in (out + err).decode()] == []


async def test_dev_once_makes_a_track_from_nothing_and_leaves_no_process(
    tmp_path: Path, command: Command
) -> None:
    port, data_dir = Ports.free().gateway, tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("dev", "--once", "--port", str(port), "--data-dir", str(data_dir)),
        *("--sim-seconds", "0.5"),
        cwd=tmp_path,
        env=environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().splitlines()[-1].startswith("completed ")
    listing = await asyncio.create_subprocess_exec("ps", "-ewwo", "args=", stdout=subprocess.PIPE)
    assert str(data_dir) not in (await listing.communicate())[0].decode()


async def test_dev_uses_the_project_of_the_environment(command: Command, stack: Stack) -> None:
    said = await command("dev", "--once")
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1].split()[2].startswith(stack.url)


async def test_dev_says_why_it_uses_a_project_and_how_it_would_not(
    command: Command, tmp_path: Path
) -> None:
    said = await command("dev", "--once", SUPABASE_URL="http://127.0.0.1:9")
    assert said.code == 1
    assert "No Supabase answers at http://127.0.0.1:9" in said.sentence
    assert "used because of SUPABASE_URL in this shell" in said.sentence
    stale = "SUPABASE_URL SUPABASE_SECRET_KEY SUPABASE_SERVICE_ROLE_KEY MUREKA_API_KEY"
    assert f"`unset {stale} MUREKA_API_URL` for an embedded one" in said.sentence

    half = await command("dev", "--once", SUPABASE_URL="")
    assert half.code == 2
    assert "SUPABASE_URL is not set" in half.sentence
    assert "Or `unset SUPABASE_SECRET_KEY SUPABASE_SERVICE_ROLE_KEY`" in half.sentence

    names = "SUPABASE_URL=http://127.0.0.1:9\nSUPABASE_SECRET_KEY=sb_secret_x\nMUREKA_API_KEY=x\n"
    (tmp_path / ".env").write_text(f"{names}MUREKA_API_URL=http://127.0.0.1:9\n")
    from_file = await run_program(tmp_path, environment(None), "dev", "--once")
    assert "because of SUPABASE_URL in .env; take what begins with SUPABASE_" in from_file.sentence
    assert "used because of MUREKA_API_KEY in .env" in from_file.sentence


async def test_dev_asks_before_it_spends_money(command: Command) -> None:
    said = await command("dev", "--once", MUREKA_API_URL="https://api.mureka.ai")
    assert said.code == 2
    assert "costs about 4.5 US cents" in said.sentence
    assert "--yes" in said.sentence

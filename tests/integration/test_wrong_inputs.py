"""What only shows once somebody is asked: one sentence, 2 where a person errs, 1 where they do."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from local_supabase.ports import HOST, Ports
from local_supabase.stack import Stack
from tests.support.programs import PROGRAM, Command, Said, environment

UNKNOWN = "00000000-0000-4000-8000-000000000000"
SECRET = "geheim"
HTML = b"<html>sb_secret_geheim is welcome</html>"


@asynccontextmanager
async def answering(status: str, body: bytes, kind: str = "text/html") -> AsyncIterator[str]:
    """The address of a server that answers everything alike."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: /\r\nconnection: close\r\n"
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


def check(said: Said, code: int, words: str) -> None:
    """One complaint and nothing else, without a trace or a secret."""
    assert said.code == code, said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert said.out == ""
    assert SECRET not in said.err


@pytest.mark.parametrize(
    ("typed", "changes", "code", "words"),
    [
        (["watch", UNKNOWN], {}, 2, f"There is no track {UNKNOWN}"),
        (["dismiss", UNKNOWN], {}, 2, f"There is no track {UNKNOWN}"),
        (["record", UNKNOWN, "1"], {}, 2, f"There is no track {UNKNOWN}"),
        (["enqueue", "x", "--user", "nobody"], {}, 2, "no user with the e-mail address nobody"),
        (["queue"], {"SUPABASE_SECRET_KEY": f"sb_secret_{SECRET}"}, 2, "refuses the secret key"),
        (["run"], {"MUSIC_BUCKET": "../elsewhere"}, 2, "does not exist"),
        (["run"], {"MUREKA_API_KEY": SECRET}, 2, "Mureka refused the API key"),
        (["queue"], {"SUPABASE_URL": "http://127.0.0.1:9"}, 1, "No Supabase answers"),
        (["queue"], {"SUPABASE_URL": "http://a..b"}, 1, "No Supabase answers"),
        (
            ["queue"],
            {"SUPABASE_URL": "http://h.example", "HTTP_PROXY": f"http://u:{SECRET}@127.0.0.1:9"},
            1,
            "and the proxy that HTTP_PROXY names",
        ),
    ],
)
async def test_what_a_project_does_not_know_or_where_none_is(
    command: Command, typed: list[str], changes: dict[str, str], code: int, words: str
) -> None:
    check(await command(*typed, **changes), code, words)


@pytest.mark.parametrize("status", ["200 OK", "301 Moved", "404 Not Found", "503 Unavailable"])
@pytest.mark.parametrize("typed", [["queue"], ["enqueue", "x"], ["pause"], ["run"]])
async def test_a_page_is_no_supabase(command: Command, typed: list[str], status: str) -> None:
    async with answering(status, HTML) as url:
        said = await command(*typed, SUPABASE_URL=url)
    check(said, 1, f"No Supabase answers at {url}; check SUPABASE_URL")


async def test_users_are_not_looked_up_in_a_page(command: Command) -> None:
    async with answering("200 OK", HTML) as url:
        said = await command("enqueue", "x", "--user", "a@b.example", SUPABASE_URL=url)
    check(said, 1, f"The users of {url} cannot be listed")


@pytest.mark.parametrize("name", ["queue", "pause", "review", "run"])
async def test_a_database_that_is_down_is_told_from_a_wrong_address(
    command: Command, name: str
) -> None:
    refusal = b'{"code":"PGRST001","message":"Could not connect with the database","details":null}'
    async with answering("503 Service Unavailable", refusal, "application/json") as url:
        said = await command(name, SUPABASE_URL=url)
    check(said, 1, f"Supabase answers at {url}, but its database does not (PGRST001)")


async def test_what_the_database_refuses_is_said_in_its_own_words(command: Command) -> None:
    refusal = b'{"code":"21000","message":"UPDATE requires a WHERE clause","details":null}'
    async with answering("400 Bad Request", refusal, "application/json") as url:
        said = await command("pause", SUPABASE_URL=url)
    check(said, 1, "UPDATE requires a WHERE clause")


async def test_a_health_port_that_is_taken_is_named(command: Command) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        said = await command("run", HEALTH_PORT=str(port))
    check(said, 2, f"Port {port} is taken")


async def test_the_parts_of_one_machine_find_each_other_behind_a_proxy(
    tmp_path: Path,
) -> None:
    port = Ports.free().gateway
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("dev", "--once", "--port", str(port), "--data-dir", "data", "--sim-seconds", "0.5"),
        cwd=tmp_path,
        env=environment(None, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="[::1],fe80::/10"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert re.search(rb"^completed ", out, re.MULTILINE)
    kept = (tmp_path / "data" / "stack.env").read_text()
    assert f"SUPABASE_URL=http://127.0.0.1:{port}\n" in kept


async def test_the_file_that_dev_writes_wins_over_what_the_shell_has(
    command: Command, stack: Stack, tmp_path: Path
) -> None:
    lines = [f"{name}={value}\n" for name, value in stack.environment().items()]
    (tmp_path / "own.env").write_text("".join(lines))
    elsewhere = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_SECRET_KEY": "sb_secret_other"}
    said = await command("queue", "--env-file", "own.env", **elsewhere)
    assert (said.code, said.err) == (0, "")

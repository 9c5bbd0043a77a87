"""The embedded stack as a program: restarts, second starts, crashes, taken ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from local_supabase.errors import SetupError
from local_supabase.keys import Keys
from local_supabase.ports import HOST, Ports, listen
from local_supabase.postgrest import find_binary
from local_supabase.stack import Stack
from tests.support.project import ROOT

RUNNER = """
import asyncio, sys

from pathlib import Path
from local_supabase.keys import Keys
from local_supabase.ports import Ports
from local_supabase.stack import Stack

async def main():
    data_dir, project_dir, *numbers = sys.argv[1:]
    ports = Ports(*map(int, numbers))
    async with Stack(Path(data_dir), ports, project_dir=Path(project_dir)) as stack:
        print("ready", flush=True)
        print("failed:", await stack.failure, flush=True)

asyncio.run(main())
"""


@contextmanager
def another_process(data_dir: Path, ports: Ports) -> Iterator[subprocess.Popen[str]]:
    numbers = [ports.gateway, ports.postgres, ports.simulator, ports.postgrest]
    command = [sys.executable, "-c", RUNNER, str(data_dir), str(ROOT), *map(str, numbers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first == "ready\n", first + process.stdout.read()
            yield process
        finally:
            process.kill()


def processes_of(data_dir: Path) -> list[int]:
    """Ids of the processes whose command line names the directory; this one's own is not."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(None, 1) for line in found.splitlines()]
    return [int(pid) for pid, command in lines if str(data_dir) in command]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


async def insert(stack: Stack, prompt: str) -> None:
    headers = {"apikey": stack.keys.secret}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers) as http:
        answer = await http.post("/rest/v1/music_tracks", json={"prompt": prompt})
        assert answer.status_code == 201, answer.text


async def prompts(stack: Stack) -> list[str]:
    headers = {"apikey": stack.keys.secret}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers) as http:
        answer = await http.get("/rest/v1/music_tracks?select=prompt&order=created_at")
    return [row["prompt"] for row in answer.json()]


async def test_a_restart_keeps_keys_and_rows_and_says_how_long_it_took(tmp_path: Path) -> None:
    async with Stack(tmp_path, Ports.free(), project_dir=ROOT) as stack:
        await insert(stack, "kept")
        first_environment = stack.environment()
        print(f"ready on a new directory in {stack.ready_seconds:.2f} s")
    async with Stack(tmp_path, Ports.free(), project_dir=ROOT) as stack:
        print(f"ready on an old directory in {stack.ready_seconds:.2f} s")
        assert await prompts(stack) == ["kept"]
        for name in ("SUPABASE_SECRET_KEY", "SUPABASE_ANON_KEY"):
            assert stack.environment()[name] == first_environment[name]
    assert processes_of(tmp_path) == []


async def test_a_second_start_on_the_same_directory_says_so_and_harms_nothing(
    tmp_path: Path,
) -> None:
    async with Stack(tmp_path, Ports.free(), project_dir=ROOT) as stack:
        with pytest.raises(SetupError, match="Another stack is running on"):
            await Stack(tmp_path, Ports.free()).start()
        await insert(stack, "still working")
        assert await prompts(stack) == ["still working"]


async def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, ports.gateway))
        other.listen()
        with pytest.raises(SetupError, match=rf"Port {ports.gateway} .* --port"):
            await Stack(tmp_path, ports).start()
    assert processes_of(tmp_path) == []
    async with Stack(tmp_path, ports):
        pass


async def test_a_killed_stack_leaves_no_process_and_the_next_start_finds_every_row(
    tmp_path: Path,
) -> None:
    ports = Ports.free()
    with another_process(tmp_path, ports) as process:
        headers = {"apikey": Keys.load_or_create(tmp_path / "keys.json").secret}
        url = f"http://{HOST}:{ports.gateway}"
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            answer = await http.post("/rest/v1/music_tracks", json={"prompt": "before the crash"})
        assert answer.status_code == 201
        process.kill()
        process.wait()
        wait_until(lambda: processes_of(tmp_path) == [], "no process of the stack is left")
    async with Stack(tmp_path, ports) as stack:
        assert await prompts(stack) == ["before the crash"]


@pytest.mark.parametrize("part", ["postgres", "postgrest"])
async def test_a_killed_part_is_told_and_leaves_nothing_behind(tmp_path: Path, part: str) -> None:
    ports = Ports.free()
    with another_process(tmp_path, ports) as process:
        pid_path = {"postgres": "postgres.pid", "postgrest": "postgrest.pid"}[part]
        os.kill(int((tmp_path / pid_path).read_text()), signal.SIGKILL)
        assert process.stdout is not None
        assert process.stdout.readline().lower().startswith(f"failed: {part} ended by itself")
        process.wait()
        wait_until(lambda: processes_of(tmp_path) == [], "no process of the stack is left")
    async with Stack(tmp_path, ports) as stack:
        await insert(stack, "again")


async def test_killing_everything_at_once_is_recovered_from(tmp_path: Path) -> None:
    ports = Ports.free()
    with another_process(tmp_path, ports) as process:
        for pid in [*processes_of(tmp_path), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()
        wait_until(lambda: processes_of(tmp_path) == [], "no process of the stack is left")
    async with Stack(tmp_path, ports) as stack:
        await insert(stack, "again")


async def test_the_owner_url_reaches_the_database(stack: Stack) -> None:
    async with await psycopg.AsyncConnection.connect(stack.database_url) as connection:
        cursor = await connection.execute("select current_user")
        assert await cursor.fetchone() == ("postgres",)


def test_a_named_postgrest_that_is_no_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTGREST_BIN", str(tmp_path / "nothing"))
    with pytest.raises(SetupError, match="POSTGREST_BIN names"):
        find_binary()


@pytest.mark.parametrize("path", ["/functions/v1/hello", "/graphql/v1", "/auth/v1/otp"])
async def test_what_is_not_served_answers_501_with_a_sentence(stack: Stack, path: str) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as http:
        answer = await http.post(path, headers={"apikey": stack.keys.publishable}, json={})
    assert answer.status_code == 501
    assert "embedded stack" in answer.text


async def test_small_answers_of_the_stack_wait_for_nothing() -> None:
    """Nagle's algorithm would hold back what follows a head until the other side confirms it."""
    port = Ports.free().gateway
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    async with await asyncio.start_server(connected, sock=listen(port, "a test")):
        _, client = await asyncio.open_connection(HOST, port)
        server = await accepted
        connection = server.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        for writer in (client, server):
            writer.close()

"""Ctrl-C at any moment of a command: it ends quietly, with exit code 130.

The interpreter says when to send the signal: it names each module once it has imported it.
What comes before the first lines of `music_service.cli.app` is Python's own start, and not ours to
change: a signal there kills the process, or Python shows where it was.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.programs import PROGRAM, environment, heed_ctrl_c

IGNORING = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
PLACES = 8


@dataclass
class SilentProject:
    """A project that takes connections and never answers."""

    url: str = ""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing until the test is over."""
        self.reached.set()
        await self.over.wait()
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[SilentProject]:
    project = SilentProject()
    async with await asyncio.start_server(project.answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        project.url = f"http://{host}:{port}"
        yield project
        project.over.set()


class Starting:
    """A command that tells what it imports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def has_imported(self, name: str) -> None:
        """Wait for a module."""
        async for imported in self.imports():
            if imported == name:
                return
        raise AssertionError(f"ended before it imported {name}")

    async def imports(self) -> AsyncIterator[str]:
        """The names of modules as they are imported, until the end."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if found := re.match(r"import time: .*\| +(\S+)$", line.decode()):
                yield found[1]

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    async def ended(self) -> tuple[int | None, str]:
        """The exit code, and what was said beside the names of modules."""
        out, err = await self.process.communicate()
        said = [line for line in err.decode().splitlines() if not line.startswith("import time:")]
        return self.process.returncode, out.decode() + "\n".join(said)


@asynccontextmanager
async def starting(
    *arguments: str, url: str, directory: Path, launcher: Sequence[str] = ()
) -> AsyncIterator[Starting]:
    """A command for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        *(*launcher, *PROGRAM, *arguments),
        cwd=directory,
        env=environment(
            None,
            SUPABASE_URL=url,
            SUPABASE_SECRET_KEY="sb_secret_x",
            PYTHONPROFILEIMPORTTIME="1",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield Starting(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def places(silent: SilentProject, directory: Path) -> list[str]:
    """Some of the modules that are imported once `music_service.cli.app` has begun, in order.

    The last ones are imported by the command's loop, the others before it.
    """
    async with starting("queue", url=silent.url, directory=directory) as command:
        names: list[str] = []

        async def listed() -> None:
            names.extend([name async for name in command.imports()])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listed(), name="imports")
            await silent.reached.wait()
            command.process.kill()
    silent.reached.clear()
    ours = names[max(names.index("music_service.cli"), names.index("signal")) + 1 :]
    once = [name for name in ours if names.count(name) == 1]
    return once[:: len(once) // PLACES]


async def test_ctrl_c_ends_a_command_quietly_whatever_is_being_imported(
    silent: SilentProject, tmp_path: Path
) -> None:
    for name in await places(silent, tmp_path):
        async with starting("queue", url=silent.url, directory=tmp_path) as command:
            await command.has_imported(name)
            command.interrupt()
            assert await command.ended() == (130, ""), name


async def test_ctrl_c_ends_a_command_quietly_while_it_waits_for_an_answer(
    silent: SilentProject, tmp_path: Path
) -> None:
    async with starting("queue", url=silent.url, directory=tmp_path) as command:
        await silent.reached.wait()
        command.interrupt()
        assert await command.ended() == (130, "")


async def test_a_second_ctrl_c_never_leaves_a_command_running(
    silent: SilentProject, tmp_path: Path
) -> None:
    for name in [*await places(silent, tmp_path), None]:
        silent.reached.clear()
        async with starting("queue", url=silent.url, directory=tmp_path) as command:
            await (command.has_imported(name) if name else silent.reached.wait())
            command.interrupt()
            command.interrupt()
            code, said = await command.ended()
        assert code in (130, -signal.SIGINT), name
        assert said == "", name


async def test_a_command_that_was_told_to_ignore_ctrl_c_ignores_it_while_it_starts(
    tmp_path: Path,
) -> None:
    async with starting("--help", url="", directory=tmp_path, launcher=IGNORING) as command:
        await command.has_imported("typer")
        command.interrupt()
        code, said = await command.ended()
    assert code == 0
    assert "Usage:" in said

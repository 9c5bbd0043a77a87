"""`music-service` as a program: started with a stack's variables, listened to until it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from local_supabase.stack import Stack
from tests.support import prefork
from tests.support.project import ROOT

SOURCE = str(ROOT / "service")
PROGRAM = [sys.executable, "-m", "music_service.cli.app"]
OURS = ("SUPABASE_", "MUREKA_", "MUSIC_", "WORKER_ID", "HEALTH_", "PORT", "LOG_", "OTEL_")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What it complained of, on one line."""
        return " ".join(self.err.split())


Command = Callable[..., Awaitable[Said]]


def environment(stack: Stack | None, **changes: str) -> dict[str, str]:
    """This process's environment without our settings, with those of a stack, with changes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own["PYTHONPATH"] = SOURCE
    return own | (stack.environment() if stack else {}) | changes


def heed_ctrl_c() -> None:
    """Before a program begins: whoever runs tests in the background has them ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def start_program(
    directory: Path, variables: dict[str, str], *arguments: str
) -> prefork.Forked | asyncio.subprocess.Process:
    """Start a command in a directory, with nobody to answer its questions."""
    if variables["PYTHONPATH"] == SOURCE:
        return await prefork.start(directory, variables, *arguments)
    return await asyncio.create_subprocess_exec(  # which is not the code that is forked
        *PROGRAM,
        *arguments,
        cwd=directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def run_program(directory: Path, variables: dict[str, str], *arguments: str) -> Said:
    """Run a command in a directory until it ends."""
    process = await start_program(directory, variables, *arguments)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())

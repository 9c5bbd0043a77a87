"""Workers in this process, and the command line as a program, on the stack of the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_supabase.stack import Stack
from tests.support.node import installed_node
from tests.support.programs import Command, Said, environment, run_program
from tests.support.workers import StartWorker, starting_workers_on


@pytest.fixture
def start_worker(stack: Stack) -> StartWorker:
    """Runs a worker in this process for the length of a block."""
    return starting_workers_on(stack)


@pytest.fixture
async def worker(start_worker: StartWorker) -> AsyncIterator[None]:
    """A worker for the length of a test."""
    async with start_worker():
        yield


@pytest.fixture
def command(stack: Stack, tmp_path: Path) -> Command:
    """Runs `music-service` with the stack's variables, in a directory without a `.env`."""

    async def run(*arguments: str, **changes: str) -> Said:
        return await run_program(tmp_path, environment(stack, **changes), *arguments)

    return run


@pytest.fixture(scope="session")
async def node() -> str:
    """The program that runs JavaScript, once the packages of the lock file are installed."""
    return await installed_node()

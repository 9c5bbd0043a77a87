"""Workers as processes that can be killed, frozen and read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from local_supabase.stack import Stack
from tests.support.prefork import Forked
from tests.support.programs import environment, start_program

QUICK = {
    "MUSIC_LEASE_SECONDS": "1.2",
    "MUSIC_SWEEP_SECONDS": "0.5",
    "MUSIC_MAX_CONCURRENT": "5",
    "MUREKA_POLL_SECONDS": "0.2",
    "LOG_FORMAT": "json",
}
PATIENCE_SECONDS = 60


class WorkerProcess:
    """One `music-service run`; `log` is what it has said so far, a dict for each line."""

    def __init__(self, process: Process | Forked, worker_id: str) -> None:
        self.worker_id = worker_id
        self.log: list[dict[str, Any]] = []
        self._process = process
        self._said = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(), name=f"log of {worker_id}")

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.returncode

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def kill(self) -> float:
        """SIGKILL; answers the moment by the clock that the database has, too."""
        at = time.time()
        self.send(signal.SIGKILL)
        await self.ended()
        return at

    async def ended(self) -> int:
        """Wait for its end; answers the exit code."""
        code = await asyncio.wait_for(self._process.wait(), PATIENCE_SECONDS)
        await self._reader
        return code

    async def says(self, *events: str) -> dict[str, Any]:
        """Wait for a line with one of these events; one that it said before counts."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.log if line["event"] in events), None)

        async with self._said, asyncio.timeout(PATIENCE_SECONDS):
            await self._said.wait_for(lambda: found() or self._reader.done())
        line = found()
        assert line is not None, f"the worker ended without saying {events}: {self.log[-5:]}"
        return line

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            with contextlib.suppress(ValueError):
                self.log.append(json.loads(line))
                async with self._said:
                    self._said.notify_all()
        async with self._said:
            self._said.notify_all()


class Fleet:
    """Starts workers of one stack and ends them all."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._started: list[WorkerProcess] = []

    async def start(self, name: str, **changes: str) -> WorkerProcess:
        """A worker that has made its first claim."""
        worker_id = f"{name}-{len(self._started) + 1}"
        variables = environment(self._stack, WORKER_ID=worker_id, **(QUICK | changes))
        process = await start_program(Path.cwd(), variables, "run")
        worker = WorkerProcess(process, worker_id)
        self._started.append(worker)
        await worker.says("ready")
        return worker

    async def end(self) -> None:
        """Kill what still runs."""
        for worker in self._started:
            if worker.exit_code is None:
                worker.send(signal.SIGCONT)
                await worker.kill()
            else:
                await worker.ended()


@asynccontextmanager
async def fleet_of(stack: Stack) -> AsyncIterator[Fleet]:
    """A fleet for the length of a block."""
    fleet = Fleet(stack)
    try:
        yield fleet
    finally:
        stack.faults.clear()
        await fleet.end()


async def until(condition: Callable[[], Any], what: str, left: Sized = ()) -> float:
    """Look until an awaitable answer is true; answers the seconds that took.

    `left` is shown where it never is: what the condition still finds, renewed by it.
    """
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < PATIENCE_SECONDS, f"never came true: {what} {left}"
        await asyncio.sleep(0.02)
    return time.monotonic() - began

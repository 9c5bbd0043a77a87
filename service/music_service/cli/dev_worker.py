"""The worker of `dev`: `music-service run` as a process of its own, on the embedded stack.

So it can be killed as a machine would lose it, and another started in its place, while all else
runs. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_supabase.program import Program
from music_service.cli.output import ExitCode
from music_service.errors import ConfigurationError, EmbeddedStackError
from music_service.waiting import first_of

if TYPE_CHECKING:
    from local_supabase.stack import Stack

_MODULE = "music_service.cli.app"
_DRAIN_SECONDS = 35  # longer than a worker waits for paid calls that are on their way
_LOOK_SECONDS = 0.05
_IS_SEEN = "select exists (select from music.workers where id = %s) as is_seen"


class DevWorker:
    """One worker at a time.

    Args:
        stack: the started stack that it works for.
        variables: settings that differ from those of this process's environment.
    """

    def __init__(self, stack: Stack, variables: Mapping[str, str] | None = None) -> None:
        self._stack = stack
        self._variables = dict(variables or {})
        self._turn = asyncio.Lock()
        self._is_over = False
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._worker_id = ""
        self._program = self._new()
        self._program.end_leftover()

    @property
    def is_running(self) -> bool:
        """Whether there is one at the moment."""
        return self._program.running

    async def start(self) -> bool:
        """Start one; answers False where there is one, or all is over."""
        async with self._turn:
            if self.is_running or self._is_over:
                return False
            self._program = self._new()
            await self._program.start()
            return True

    async def kill(self) -> bool:
        """Kill it as a power cut would (SIGKILL); answers False where there is none."""
        async with self._turn:
            was_running = self.is_running
            await self._program.end(signal.SIGKILL, within_seconds=_DRAIN_SECONDS)
            return was_running

    async def stop(self) -> None:
        """Let it drain and end, and start no other; safe where there is none, and twice."""
        async with self._turn:
            self._is_over = True
            await self._program.end(signal.SIGINT, within_seconds=_DRAIN_SECONDS)

    async def run(self, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Have a worker until `stop` is set; `ready` is set once the first one has checked all.

        Raises:
            ConfigurationError: it refused its settings, and has said why.
            EmbeddedStackError: it ended without having been stopped or killed by us.
        """
        try:
            await self.start()
            if await first_of(self._ended, stop.wait(), self._is_seen()) == 2:
                ready.set()
            if await first_of(self._ended, stop.wait()) == 0:
                raise self._failure()
        finally:
            await self.stop()

    def _new(self) -> Program:
        self._worker_id = f"dev-{secrets.token_hex(3)}"
        home = self._stack.data_dir
        program = Program(
            "the worker",
            # The option means nothing to Python: by it the next start finds one that was left over.
            [sys.executable, "-X", f"stack={home}", "-m", _MODULE, "run"],
            home=home,
            log_path=home / "worker.log",
            is_shown=True,
            keeps_account=True,
            environment=os.environ | self._variables | {"WORKER_ID": self._worker_id},
        )
        program.on_end = self._note_end
        return program

    def _note_end(self, sentence: str) -> None:
        if not self._ended.done():
            self._ended.set_result(sentence)

    def _failure(self) -> ConfigurationError | EmbeddedStackError:
        if self._program.exit_code == ExitCode.BAD_INPUT:
            return ConfigurationError("The worker did not start, for the reason that it gave.")
        return EmbeddedStackError(self._ended.result())

    async def _is_seen(self) -> None:
        while True:
            async with self._stack.database.administrator() as administrator:
                cursor = await administrator.execute(_IS_SEEN, [self._worker_id])
                row = await cursor.fetchone()
            if row is not None and row["is_seen"]:
                return
            await asyncio.sleep(_LOOK_SECONDS)

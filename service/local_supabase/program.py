"""A program of the stack: started under `supervise`, watched, stopped, found again after a crash.

Its process id is kept beside its log, so that the next start can end what a crash left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_supabase import private
from local_supabase.errors import PartFailedError

_LEFTOVER_SECONDS = 10
_STANDARD_ERROR = 2


class Program:
    """One process of the stack, which ends when this process ends, however that happens.

    `pid` is its process id while it runs, `exit_code` how it ended the last time, negative for a
    signal; `on_end`, if set, is called with a sentence when it ends without having been stopped.

    Args:
        name: what it is called in messages.
        command: the program and its arguments; one of them must contain `home`.
        home: the directory it works for, by which one that was left running is recognised.
        log_path: its output is added there; its process id is kept beside it.
        is_shown: its output goes to this process's standard error instead.
        keeps_account: it runs as whoever runs this process, root among them.
        owns: paths that it must be able to read and write, whoever it runs as.
        passes: directories that it must be able to pass through, whoever it runs as.
        environment: its environment variables; None for this process's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        home: Path,
        log_path: Path,
        is_shown: bool = False,
        keeps_account: bool = False,
        owns: Sequence[Path] = (),
        passes: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.on_end: Callable[[str], None] | None = None
        self._command = command
        self._home = home
        self._log_path = log_path
        self._pid_path = log_path.with_suffix(".pid")
        self._is_shown = is_shown
        self._supervised = _supervised(owns, passes, keeps_account=keeps_account)
        self._environment = environment
        self._stopping = False
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_known = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._supervisor is not None and self._supervisor.poll() is None

    async def start(self) -> None:
        """Start it and return at once, before it is ready for anything."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._stopping = False
        self._is_known.clear()
        self._control, their_end = socket.socketpair()
        self._control.setblocking(False)
        with contextlib.ExitStack() as opened:
            opened.enter_context(their_end)
            log = _STANDARD_ERROR
            if not self._is_shown:
                log = opened.enter_context(private.opened(self._log_path, "ab")).fileno()
            self._supervisor = subprocess.Popen(  # noqa: ASYNC220  a fork takes a millisecond
                [*self._supervised, *self._command],
                stdin=their_end.fileno(),
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._watch = asyncio.create_task(self._watch_until_end(), name=f"watch {self.name}")

    async def stop(self) -> None:
        """End it and wait until it has ended; safe before `start` and twice."""
        self._stopping = True
        if self._control is None or self._watch is None:
            return
        with contextlib.suppress(OSError):  # it may have ended by itself
            self._control.shutdown(socket.SHUT_WR)
        await self._watch

    async def end(self, number: signal.Signals, *, within_seconds: float) -> None:
        """Send it a signal and wait for its end; after so many seconds it is stopped."""
        self._stopping = True
        if self._watch is None:
            return
        await self._is_known.wait()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            await asyncio.wait([self._watch], timeout=within_seconds)
        await self.stop()

    def end_of_log(self, lines: int = 3) -> str:
        """The last lines of its log, joined to one."""
        text = self._log_path.read_text(errors="replace") if self._log_path.exists() else ""
        return " ".join(line.strip() for line in text.splitlines()[-lines:])

    def end_leftover(self) -> None:
        """End what an earlier stack, killed together with its supervisor, may have left running."""
        end_leftover(self._pid_path, self._home)

    async def _watch_until_end(self) -> None:
        assert self._supervisor is not None  # noqa: S101  set by the caller
        assert self._control is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        with self._control, contextlib.suppress(ConnectionResetError):
            while line := await loop.sock_recv(self._control, 64):
                self.pid = int(line)
                with private.opened(self._pid_path, "wb") as file:
                    file.write(line)
                self._is_known.set()
        code = await asyncio.to_thread(self._supervisor.wait)
        if code < 0 and self.pid is not None:  # the supervisor was killed and could not clean up
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.pid, self.exit_code = None, code
        self._is_known.set()
        self._pid_path.unlink(missing_ok=True)
        if self.on_end is not None and not self._stopping:
            self.on_end(f"{self.name} ended by itself: {self.end_of_log() or f'exit code {code}'}")


def run_to_end(command: Sequence[str], *, owns: Sequence[Path], passes: Sequence[Path]) -> None:
    """Run a short supervised program; raises PartFailedError with its output when it fails."""
    our_end, their_end = socket.socketpair()
    with our_end, their_end:
        result = subprocess.run(
            [*_supervised(owns, passes), *command],
            stdin=their_end.fileno(),
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        raise PartFailedError(f"{Path(command[0]).name} failed: {result.stderr.strip()}")


def end_leftover(pid_path: Path, home: Path) -> None:
    """End the process whose id is in the first line of `pid_path`, if it still works for `home`.

    It gets SIGINT and, ten seconds later, SIGKILL. An id that by now belongs to some other program
    is forgotten.
    """
    pid = _read_pid(pid_path)
    if pid is None:
        return
    if not _works_for(pid, home):
        if _exists(pid):
            pid_path.unlink(missing_ok=True)
        return
    for kind in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kind)
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        while time.monotonic() < deadline:
            if not _works_for(pid, home):
                return
            time.sleep(0.05)


def _supervised(
    owns: Sequence[Path], passes: Sequence[Path], *, keeps_account: bool = False
) -> list[str]:
    named = [part for path in owns for part in ("--owns", str(path))]
    named += [part for path in passes for part in ("--passes", str(path))]
    named += ["--keep-account"] if keeps_account else []
    return [sys.executable, "-m", "local_supabase.supervise", *named, "--"]


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _works_for(pid: int, home: Path) -> bool:
    try:
        if sys.platform == "linux":
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        else:
            command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
            line = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    return str(home) in line

"""Starts `music-service` by forking a process that has imported it already.

Hundreds of commands and workers are started in a run, and to import what they need takes each a
second of a processor. The process here imports it once; each program is forked from it, with its
own directory, environment and outputs, and ends as if Python had been started for it.

What a fresh start is about (imports, signals at the beginning, terminals) is tested with one.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.project import ROOT

_REQUEST_BYTES = 100_000
_FORKED_DESCRIPTORS = 3


class Forked:
    """A started program, as `asyncio.subprocess.Process` shows one."""

    def __init__(
        self, pid: int, told: socket.socket, out: asyncio.StreamReader, err: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stdout = out
        self.stderr = err
        self.returncode: int | None = None
        self._told = told
        self._end = asyncio.create_task(self._ended(), name=f"end of {pid}")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; answers the exit code, negative for a signal."""
        return await asyncio.shield(self._end)

    async def communicate(self) -> tuple[bytes, bytes]:
        """What it writes until its end."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err

    async def _ended(self) -> int:
        with self._told:
            told = await asyncio.get_running_loop().sock_recv(self._told, 16)
        self.returncode = int(told)
        return self.returncode


async def start(directory: Path, variables: Mapping[str, str], *arguments: str) -> Forked:
    """Start `music-service` in a directory with exactly these variables and nobody to answer."""
    ours, theirs = socket.socketpair()
    out, out_end = await _pipe()
    err, err_end = await _pipe()
    request = json.dumps([str(directory), dict(variables), arguments]).encode()
    assert len(request) < _REQUEST_BYTES, "the environment is too large to be handed on"
    with theirs:
        socket.send_fds(_control(), [request], [out_end, err_end, theirs.fileno()])
    os.close(out_end)
    os.close(err_end)
    ours.setblocking(False)
    pid = int(await asyncio.get_running_loop().sock_recv(ours, 16))
    return Forked(pid, ours, out, err)


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    return reader, theirs


@functools.cache
def _control() -> socket.socket:
    """The way to the process that forks, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.prefork", str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "service")},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(control: socket.socket) -> list[str]:
    """Fork for each request; answers, in a program that is to begin, its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who tell of an end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the tests is its end
    while True:
        request, descriptors, *_ = socket.recv_fds(control, _REQUEST_BYTES, _FORKED_DESCRIPTORS)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            return _begin(request, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _begin(request: bytes, out: int, err: int, told: int) -> list[str]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        os.close(out)
        os.close(err)
        os.write(told, f"{pid:<16}".encode())
        _, status = os.waitpid(pid, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status):<16}".encode())
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in (out, err, told):
        os.close(descriptor)
    directory, variables, arguments = json.loads(request)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    return list(arguments)


if __name__ == "__main__":
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "true"  # as the program does before it imports
    from music_service.cli.app import main
    from music_service.cli.commands import COMMANDS

    for name in COMMANDS:
        importlib.import_module(f"music_service.cli.{name}")
    gc.freeze()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    main()

"""Small web apps that have the package as npm would install it, and nothing else of this project.

They are in `web/.scratch`, so that what they need besides comes from `web/node_modules`, as locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from local_supabase.ports import Ports
from tests.support.browser import chromium
from tests.support.node import built, run
from tests.support.project import WEB

MUSIC = WEB / "music"
APPS = MUSIC / "test" / "apps"
SCRATCH = WEB / ".scratch"
TSCONFIG = (APPS / "tsconfig.base.json").read_text()


def program(name: str) -> str:
    """A program of `web/node_modules`, to be run by Node.js."""
    paths = {
        "attw": "@arethetypeswrong/cli/dist/index.js",
        "next": "next/dist/bin/next",
        "publint": "publint/src/cli.js",
        "shadcn": "shadcn/dist/index.js",
        "tsc": "typescript/bin/tsc",
        "vite": "vite/bin/vite.js",
    }
    return str(WEB / "node_modules" / paths[name])


async def pack(folder: Path) -> Path:
    """Build the package and pack it as it would be published; answers the archive."""
    await built(MUSIC)
    await run("npm", "pack", "--pack-destination", str(folder), folder=MUSIC)
    [archive] = folder.glob("music-service-*.tgz")
    return archive


def files_in(folder: Path) -> dict[str, str]:
    """What is in a folder of an app, by its name."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def new_app(name: str, archive: Path, files: Mapping[str, str]) -> Path:
    """An app of these files with the package installed; answers its folder."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    installed = folder / "node_modules" / "music-service"
    installed.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(installed, filter="data")
    for path in (installed / "package").iterdir():
        path.rename(installed / path.name)
    for path_in_app, text in files.items():
        (folder / path_in_app).parent.mkdir(parents=True, exist_ok=True)
        (folder / path_in_app).write_text(text)
    return folder


@contextlib.asynccontextmanager
async def serving(
    *command: str, folder: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[str]:
    """Run a web server, told its `{port}`, for the length of a block; answers its address."""
    port = Ports.free().gateway
    process = await asyncio.create_subprocess_exec(
        *(word.format(port=port) for word in command),
        cwd=folder,
        env=os.environ | (environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as anybody:
            while process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    await anybody.get(address, timeout=30)
                    break
                await asyncio.sleep(0.1)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class Person:
    """Somebody who uses an app as a program of `web/music/test/apps` says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def report(self, step: str) -> dict[str, Any]:
        """What was seen at the next step, which is to be this one."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        seen: dict[str, Any] = json.loads(line or b'{"step": "nothing more was said"}')
        assert seen["step"] == step, seen
        return seen

    def go_on(self) -> None:
        """Say that it is time for the next step."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@contextlib.asynccontextmanager
async def visiting(node: str, name: str, *arguments: str) -> AsyncIterator[Person]:
    """Somebody uses an app for the length of a block."""
    process = await asyncio.create_subprocess_exec(
        node,
        str(APPS / name),
        *arguments,
        env=os.environ | {"CHROMIUM": chromium()},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Person(process)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()

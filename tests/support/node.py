"""Node.js, and packages that tests need of npm: as locked, installed once and kept."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.project import ROOT, WEB


async def run(*command: str, environment: dict[str, str] | None = None, folder: Path = WEB) -> None:
    """Run a command in a folder, by default `web/`; fail with all it said where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | (environment or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        pytest.fail(f"{' '.join(command)} failed:\n{said.decode()}", pytrace=False)


async def installed_node(folder: Path = WEB) -> str:
    """The program that runs JavaScript, once the packages of the folder's lock are installed."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.fail("npm was not found. Install Node.js 20 or newer to run the tests that need it.")
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".installed-for-tests"  # scripts/demo installs less
    async with _alone(folder):
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            # Not `ci`, which refuses a lock without the programs of other systems, where a registry
            # does not have all of them; what is locked is installed as locked, and the lock stays.
            quietly = ("--no-save", "--no-audit", "--no-fund", "--loglevel=error")
            await run(npm, "install", *quietly, folder=folder)
            installed.touch()
    return program


async def built(package: Path) -> Path:
    """The `dist` of a package of `web/`, built again where one of its sources is newer."""
    await installed_node()
    stamp = package / "dist" / ".built"
    async with _alone(WEB):
        sources = [package / "package.json", *(package / "src").rglob("*")]
        built_at = stamp.stat().st_mtime if stamp.exists() else 0
        if any(source.stat().st_mtime > built_at for source in sources):
            await run(shutil.which("npm") or "npm", "run", "build", folder=package)
            stamp.touch()
    return stamp.parent


async def built_demo() -> Path:
    """The folder with the demo app's page, built again where one of its sources is newer."""
    await installed_node()
    async with _alone(WEB):
        await run(str(ROOT / "scripts" / "demo"))
    return WEB / "demo" / "dist"


@contextlib.asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """No other process of the tests installs or builds there meanwhile."""
    (folder / "node_modules").mkdir(exist_ok=True)
    with (folder / "node_modules" / ".lock-of-tests").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield

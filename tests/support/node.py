"""Node.js and npm for the tests of `web/`."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest

from tests.support.project import WEB

LOCK = WEB / "package-lock.json"
INSTALLED = WEB / "node_modules" / ".package-lock.json"  # npm writes it last


async def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """Run a command in `web/`; fail with all it said where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=WEB,
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


async def installed_node() -> str:
    """The program that runs JavaScript, once the packages of the lock file are installed."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.fail("npm was not found. Install Node.js 20 or newer to run the tests of web/.")
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        await run(npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    return program

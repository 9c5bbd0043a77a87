"""The official JavaScript client, unchanged, against the embedded stack: the tests of `web/`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from service.embedded.stack import Stack

WEB = Path(__file__).parents[2] / "web"
LOCK = WEB / "package-lock.json"
INSTALLED = WEB / "node_modules" / ".package-lock.json"  # npm writes it last
# Forced, because the client's `disconnect` leaves a timer that keeps Node alive for ten seconds.
TEST = ("--test", "--test-force-exit")


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


@pytest.fixture(scope="module")
async def node() -> str:
    """The program that runs JavaScript, once the packages of the lock file are installed."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.fail("npm was not found. Install Node.js 20 or newer to run the tests of web/.")
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        await run(npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    return program


@pytest.mark.usefixtures("worker")
async def test_an_app_with_the_official_client_gets_music_that_plays(
    stack: Stack, node: str
) -> None:
    await run(node, *TEST, "tests/music.test.js", environment=stack.environment())


async def test_the_official_client_tells_an_app_why_it_is_refused(stack: Stack, node: str) -> None:
    await run(node, *TEST, "tests/refusals.test.js", environment=stack.environment())


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads(LOCK.read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
    assert not [name for name, package in packages.items() if "resolved" in package]

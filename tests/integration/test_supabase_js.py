"""The official JavaScript client, unchanged, against the embedded stack: the tests of `web/`."""

from __future__ import annotations

import json

import pytest

from local_supabase.stack import Stack
from tests.support.node import run
from tests.support.project import WEB

# Forced, because the client's `disconnect` leaves a timer that keeps Node alive for ten seconds.
TEST = ("--test", "--test-force-exit")


@pytest.mark.usefixtures("worker")
async def test_an_app_with_the_official_client_gets_music_that_plays(
    stack: Stack, node: str
) -> None:
    await run(node, *TEST, "tests/music.test.js", environment=stack.environment())


async def test_the_official_client_tells_an_app_why_it_is_refused(stack: Stack, node: str) -> None:
    await run(node, *TEST, "tests/refusals.test.js", environment=stack.environment())


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    # Ours have none, and what comes in the archive of another is held by that one's.
    ours = {"", "music", "demo"} | {
        name for name, package in packages.items() if package.get("link") or package.get("inBundle")
    }
    others = {name: package for name, package in packages.items() if name not in ours}
    assert all("integrity" in package for package in others.values())
    assert not [name for name, package in others.items() if "resolved" in package]

"""The package for front ends in Node.js, with the official client, against the embedded stack."""

from __future__ import annotations

from local_supabase.stack import Stack
from tests.support.control import control_of
from tests.support.node import run
from tests.support.project import WEB

MUSIC = WEB / "music"


async def test_tracks_are_followed_whatever_happens(stack: Stack, node: str) -> None:
    async with control_of(stack) as url:
        environment = stack.environment() | {"STACK_CONTROL_URL": url}
        vitest = str(WEB / "node_modules" / "vitest" / "vitest.mjs")
        command = (node, vitest, "run", "--project", "node")
        await run(*command, environment=environment, folder=MUSIC)

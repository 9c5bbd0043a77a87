"""The package for front ends in Node.js, with the official client, against the embedded stack."""

from __future__ import annotations

import pytest

from local_supabase.stack import Stack
from tests.support.control import control_of
from tests.support.node import run
from tests.support.project import WEB

MUSIC = WEB / "music"
TESTS = sorted(path.name for path in (MUSIC / "test" / "node").glob("*.test.ts"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TESTS)
async def test_the_package_does_in_node_what_it_says(stack: Stack, node: str, name: str) -> None:
    vitest = str(WEB / "node_modules" / "vitest" / "vitest.mjs")
    command = (node, vitest, "run", "--project", "node", f"test/node/{name}")
    async with control_of(stack) as url:
        environment = stack.environment() | {"STACK_CONTROL_URL": url}
        await run(*command, environment=environment, folder=MUSIC)

"""The demo app in a real browser, as readers use it: on a stack, with a worker of its own."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local_supabase.ports import Ports
from local_supabase.simulator.tasks import SimulatedTask
from local_supabase.stack import Stack
from local_supabase.steering import Answer, Call
from music_service.cli.dev_page import DevPage
from tests.support.browser import chromium
from tests.support.dev import dev_server
from tests.support.fleet import until
from tests.support.limits import LIFT_LIMITS
from tests.support.node import built_demo, installed_node, run
from tests.support.project import ROOT, WEB
from tests.support.times import QUICK

# As many tests at a time; each has a stack to itself, whose worker it may kill.
SIDE_BY_SIDE = 2
GENERATION_SECONDS = 5
# A busy machine loses no lease, and a killed worker's pieces are not long in coming.
WORKER = {
    "MUSIC_LEASE_SECONDS": "15",
    "MUSIC_SWEEP_SECONDS": "1",
    "MUSIC_MAX_CONCURRENT": "20",
    "MUREKA_POLL_SECONDS": "0.5",
}
MUSIC_SECONDS = 40  # a slow machine must not come to the end before it has looked


@pytest.mark.timeout(900)  # it is a whole suite of its own
async def test_readers_are_served_whatever_happens(tmp_path: Path) -> None:
    node, site = await installed_node(), await built_demo()
    async with AsyncExitStack() as opened:
        folders = [tmp_path / str(number) for number in range(SIDE_BY_SIDE)]
        urls = [await opened.enter_async_context(served(folder, site)) for folder in folders]
        playwright = WEB / "node_modules" / "playwright" / "cli.js"
        environment = {
            "CHROMIUM": chromium(),
            "DEMO_URLS": json.dumps(urls),
            "DEMO_OUTPUT": str(tmp_path / "output"),
        }
        await run(node, str(playwright), "test", environment=environment, folder=WEB / "demo")


@asynccontextmanager
async def served(data_dir: Path, site: Path) -> AsyncIterator[str]:
    """The page on a stack and a worker of its own; yields its address."""
    data_dir.mkdir()
    async with Stack(
        data_dir,
        Ports.free(),
        site=site,
        project_dir=ROOT,
        simulator_seconds=GENERATION_SECONDS,
        times=QUICK,
        durable=False,
    ) as stack:
        stack.simulator.music_seconds = MUSIC_SECONDS
        async with stack.database.administrator() as administrator:
            await administrator.execute(LIFT_LIMITS.encode())
        async with dev_server(stack, **WORKER) as server:
            lead = Lead(stack)
            stack.serve_also(DevPage(stack, server.worker).answers | lead.answers)
            yield stack.url


class Lead:
    """Calls by which tests lead what is made, and end the time of a session."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.answers: dict[str, Answer] = {
            "POST /dev/pace": self._pace,
            "POST /dev/lead": self._lead,
            "POST /dev/expired": self._expired,
        }

    async def _pace(self, call: Call) -> dict[str, Any]:
        """How long what is asked for from now on takes; as usual where no seconds are given."""
        self._stack.simulator.seconds = call.body.get("seconds", GENERATION_SECONDS)
        return {}

    async def _lead(self, call: Call) -> dict[str, Any]:
        """Let all that is being made sound, or be done; waits until it is so many pieces."""
        pieces = int(call.body["pieces"])

        async def are_enough() -> bool:
            return len(self._running()) >= pieces

        await until(are_enough, f"{pieces} pieces are being made")
        now = time.time()
        for task in self._running():
            if call.body["stage"] == "done":
                task.seconds = now - task.accepted_at
            else:
                task.accepted_at = now - task.seconds * 0.6
        return {}

    def _running(self) -> list[SimulatedTask]:
        now, tasks = time.time(), self._stack.simulator.account.tasks.values()
        return [task for task in tasks if task.status(now) not in ("failed", "succeeded")]

    async def _expired(self, call: Call) -> dict[str, Any]:
        """The same token, but good until a minute ago."""
        token = call.body["token"]
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        claims["exp"] = int(time.time()) - 60
        return {"token": self._stack.keys.sign(claims), "expires_at": claims["exp"]}

"""The simulator in this process, on a port of its own, and the client that speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local_supabase.gateway import Server
from local_supabase.ports import Ports
from local_supabase.simulator import Simulator
from music_service.mureka.client import MurekaClient, connect_mureka

KEY = "simulated"


@pytest.fixture
async def simulator() -> Simulator:
    return Simulator(KEY, 0.0, music_seconds=5)


@pytest.fixture
async def mureka_url(simulator: Simulator) -> AsyncIterator[str]:
    port = Ports.free().simulator
    server = Server(simulator.app, port, "the simulator")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop()


@pytest.fixture
async def mureka(mureka_url: str) -> AsyncIterator[MurekaClient]:
    async with connect_mureka(KEY, mureka_url) as client:
        yield client

"""A generation and a worker in a world of fakes, as the tests tell their stories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from music_service.errors import ProviderBlockedError
from music_service.tracks import Claim
from music_service.worker.attempt import Generation
from music_service.worker.ports import Options
from music_service.worker.retry import Settlement
from music_service.worker.submit import Ordered
from music_service.worker.worker import Worker
from tests.support.clock import now, settled
from tests.support.fakes import Call, FakeTask, World, a_claim, options

RUNNING = FakeTask("running")


@dataclass
class Making:
    """One generation in a world of its own."""

    claim: Claim = field(default_factory=a_claim)
    options: Options = field(default_factory=options)

    def __post_init__(self) -> None:
        self.world = World()
        self.journal = self.world.journal
        self.blocked: list[ProviderBlockedError] = []
        self.orders: list[asyncio.Task[Ordered]] = []

    def generation(self) -> Generation:
        settlement = Settlement(
            self.claim,
            self.world.queue,
            self.options,
            on_blocked=self.blocked.append,
            on_deferred=lambda _: None,
        )
        return Generation(
            self.claim,
            self.world.queue,
            self.world.provider,
            self.world.audio,
            options=self.options,
            settlement=settlement,
            start_order=self._start_order,
        )

    def _start_order(self, coroutine: Coroutine[Any, Any, Ordered]) -> asyncio.Task[Ordered]:
        self.orders.append(asyncio.create_task(coroutine))
        return self.orders[-1]

    async def make(self) -> float:
        """Run it to its end; answers when that was."""
        await self.generation().run()
        return now()

    def end(self) -> Call:
        """The one write that ended it."""
        ends = [c for c in self.journal.calls if c.step in ("complete", "fail", "defer")]
        assert len(ends) == 1
        assert self.journal.calls[-1] is ends[0]
        return ends[0]


class Working:
    """A worker in a world of its own; `changes` are options."""

    def __init__(self, **changes: Any) -> None:
        self.world = World()
        self.journal = self.world.journal
        self.options = options(**changes)
        self.worker = Worker(
            self.world.queue,
            self.world.provider,
            self.world.audio,
            self.world.make_feed,
            self.options,
        )
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()

    def waiting(self, count: int, **changes: Any) -> list[Claim]:
        """Put tracks where the next look finds them."""
        claims = [a_claim(**changes) for _ in range(count)]
        self.world.queue.waiting += claims
        return claims

    def take_long(self) -> None:
        """Let no task be finished before its deadline."""
        self.world.provider.looks = [RUNNING]

    def start(self) -> asyncio.Task[None]:
        """Run the worker; answers its task."""
        return asyncio.create_task(self.worker.run(self.stop, self.ready), name="worker")

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Run the worker for the length of a block, from its first look on."""
        running = self.start()
        await self.ready.wait()
        await settled()
        try:
            yield
        finally:
            self.stop.set()
            await running

    async def hint(self) -> None:
        """Let the feed say that something is pending, and let the worker act on it."""
        self.world.feed.hint()
        await settled()

    @property
    def state(self) -> str:
        """The state in the worker's status."""
        return str(self.worker.status()["state"])

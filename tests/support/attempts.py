"""An attempt and a worker among fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from music_service.errors import ProviderBlockedError
from music_service.observe.observer import Observer
from music_service.tracks import Claim
from music_service.worker.attempt import Attempt
from music_service.worker.cadence import Experiences
from music_service.worker.outages import Outages
from music_service.worker.ports import Options
from music_service.worker.worker import Worker
from tests.support.builders import a_claim, options
from tests.support.clock import now, settled
from tests.support.fakes import Fakes, FakeTask
from tests.support.journal import Call

Paid = TypeVar("Paid")

RUNNING = FakeTask("running")


@dataclass
class Making:
    """One attempt among fakes of its own."""

    claim: Claim = field(default_factory=a_claim)
    options: Options = field(default_factory=options)
    experiences: Experiences = field(default_factory=Experiences)
    observer: Observer = field(default_factory=Observer)

    def __post_init__(self) -> None:
        self.fakes = Fakes()
        self.fakes.queue.hold(self.claim)
        if self.claim.generation is not None:
            self.fakes.provider.know(self.claim.generation)
        self.journal = self.fakes.journal
        self.blocked: list[ProviderBlockedError] = []
        self.deferred: list[float] = []
        self.submits: list[asyncio.Task[Any]] = []

    def attempt(self) -> Attempt:
        return Attempt(
            self.claim,
            self.fakes.queue,
            self.fakes.provider,
            self.fakes.audio,
            options=self.options,
            start_paid=self._start_paid,
            on_blocked=self.blocked.append,
            on_deferred=self.deferred.append,
            observer=self.observer,
            outages=Outages(quiet_seconds=30),
            experiences=self.experiences,
        )

    def _start_paid(self, call: Coroutine[Any, Any, Paid]) -> asyncio.Task[Paid]:
        task = asyncio.create_task(call)
        self.submits.append(task)
        return task

    async def make(self) -> float:
        """Run it to its end; answers when that was."""
        await self.attempt().run()
        return now()

    def end(self) -> Call:
        """The one write that ended it."""
        ends = [c for c in self.journal.calls if c.step in ("complete", "fail", "defer")]
        assert len(ends) == 1
        assert self.journal.calls[-1] is ends[0]
        return ends[0]


class Working:
    """A worker among fakes of its own, and whoever observes it; `changes` are options."""

    def __init__(self, observer: Observer | None = None, **changes: Any) -> None:
        self.fakes = Fakes()
        self.journal = self.fakes.journal
        self.options = options(**changes)
        self.worker = Worker(
            self.fakes.queue,
            self.fakes.provider,
            self.fakes.audio,
            self.fakes.make_feed,
            self.options,
            observer=observer,
        )
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()

    def waiting(self, count: int, **changes: Any) -> list[Claim]:
        """Put tracks where the next claim finds them."""
        claims = [a_claim(**changes) for _ in range(count)]
        self.fakes.queue.add(claims)
        return claims

    def take_long(self) -> None:
        """Let no task be finished before its deadline."""
        self.fakes.provider.answers = [RUNNING]

    def start(self) -> asyncio.Task[None]:
        """Run the worker; answers its task."""
        return asyncio.create_task(self.worker.run(self.stop, self.ready), name="worker")

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Run the worker for the length of a block, from its first claim on."""
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
        self.fakes.feed.hint()
        await settled()

    @property
    def state(self) -> str:
        """The state in the worker's status."""
        return str(self.worker.status()["state"])

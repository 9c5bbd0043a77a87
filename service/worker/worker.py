"""The loop: woken by hints, a freed slot or the clock, it claims what there is room for.

Liveness is the lease. It is renewed for all tracks in one call; where that fails for a whole
lease the tracks are let go, because by then they may belong to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from functools import partial
from uuid import UUID

import structlog

from service.errors import LostClaimError, MusicServiceError, ProviderBlockedError
from service.worker.generation import Generation
from service.worker.ports import AudioStore, Feed, Options, Provider, Queue

log = structlog.get_logger(__name__)


class Worker:
    """Makes the music of a project until it is told to stop.

    Args:
        queue, provider, audio: the world.
        make_feed: makes the source of hints, given what to call for each.
        options: how this worker works.
    """

    def __init__(
        self,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        make_feed: Callable[[Callable[[], None]], Feed],
        options: Options,
    ) -> None:
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._wake = asyncio.Event()
        self._feed = make_feed(self._wake.set)
        self._running: dict[UUID, tuple[Generation, asyncio.Task[None]]] = {}
        self._blocked: ProviderBlockedError | None = None
        self._renewed_at = 0.0
        self._lease_lost = False

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, then drain; `ready` is set once the first look is done."""
        await self._report("running")
        self._renewed_at = _now()
        background = [
            asyncio.create_task(self._feed.run(), name="feed"),
            asyncio.create_task(self._keep_leases(), name="leases"),
            asyncio.create_task(self._look_again_while_blocked(), name="blocked"),
            asyncio.create_task(self._wake_on(stop), name="stop"),
        ]
        try:
            await self._work(stop, ready)
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._report("stopped")

    async def _work(self, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
        found_by_sweep = False
        while not stop.is_set():
            self._wake.clear()
            claimed = await self._claim()
            if found_by_sweep and claimed:
                log.info("found_by_sweep", tracks=claimed)
            if ready is not None:
                ready.set()
            pause = self._options.sweep * random.uniform(0.8, 1.2)  # noqa: S311
            found_by_sweep = not await _set_within(self._wake, pause)

    async def _claim(self) -> int:
        """Take what there is room for; answers how many tracks that were."""
        room = self._options.capacity - len(self._running)
        if room <= 0 or self._blocked is not None or self._lease_lost:
            return 0
        try:
            claims = await self._queue.claim(room, self._options.lease)
        except MusicServiceError as error:
            log.warning("claim_failed", reason=str(error))
            return 0
        for claim in claims:
            generation = Generation(
                claim,
                self._queue,
                self._provider,
                self._audio,
                options=self._options,
                on_blocked=self._block,
            )
            task = asyncio.create_task(generation.run(), name=f"track {claim.track.id}")
            self._running[claim.id] = generation, task
            task.add_done_callback(partial(self._finished, claim.id))
            log.info("claimed", track_id=str(claim.track.id), claim_id=str(claim.id))
        return len(claims)

    def _finished(self, claim_id: UUID, _: asyncio.Task[None]) -> None:
        self._running.pop(claim_id, None)
        self._wake.set()  # there is room again

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 3)
            ours = list(self._running)
            try:
                owned = await self._queue.renew(ours, self._options.lease)
            except MusicServiceError as error:
                log.warning("renewal_failed", reason=str(error))
                if _now() - self._renewed_at >= self._options.lease:
                    self._let_go(ours, "the leases could not be renewed")
                    self._lease_lost = True
                continue
            self._renewed_at = _now()
            if self._lease_lost:
                self._lease_lost = False
                self._wake.set()
            self._let_go([claim for claim in ours if claim not in owned], "taken by somebody else")

    def _let_go(self, claim_ids: list[UUID], reason: str) -> None:
        for claim_id in claim_ids:
            if claim_id in self._running:
                generation, task = self._running[claim_id]
                log.warning("let_go", track_id=str(generation.claim.track.id), reason=reason)
                task.cancel()

    def _block(self, error: ProviderBlockedError) -> None:
        if self._blocked is None:
            log.error("blocked", code=error.error_code, reason=str(error))
        self._blocked = error

    async def _look_again_while_blocked(self) -> None:
        """Tell operators that and why nothing is taken up, and find out when that has passed."""
        told = False
        while True:
            pause = self._options.blocked_check
            await asyncio.sleep(pause if told else min(1, pause))
            if self._blocked is None:
                continue
            await self._report("blocked", str(self._blocked))
            told = True
            with contextlib.suppress(MusicServiceError):
                if (await self._provider.billing()).balance_cents > 0:
                    self._blocked, told = None, False
                    log.info("unblocked")
                    await self._report("running")
                    self._wake.set()

    async def _drain(self) -> None:
        """Let orders in flight get their receipt, hand back everything else at once."""
        log.info("draining", tracks=len(self._running))
        await self._report("draining")
        orders = []
        for generation, task in list(self._running.values()):
            generation.stopping = True
            if generation.ordering is not None and not generation.ordering.done():
                orders.append(generation.ordering)
            else:
                task.cancel()
        claims = list(self._running)
        tasks = [task for _, task in self._running.values()]
        if orders:
            await asyncio.wait(orders, timeout=self._options.drain)
        for order in orders:
            if not order.done():
                log.error("order_abandoned", reason="no answer before the end of the drain")
        # What the finished orders leave behind, a receipt or a refusal, is written in a moment.
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=2 if orders else 1)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(MusicServiceError, LostClaimError):
            await self._queue.release(claims)

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _report(self, state: str, note: str | None = None) -> None:
        options = self._options
        try:
            await self._queue.report_worker(
                host=options.host,
                version=options.version,
                capacity=options.capacity,
                state=state,
                note=note,
            )
        except MusicServiceError as error:
            log.warning("report_failed", state=state, reason=str(error))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True

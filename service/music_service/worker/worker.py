"""The loop: woken by hints, a freed slot or the clock, it claims what there is room for.

Liveness is the lease. It is renewed for all tracks in one call; where that fails for a whole
lease the tracks count as lost, because by then they may belong to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from music_service.errors import MusicServiceError, ProviderBlockedError
from music_service.tracks import Claim, Generation
from music_service.worker.account import keep_account_reported
from music_service.worker.attempt import Attempt
from music_service.worker.ports import AudioStore, Feed, Options, Provider, Queue

_LAST_WORDS_SECONDS = 5  # a database that does not answer must not hold up a stop

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counters:
    """What a worker has done since it started; `unannounced` rows came without any hint."""

    claimed: int = 0
    hints: int = 0
    sweeps: int = 0
    unannounced: int = 0
    lost: int = 0


class Worker:
    """Makes the music of a project until it is told to stop.

    Args:
        queue, provider, audio: the database's functions, Mureka, Storage.
        make_feed: makes the source of hints, given what to call for each and what to call
            when hints may have been missed.
        options: how this worker works.
    """

    def __init__(
        self,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        make_feed: Callable[[Callable[[], None], Callable[[], None]], Feed],
        options: Options,
    ) -> None:
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._feed = make_feed(self._hinted, self._sweep_now)
        self._wake = asyncio.Event()
        self._running: dict[UUID, tuple[Attempt, asyncio.Task[None]]] = {}
        self._submits: set[asyncio.Task[Generation]] = set()
        self._blocked: ProviderBlockedError | None = None
        self._became_blocked = asyncio.Event()
        self._renewed_at = 0.0
        self._lease_lost = False
        self._stopping = False
        self._ready = False
        self.counters = Counters()

    def status(self) -> dict[str, Any]:
        """The worker in a few words and numbers: `state`, `reason`, `running`, counters."""
        reason = None
        state = "stopping" if self._stopping else "running"
        if self._lease_lost:
            state, reason = "cut_off", "The leases cannot be renewed."
        elif self._blocked is not None:
            state, reason = "blocked", str(self._blocked)
        return {
            "worker_id": self._options.worker_id,
            "state": state,
            "reason": reason,
            "realtime": "subscribed" if self._feed.is_working else "silent",
            "running": len(self._running),
            "capacity": self._options.capacity,
            **asdict(self.counters),
        }

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, then drain; `ready` is set once the first look is done."""
        await self._report("running")
        self._renewed_at = _now()
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._feed.run(), name="feed"),
                group.create_task(self._keep_leases(), name="leases"),
                group.create_task(self._look_again_while_blocked(), name="blocked"),
                group.create_task(
                    keep_account_reported(
                        self._queue, self._provider, self._options.account_check_seconds
                    ),
                    name="account",
                ),
                group.create_task(self._wake_on(stop), name="stop"),
            ]
            try:
                await self._work(group, stop, ready)
                await self._drain()
            finally:
                for task in background:
                    task.cancel()
                if self._submits:  # left by an error; what is paid for still gets its receipt
                    await asyncio.wait(self._submits, timeout=self._options.drain_seconds)
        await self._report("stopped")
        log.info("stopped", **asdict(self.counters))

    async def _work(
        self, group: asyncio.TaskGroup, stop: asyncio.Event, ready: asyncio.Event | None
    ) -> None:
        sweeping, sweep_at = False, self._next_sweep()
        while not stop.is_set():
            self._wake.clear()
            claims = await self._claim()
            if sweeping:
                self._note_missed(claims)
            for claim in claims:
                self._start(group, claim)
            if not self._ready:
                self._ready = True
                log.info("ready")
                if ready is not None:
                    ready.set()
            await _set_within(self._wake, sweep_at - _now())
            sweeping = _now() >= sweep_at
            if sweeping:
                sweep_at = self._next_sweep()
                self.counters.sweeps += 1

    async def _claim(self) -> list[Claim]:
        """Take what there is room for."""
        room = self._options.capacity - len(self._running)
        if room <= 0 or self._blocked is not None or self._lease_lost:
            return []
        try:
            return await self._queue.claim(room, self._options.lease_seconds)
        except MusicServiceError as error:
            log.warning("claim_failed", reason=str(error))
            return []

    def _next_sweep(self) -> float:
        return _now() + self._options.sweep_seconds * random.uniform(0.8, 1.2)  # noqa: S311

    def _note_missed(self, claims: list[Claim]) -> None:
        """Tracks that a sweep found and a working feed should have announced."""
        missed = [c for c in claims if self._feed.has_missed(c.track.id, c.waited_seconds)]
        if missed:
            self.counters.unannounced += len(missed)
            log.warning("found_by_sweep", tracks=len(missed))
            self._feed.distrust()

    def _start(self, group: asyncio.TaskGroup, claim: Claim) -> None:
        log.info("claimed", track_id=str(claim.track.id), claim_id=str(claim.id))
        self.counters.claimed += 1
        attempt = Attempt(
            claim,
            self._queue,
            self._provider,
            self._audio,
            options=self._options,
            start_submit=self._start_submit,
            on_blocked=self._block,
            on_deferred=self._wake_later,
        )
        task = group.create_task(attempt.run(), name=f"track {claim.track.id}")
        self._running[claim.id] = attempt, task
        task.add_done_callback(partial(self._finished, claim.id))

    def _start_submit(self, submit: Coroutine[Any, Any, Generation]) -> asyncio.Task[Generation]:
        """Start a paid call in a task that only the end of the drain may cut short."""
        task = asyncio.create_task(submit, name="submit")
        self._submits.add(task)
        task.add_done_callback(self._submits.discard)
        task.add_done_callback(_retrieve_failure)
        return task

    def _finished(self, claim_id: UUID, _: asyncio.Task[None]) -> None:
        self._running.pop(claim_id, None)
        self._wake.set()  # there is room again

    def _hinted(self) -> None:
        self.counters.hints += 1
        self._wake.set()

    def _sweep_now(self) -> None:
        self._wake.set()

    def _wake_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _keep_leases(self) -> None:
        lease = self._options.lease_seconds
        pause = lease / 3
        while True:
            await asyncio.sleep(pause)
            ours, asked_at = list(self._running), _now()
            left = self._renewed_at + lease - asked_at
            try:
                async with asyncio.timeout(lease / 3 if self._lease_lost else min(lease / 3, left)):
                    owned = await self._queue.renew(ours, lease)
            except Exception as error:  # noqa: BLE001  whatever it is, leases must be kept
                log.warning("renewal_failed", reason=str(error) or "no answer")
                left = self._renewed_at + lease - _now()
                pause = min(lease / 10, left) if left > 0 else lease / 10
                if left <= 0:
                    self._lease_lost = True
                    self._lose(ours, "the leases could not be renewed")
                continue
            pause, self._renewed_at = lease / 3, asked_at
            if self._lease_lost:
                self._lease_lost = False
                log.info("renewal_works_again")
                self._wake.set()
            self._lose(self._stolen(set(ours) - owned), "taken by somebody else")

    def _stolen(self, gone: set[UUID]) -> list[UUID]:
        """Of claims that are gone those that we did not end ourselves."""
        return [c for c in gone if c in self._running and not self._running[c][0].is_ending]

    def _lose(self, claim_ids: Iterable[UUID], reason: str) -> None:
        for claim_id in claim_ids:
            if claim_id in self._running:
                attempt, task = self._running[claim_id]
                log.warning("lost", track_id=str(attempt.claim.track.id), reason=reason)
                self.counters.lost += 1
                task.cancel()

    def _block(self, error: ProviderBlockedError) -> None:
        if self._blocked is None:
            log.error("blocked", code=error.code, reason=str(error))
        self._blocked = error
        self._became_blocked.set()

    async def _look_again_while_blocked(self) -> None:
        """Tell operators that and why nothing is taken up, and find out when that has passed."""
        while True:
            await self._became_blocked.wait()
            while self._blocked is not None:
                await self._report("blocked", str(self._blocked))
                await asyncio.sleep(self._options.blocked_check_seconds)
                with contextlib.suppress(MusicServiceError):
                    if (await self._provider.billing()).balance_cents > 0:
                        self._blocked = None
            self._became_blocked.clear()
            log.info("unblocked")
            await self._report("running")
            self._wake.set()

    async def _drain(self) -> None:
        """Let paid calls in the air get their receipt, hand back everything else at once."""
        self._stopping = True
        log.info("draining", tracks=len(self._running), submits=len(self._submits))
        finishing = {c: task for c, (gen, task) in self._running.items() if gen.stop()}
        others = {c: task for c, (_, task) in self._running.items() if c not in finishing}
        await _cancelled(others.values())
        await self._release(others)
        await self._report("draining")
        in_the_air = [*finishing.values(), *self._submits]
        if in_the_air:
            _, late = await asyncio.wait(in_the_air, timeout=self._options.drain_seconds)
            if late:
                log.error("submits_abandoned", submits=len(self._submits))
            await _cancelled(late)
        await self._release(finishing)

    async def _release(self, claims: Iterable[UUID]) -> None:
        claim_ids = list(claims)
        if not claim_ids:
            return
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._queue.release(claim_ids)
        except (MusicServiceError, TimeoutError) as error:
            reason = str(error) or "no answer"
            log.warning("release_failed", reason=reason, tracks=len(claim_ids))

    async def _report(self, state: str, note: str | None = None) -> None:
        options = self._options
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._queue.report_worker(
                    host=options.host,
                    version=options.version,
                    capacity=options.capacity,
                    state=state,
                    note=note,
                )
        except (MusicServiceError, TimeoutError) as error:
            log.warning("report_failed", state=state, reason=str(error) or "no answer")


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _retrieve_failure(submit: asyncio.Task[Generation]) -> None:
    # Whoever waited may be gone; asyncio would otherwise complain that nobody looked.
    if not submit.cancelled():
        submit.exception()

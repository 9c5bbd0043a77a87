"""The loop: woken by hints, a freed slot or the clock, it claims what there is room for.

How an attempt at one track goes is in `attempt`, how leases are kept in `leases`, and what a
refused account means in `account`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from music_service.errors import MusicServiceError
from music_service.observe.observer import Observer, State
from music_service.tracks import Claim
from music_service.waiting import first_of
from music_service.worker.account import Blockade, keep_account_reported
from music_service.worker.attempt import Attempt
from music_service.worker.cadence import Experiences
from music_service.worker.claims import ClaimFailures, keep_rejections_logged
from music_service.worker.leases import LeaseKeeper
from music_service.worker.left_over import LeftOvers
from music_service.worker.outages import Outages, reason_of
from music_service.worker.pace import Pace
from music_service.worker.ports import AudioStore, Feed, Options, Provider, Queue

_LAST_WORDS_SECONDS = 5  # a database that does not answer must not hold up a stop
# How many sweeps lie between two looks at what changes seldom: an idle worker asks little.
_SWEEPS_PER_LEFT_OVER = 3  # of a worker that makes nothing
_SWEEPS_PER_REJECTION = 4

Paid = TypeVar("Paid")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counters:
    """What a worker has done since it started.

    `hints` were heard and `sweeps` made; `unannounced` tracks came without any hint; `lost` ones
    were somebody else's before they ended.
    """

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
        observer: told what happens.
    """

    def __init__(
        self,
        queue: Queue,
        provider: Provider,
        audio: AudioStore,
        make_feed: Callable[[Callable[[], None], Callable[[], None]], Feed],
        options: Options,
        *,
        observer: Observer | None = None,
    ) -> None:
        self.counters = Counters()
        self._queue = queue
        self._provider = provider
        self._audio = audio
        self._options = options
        self._observer = observer or Observer()
        self._outages = Outages(quiet_seconds=2 * options.sweep_seconds)
        self._wake = asyncio.Event()
        self._pace = Pace()
        self._experiences = Experiences()
        self._running: dict[UUID, tuple[Attempt, asyncio.Task[None]]] = {}
        self._submits: set[asyncio.Task[Any]] = set()
        self._has_claimed = False
        self._more_may_wait = True  # than the last claim took
        self._stopping = False
        self._feed = make_feed(self._hear_hint, self._wake.set)
        self._leases = LeaseKeeper(
            queue,
            options.lease_seconds,
            held=self._running.keys,
            on_lost=self._lose,
            on_restored=self._restored,
            outage=self._outages.database,
        )
        self._blockade = Blockade(
            provider,
            options.blocked_check_seconds,
            report=self._report,
            on_lifted=self._wake.set,
        )
        self._left_over = LeftOvers(
            queue,
            provider,
            poll_seconds=options.poll_seconds,
            look_seconds=self._left_over_seconds,
            on_freed=self._wake.set,
        )
        self._failures = ClaimFailures(
            options.sweep_seconds,
            report=self._report_claims,
            on_restored=self._restored,
        )

    def status(self) -> dict[str, Any]:
        """The worker in a few words and numbers, as JSON.

        `worker_id`, `state`, `reasons` (sentences that say why it takes up nothing of what the
        queue would give it; none where it does), `realtime` (subscribed, silent) and how often it
        `reconnects`, `running` of `capacity` tracks, how many tasks the fleet has `left_over` at
        Mureka, the process's asyncio `tasks`, and the counters.
        """
        state, reason = self._state()
        reasons = [] if reason is None else [reason]
        if self._outages.mureka.is_away:
            reasons.append("Mureka does not answer.")
        return {
            "worker_id": self._options.worker_id,
            "state": state,
            "reasons": reasons,
            "realtime": "subscribed" if self._feed.is_working else "silent",
            "reconnects": self._feed.reconnects,
            "running": len(self._running),
            "capacity": self._options.capacity,
            "left_over": self._left_over.running,
            "tasks": len(asyncio.all_tasks()),
            **asdict(self.counters),
        }

    def _state(self) -> tuple[State, str | None]:
        """What it is in, and why nothing new is taken up, if so."""
        if self._leases.is_cut_off:
            return "cut_off", f"The leases cannot be renewed: {self._leases.failure.rstrip('.')}."
        if self._blockade.error is not None:
            return "blocked", str(self._blockade.error)
        if self._failures.reason is not None:
            return "failing", self._failures.reason
        if self._stopping:
            return "stopping", "It is stopping."
        if not self._has_claimed:
            return "starting", "Nothing could be claimed yet."
        return "running", None

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, then drain; `ready` is set after the first claim."""
        await self._report("running")
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._feed.run(), name="feed"),
                group.create_task(self._leases.run(), name="leases"),
                group.create_task(self._blockade.run(), name="blockade"),
                group.create_task(self._failures.run(), name="claim failures"),
                group.create_task(self._left_over.run(), name="left over"),
                group.create_task(self._keep_account_reported(), name="account"),
                group.create_task(
                    keep_rejections_logged(
                        self._queue, _SWEEPS_PER_REJECTION * self._options.sweep_seconds
                    ),
                    name="rejections",
                ),
            ]
            try:
                await self._work(group, stop, ready or asyncio.Event())
                await self._drain()
            finally:
                for task in background:
                    task.cancel()
                if self._submits:  # left by an error; what is paid for still gets its receipt
                    await asyncio.wait(self._submits, timeout=self._options.drain_seconds)
        await self._report("stopped")
        log.info("stopped", **asdict(self.counters))

    async def _work(
        self, group: asyncio.TaskGroup, stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        sweeping, sweep_at = False, self._next_sweep()
        while not stop.is_set():
            self._wake.clear()
            claims = await self._claim()
            if sweeping:
                self._distrust_feed_for(claims)
            for claim in claims:
                self._start(group, claim)
            if not ready.is_set():
                log.info("ready")
                ready.set()
            await self._sleep(stop, until=sweep_at)
            sweeping = _now() >= sweep_at
            if sweeping:
                sweep_at = self._next_sweep()
                self.counters.sweeps += 1

    async def _sleep(self, stop: asyncio.Event, *, until: float) -> None:
        """Sleep until it is time, or something wakes the worker or stops it."""
        if not (self._wake.is_set() or stop.is_set()):
            pause = max(until - _now(), 0)
            await first_of(self._wake.wait(), stop.wait(), asyncio.sleep(pause))
        pause = self._pace.pause_seconds()
        # After a stop at once, so that what was just claimed is handed back without a step.
        if pause > 0 and not stop.is_set():
            await first_of(stop.wait(), asyncio.sleep(pause))

    async def _claim(self) -> list[Claim]:
        """Take what there is room for."""
        room = self._options.capacity - len(self._running)
        self._more_may_wait = True
        if room <= 0 or self._blockade.error is not None or self._leases.is_cut_off:
            return []
        self._pace.note()
        try:
            claims = await self._queue.claim(room, self._options.lease_seconds)
        except MusicServiceError as error:
            self._outages.database.failed(error)
            self._failures.note(str(error))
            return []
        self._outages.database.answered()
        self._failures.clear()
        self._has_claimed = True
        self._more_may_wait = len(claims) >= room
        return claims

    def _next_sweep(self) -> float:
        return _now() + self._options.sweep_seconds * random.uniform(0.8, 1.2)  # noqa: S311

    def _restored(self) -> None:
        """The database is back; meanwhile Realtime may have given up on it without a word."""
        self._wake.set()
        self._feed.distrust("the database was away")

    def _distrust_feed_for(self, claims: list[Claim]) -> None:
        """Hold against the feed what a sweep found and it should have announced."""
        missed = [c for c in claims if self._feed.has_missed(c.track.id, c.waited_seconds)]
        if missed:
            self.counters.unannounced += len(missed)
            log.warning("found_by_sweep", tracks=len(missed))
            self._feed.distrust("rows came that it had not announced")

    def _start(self, group: asyncio.TaskGroup, claim: Claim) -> None:
        say = log.debug if self._outages.are_on else log.info
        say("claimed", track_id=str(claim.track.id), claim_id=str(claim.id))
        self.counters.claimed += 1
        attempt = Attempt(
            claim,
            self._queue,
            self._provider,
            self._audio,
            options=self._options,
            start_paid=partial(self._start_paid, claim.id),
            on_blocked=self._blockade.begin,
            on_deferred=self._wake_later,
            observer=self._observer,
            outages=self._outages,
            experiences=self._experiences,
        )
        task = group.create_task(attempt.run(), name=f"track {claim.track.id}")
        self._running[claim.id] = attempt, task
        task.add_done_callback(partial(self._finished, claim.id))

    def _start_paid(self, claim_id: UUID, call: Coroutine[Any, Any, Paid]) -> asyncio.Task[Paid]:
        """Start a paid call in a task that only the end of the drain may cut short."""
        task = asyncio.create_task(call, name="submit")
        self._submits.add(task)
        task.add_done_callback(partial(self._submitted, claim_id))
        task.add_done_callback(_retrieve_failure)
        return task

    def _submitted(self, claim_id: UUID, submit: asyncio.Task[Any]) -> None:
        self._submits.discard(submit)
        if claim_id not in self._running:  # the track was lost meanwhile
            self._left_over.expect()

    def _finished(self, claim_id: UUID, _: asyncio.Task[None]) -> None:
        attempt, _task = self._running.pop(claim_id)
        if attempt.is_lost:
            self._left_over.expect()
        if attempt.others_wait or self._more_may_wait:
            self._wake.set()  # there is room again

    def _hear_hint(self) -> None:
        self.counters.hints += 1
        self._wake.set()

    def _wake_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    def _lose(self, claim_ids: Iterable[UUID], reason: str) -> None:
        """Stop attempts whose claim is lost; the last write of one that is ending is fenced."""
        for claim_id in claim_ids:
            attempt, task = self._running.get(claim_id, (None, None))
            if attempt is None or task is None or attempt.is_ending:
                continue
            say = log.debug if self._leases.is_cut_off else log.warning
            say("lost", track_id=str(attempt.claim.track.id), reason=reason)
            self.counters.lost += 1
            task.cancel()
            self._left_over.expect()

    def _left_over_seconds(self) -> float:
        sweeps = 1 if self._running else _SWEEPS_PER_LEFT_OVER
        return sweeps * self._options.sweep_seconds

    async def _keep_account_reported(self) -> None:
        every_seconds = self._options.account_check_seconds
        await keep_account_reported(self._queue, self._provider, every_seconds)

    async def _drain(self) -> None:
        """Let paid calls in the air get their receipt, hand back everything else at once.

        A database that does not answer meanwhile makes it no longer: somebody waits with SIGKILL.
        """
        self._stopping = True
        deadline = _now() + self._options.drain_seconds
        log.info("draining", tracks=len(self._running), submits=len(self._submits))
        finishing = {c: task for c, (attempt, task) in self._running.items() if attempt.stop()}
        others = {c: task for c, (_, task) in self._running.items() if c not in finishing}
        await _cancelled(others.values())
        await self._release(others)
        await self._report("draining")
        in_the_air = [*finishing.values(), *self._submits]
        if in_the_air:
            _, late = await asyncio.wait(in_the_air, timeout=max(deadline - _now(), 0))
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
            log.warning("release_failed", reason=reason_of(error), tracks=len(claim_ids))

    async def _report_claims(self, state: str, note: str | None) -> bool:
        """Report how claiming goes, unless something that matters more has been reported."""
        if self._stopping or self._blockade.error is not None:
            return True
        return await self._report(state, note)

    async def _report(self, state: str, note: str | None = None) -> bool:
        """Tell the database; answers whether it took that."""
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
            self._outages.database.failed(error)
            log.debug("report_failed", state=state, reason=reason_of(error))
            return False
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _retrieve_failure(submit: asyncio.Task[Any]) -> None:
    # Whoever waited may be gone; asyncio would otherwise complain that nobody asked for it.
    if not submit.cancelled():
        submit.exception()

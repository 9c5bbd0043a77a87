"""A world for the worker that exists in memory: queue, provider, Storage and feed.

Everything that is asked of it is written to one journal, in order. A test can hold a step, make it
fail, and wait until it is reached.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from music_service.errors import LostClaimError
from music_service.tracks import Claim, Generation, GenerationRequest, Kind, Track
from music_service.worker.ports import Options


def options(**changes: Any) -> Options:
    """The product's own patience, under the name `worker`."""
    named: dict[str, Any] = {
        "worker_id": "worker",
        "host": "host",
        "version": "1",
        "model": "mureka-9",
        "cost_cents": Decimal("4.5"),
    }
    return Options(**(named | changes))


def a_track(**changes: Any) -> Track:
    """An instrumental that an app's user asked for."""
    wished: dict[str, Any] = {"id": uuid4(), "user_id": uuid4(), "prompt": "calm piano"}
    return Track(**(wished | changes))


def a_claim(
    track: Track | None = None,
    *,
    receipt: str | None = None,
    age_seconds: float = 0,
    request: GenerationRequest | None = None,
    expected_seconds: float | None = None,
) -> Claim:
    """A claim; with a receipt, one that is to be resumed."""
    resumed = None
    if receipt is not None:
        sent = request or GenerationRequest("instrumental", {"n": 1})
        resumed = Generation(uuid4(), sent.to_json(), receipt, age_seconds)
    return Claim(uuid4(), track or a_track(), resumed, expected_seconds)


@dataclass(frozen=True)
class Call:
    """One thing that was asked of the world; `at` is in seconds of the loop's time."""

    step: str
    at: float
    arguments: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(name) from None


class Journal:
    """What was asked, and what is to happen at which step."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._held: dict[str, asyncio.Event] = {}
        self._errors: defaultdict[str, deque[BaseException]] = defaultdict(deque)
        self._broken: dict[str, BaseException] = {}
        self._written = asyncio.Event()

    def hold(self, step: str) -> asyncio.Event:
        """Every call of this step waits until the event is set."""
        return self._held.setdefault(step, asyncio.Event())

    def fail(self, step: str, *errors: BaseException) -> None:
        """The next calls of this step fail, one for each error."""
        self._errors[step].extend(errors)

    def break_down(self, step: str, error: BaseException) -> None:
        """Every call of this step fails, until it is mended."""
        self._broken[step] = error

    def mend(self, step: str) -> None:
        """The step works again."""
        self._broken.pop(step, None)

    def steps(self, *only: str) -> list[str]:
        """The names of what was asked, in order; of all steps, or of these."""
        return [call.step for call in self.calls if not only or call.step in only]

    def of(self, step: str) -> list[Call]:
        """Every call of one step."""
        return [call for call in self.calls if call.step == step]

    async def reached(self, step: str, times: int = 1) -> Call:
        """Wait until a step has been asked for so often; answers that call."""
        while len(self.of(step)) < times:
            self._written.clear()
            await self._written.wait()
        return self.of(step)[times - 1]

    async def take(self, step: str, **arguments: Any) -> None:
        """Write the call down, wait where it is held, fail where it is to fail."""
        self.calls.append(Call(step, asyncio.get_running_loop().time(), arguments))
        self._written.set()
        if step in self._held:
            await self._held[step].wait()
        if self._errors[step]:
            raise self._errors[step].popleft()
        if step in self._broken:
            raise self._broken[step]


class FakeQueue:
    """Claims what `waiting` holds; a claim in `lost` can write nothing any more."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.waiting: list[Claim] = []
        self.lost: set[UUID] = set()

    async def claim(self, limit: int, lease_seconds: float) -> list[Claim]:
        await self._journal.take("claim", limit=limit, lease_seconds=lease_seconds)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def renew(self, claim_ids: Sequence[UUID], lease_seconds: float) -> set[UUID]:
        await self._journal.take("renew", claim_ids=set(claim_ids), lease_seconds=lease_seconds)
        return set(claim_ids) - self.lost

    async def release(self, claim_ids: Sequence[UUID]) -> None:
        await self._journal.take("release", claim_ids=set(claim_ids))

    async def report_worker(
        self, *, host: str, version: str, capacity: int, state: str, note: str | None = None
    ) -> None:
        await self._journal.take("report", state=state, note=note, capacity=capacity)

    async def report_account(
        self, concurrent_request_limit: int | None, balance_cents: float
    ) -> None:
        await self._journal.take("account", limit=concurrent_request_limit, balance=balance_cents)

    async def begin(
        self,
        claim_id: UUID,
        generation_id: UUID,
        request: GenerationRequest,
        model: str,
        cost_cents: Decimal,
    ) -> None:
        await self._fenced(
            "begin",
            claim_id,
            generation_id=generation_id,
            request=request,
            model=model,
            cost_cents=cost_cents,
        )

    async def record_task(self, generation_id: UUID, task_id: str, trace_id: str | None) -> None:
        await self._journal.take(
            "record", generation_id=generation_id, task_id=task_id, trace_id=trace_id
        )

    async def report_stage(self, claim_id: UUID, stage: str, stream_url: str | None) -> None:
        await self._fenced("stage", claim_id, stage=stage, stream_url=stream_url)

    async def complete(
        self, claim_id: UUID, storage_path: str, file_url: str | None, duration_ms: int
    ) -> None:
        await self._fenced(
            "complete",
            claim_id,
            storage_path=storage_path,
            file_url=file_url,
            duration_ms=duration_ms,
        )

    async def defer(
        self, claim_id: UUID, delay_seconds: float, code: str, message: str, *, counts: bool
    ) -> str:
        await self._fenced(
            "defer", claim_id, delay=delay_seconds, code=code, message=message, counts=counts
        )
        return "pending"

    async def fail(self, claim_id: UUID, code: str, message: str) -> None:
        await self._fenced("fail", claim_id, code=code, message=message)

    async def _fenced(self, step: str, claim_id: UUID, **arguments: Any) -> None:
        await self._journal.take(step, claim_id=claim_id, **arguments)
        if claim_id in self.lost:
            raise LostClaimError(f"{step} answered that the claim is gone.")


@dataclass(frozen=True)
class FakeSubmission:
    task_id: str
    trace_id: str | None = "trace"


@dataclass(frozen=True)
class FakeAudio:
    url: str = "https://cdn.example/music.mp3"
    duration_ms: int | None = 123_000


@dataclass(frozen=True)
class FakeTask:
    status: str = "succeeded"
    stream_url: str | None = None
    audio: FakeAudio | None = None
    failed_reason: str | None = None

    @property
    def is_succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def is_failed(self) -> bool:
        return self.status in ("failed", "timeouted", "cancelled")


@dataclass(frozen=True)
class FakeDownload:
    duration_ms: int = 99_000


@dataclass(frozen=True)
class FakeBilling:
    balance_cents: float = 1000.0
    concurrent_request_limit: int | None = 25


DONE = FakeTask(audio=FakeAudio())


class FakeProvider:
    """Answers looks from `looks`, one after the other, the last one for ever."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ordered = 0
        self.looks: list[FakeTask | Exception] = [DONE]
        self.balance_cents = 1000.0

    async def submit(self, request: GenerationRequest) -> FakeSubmission:
        await self._journal.take("submit", request=request)
        self._ordered += 1
        return FakeSubmission(f"task-{self._ordered}")

    async def query(self, kind: Kind, task_id: str) -> FakeTask:
        await self._journal.take("query", kind=kind, task_id=task_id)
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    async def billing(self) -> FakeBilling:
        await self._journal.take("billing")
        return FakeBilling(self.balance_cents)

    async def download(self, url: str, path: Path, *, max_bytes: int) -> FakeDownload:
        await self._journal.take("download", url=url, path=path, max_bytes=max_bytes)
        path.write_bytes(b"music")
        return FakeDownload()


class FakeAudioStore:
    """Takes every upload under the key `key`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.url: str | None = "https://project.example/key"

    async def put(self, path: Path, track: Track, generation_id: UUID) -> tuple[str, str | None]:
        content = path.read_bytes()
        await self._journal.take(
            "put", content=content, track_id=track.id, generation_id=generation_id
        )
        return "key", self.url


class FakeFeed:
    """Says nothing by itself: a test calls `hint` and `gap`."""

    def __init__(self, journal: Journal, hint: Callable[[], None], gap: Callable[[], None]) -> None:
        self._journal = journal
        self.hint = hint
        self.gap = gap
        self.is_working = True
        self.distrusted = 0
        self.missed = True

    def has_missed(self, track_id: UUID, waited_seconds: float | None) -> bool:
        return self.missed

    def distrust(self) -> None:
        self.distrusted += 1

    async def run(self) -> None:
        await self._journal.take("feed")
        await asyncio.Event().wait()


@dataclass
class World:
    """All fakes with one journal."""

    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.queue = FakeQueue(self.journal)
        self.provider = FakeProvider(self.journal)
        self.audio = FakeAudioStore(self.journal)

    def make_feed(self, hint: Callable[[], None], gap: Callable[[], None]) -> FakeFeed:
        """The feed of a worker."""
        self.feed = FakeFeed(self.journal, hint, gap)
        return self.feed

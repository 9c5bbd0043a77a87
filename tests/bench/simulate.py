"""A day of many tracks against the real functions of the database, with its clock turned fast.

    scripts/simulate [--quick] [--tracks N] [--concurrency N] [--hours N] [--seed N]
                     [--json FILE] [--write]

Nothing of the queue is modelled: users insert rows, and workers call `claim_music_tracks`,
`begin_music_generation`, `record_music_task`, `report_music_stage` and `complete_music_track` of an
embedded Postgres. What is modelled is around it: when tracks are asked for, how long Mureka takes,
and the clock. In this database alone `now()` and `clock_timestamp()` are replaced before the
migrations are applied, so that all of ours, defaults included, go by the clock of the simulation.
Leases are long and renewals left out; nothing fails.

The waits of each hour stand beside those of the arithmetic in `tests/bench/queueing.py`, which
knows no users: first come, first served. Here users take turns, which leaves the mean as it is,
while who asks for one track waits less than by the arithmetic, and who asks for several more. Ends
with 1 where they are further apart than `TOLERANCE` allows. `--write` keeps the result in
`docs/simulation.json` and renews `docs/sizing.md`.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import secrets
import statistics
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local_supabase import migrations
from local_supabase.ports import Ports
from local_supabase.postgres import Postgres
from tests.bench import pages, program, queueing
from tests.bench.figures import quantile
from tests.bench.sizing import Simulated, SimulatedHour, day_part
from tests.support.database import Connection, connect, copy_database, rows
from tests.support.project import SUPABASE

TRACKS = 100_000
CONCURRENCY = 150  # the most that Mureka sells
WORKER_PLACES = 100
USERS = 5_000
DATABASE = "simulated"
MIDNIGHT = datetime(2026, 11, 26, tzinfo=UTC)
LEASE_SECONDS = 7 * 24 * 3600
# How far an hour's waits may be from the arithmetic: a share of it, or half the time that a place
# is taken, since the fewer places there are, the more is left to chance.
TOLERANCE, TOLERANCE_SECONDS = 0.3, queueing.PLACE_SECONDS / 2
# Nearly full, a queue needs longer than an hour to become as long as the formula has it.
UNSETTLED_LOADS = (0.85, 1.0)
TABLE_COLUMNS = 110

_CLOCK = f"""
alter function pg_catalog.now() rename to real_now;
alter function pg_catalog.clock_timestamp() rename to real_clock_timestamp;
create function pg_catalog.now() returns timestamptz language sql stable parallel safe
  as $$ select current_setting('simulation.now')::timestamptz $$;
create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile parallel safe
  as $$ select current_setting('simulation.now')::timestamptz $$;
alter database {DATABASE} set simulation.now = '{MIDNIGHT.isoformat()}';
"""
_USERS = """
insert into auth.users (id, email)
select gen_random_uuid(), n || '@example.com' from generate_series(1, %s) n
"""
_LIMITS = """
update music.settings set max_concurrent = %s, max_concurrent_per_user = null,
  max_pending = null, max_pending_per_user = null, daily_budget_cents = null,
  daily_budget_cents_of_guests = null where id
"""
_SET_CLOCK = "select set_config('simulation.now', %s, false)"
_INSERT = "insert into public.music_tracks (user_id, prompt) values (%s, 'rain') returning id"
_CLAIM = "select claim_id, track_id from public.claim_music_tracks(%s, %s, %s, 2)"
_BEGIN = "select public.begin_music_generation(%s, %s, '{}', 'mureka-9', 4.5)"
_RECORD = "select public.record_music_task(%s, %s, null)"
_STAGE = "select public.report_music_stage(%s, 'streaming', 'https://cdn.example/stream')"
_COMPLETE = "select public.complete_music_track(%s, %s, %s, 180000)"
_ACCOUNT = "select public.report_music_account(%s, 1000000)"
_OURS = "('music_tracks', 'generations', 'events', 'spending', 'waiting', 'claims')"
_BYTES = f"""
select sum(pg_total_relation_size(c.oid))::float as bytes from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'music') and c.relkind = 'r' and c.relname in {_OURS}
"""
_COUNTS = """
select (select count(*) from public.music_tracks where status = 'completed') as completed,
       (select count(*) from music.generations) as calls,
       (select count(*) from music.events) as events,
       (select count(*) from realtime.messages) as messages
"""


@dataclass
class Worker:
    """One of the workers; its id and how many of its places are free."""

    id: str
    free: int = WORKER_PLACES


@dataclass(frozen=True)
class Asked:
    """A track that waits: since when, whose, and whether its user had nothing else under way."""

    at: float
    user: uuid.UUID
    is_alone: bool


@dataclass
class Seen:
    """What was seen: of each hour the waits in seconds, and of each call the milliseconds.

    `waits_alone` are of those whose user had nothing else under way.
    """

    waits: dict[int, list[float]] = field(default_factory=dict)
    waits_alone: dict[int, list[float]] = field(default_factory=dict)
    calls_ms: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    most_at_once: int = 0
    bytes_per_track: float = 0
    events_per_track: float = 0
    broadcasts_per_track: float = 0
    completed: int = 0
    paid_calls: int = 0


class Simulation:
    """The day: a heap of what happens next, and the database that answers.

    Args:
        connection: to the simulated database, as its operator.
        concurrency: generations at once, of the whole fleet.
        chance: decides everything that is left to it.
        say: told of each hour that has passed.
    """

    def __init__(
        self,
        connection: Connection,
        concurrency: int,
        chance: random.Random,
        say: Callable[[int, int], None],
    ) -> None:
        self.seen = Seen()
        self._connection = connection
        self._concurrency = concurrency
        self._chance = chance
        self._say = say
        self._workers = [
            Worker(f"worker-{number}")
            for number in range((concurrency + WORKER_PLACES - 1) // WORKER_PLACES)
        ]
        self._next: list[tuple[float, int, Callable[[], Any]]] = []
        self._order = itertools.count()
        self._users: list[uuid.UUID] = []
        self._waiting: dict[uuid.UUID, Asked] = {}
        self._under_way = Counter[uuid.UUID]()  # tracks of each user
        self._now = 0.0
        self._running = 0

    async def run(self, arrivals: Sequence[float]) -> Seen:
        """Let all of these be asked for, made and completed."""
        await self._run(_LIMITS, self._concurrency)
        await self._run(_USERS, USERS)
        self._users = [
            row["id"] for row in await self._run("select id from auth.users order by id")
        ]
        for at in arrivals:
            self._at(at, self._ask)
        hours = int(max(arrivals, default=0) // 3600) + 1
        for hour in range(hours):
            self._at(hour * 3600, self._report_account)
        said = 0
        while self._next:
            self._now, _, happen = heapq.heappop(self._next)
            await self._set_clock()
            await happen()
            if self._now >= 3600 * (said + 1):
                said += 1
                self._say(said, len(self._waiting))
        await self._count(len(arrivals))
        return self.seen

    def _at(self, seconds: float, happen: Callable[[], Any]) -> None:
        heapq.heappush(self._next, (seconds, next(self._order), happen))

    async def _ask(self) -> None:
        user = self._chance.choice(self._users)
        [row] = await self._timed("insert", _INSERT, user)
        self._waiting[row["id"]] = Asked(self._now, user, not self._under_way[user])
        self._under_way[user] += 1
        await self._claim()

    async def _claim(self) -> None:
        """A worker with room claims at once: woken by an insert, or by a place that others want."""
        worker = max(self._workers, key=lambda each: each.free)
        if not self._waiting or not worker.free or self._running >= self._concurrency:
            return
        taken = await self._timed("claim", _CLAIM, worker.id, worker.free, LEASE_SECONDS)
        for row in taken:
            await self._submit(worker, row["track_id"], row["claim_id"])

    async def _submit(self, worker: Worker, track_id: uuid.UUID, claim_id: uuid.UUID) -> None:
        asked = self._waiting.pop(track_id)
        hour, waited = int(asked.at // 3600), self._now - asked.at
        self.seen.waits.setdefault(hour, []).append(waited)
        if asked.is_alone:
            self.seen.waits_alone.setdefault(hour, []).append(waited)
        generation_id = uuid.uuid4()
        await self._timed("begin", _BEGIN, claim_id, generation_id)
        await self._timed("record", _RECORD, generation_id, generation_id.hex)
        worker.free -= 1
        self._running += 1
        self.seen.most_at_once = max(self.seen.most_at_once, self._running)
        seconds = self._chance.lognormvariate(queueing.LOG_MEAN, queueing.LOG_DEVIATION)

        async def stream() -> None:
            await self._timed("stage", _STAGE, claim_id)

        async def complete() -> None:
            path = f"{track_id}/{generation_id}.mp3"
            done = await self._timed("complete", _COMPLETE, claim_id, path, f"https://x/{path}")
            assert done, "a claim was lost"
            worker.free += 1
            self._running -= 1
            self._under_way[asked.user] -= 1
            if len(done) > 1:  # somebody waits
                await self._claim()

        self._at(self._now + seconds / 2, stream)
        self._at(self._now + seconds + queueing.DELIVERY_SECONDS, complete)

    async def _report_account(self) -> None:
        await self._run(_ACCOUNT, self._concurrency)

    async def _set_clock(self) -> None:
        await self._run(_SET_CLOCK, (MIDNIGHT + timedelta(seconds=self._now)).isoformat())

    async def _timed(self, name: str, query: str, *args: Any) -> list[Any]:
        began = time.perf_counter()
        answer = await self._run(query, *args)
        calls = self.seen.calls_ms.setdefault(int(self._now // 3600), {})
        calls.setdefault(name, []).append(1000 * (time.perf_counter() - began))
        return answer

    async def _run(self, query: str, *args: Any) -> list[Any]:
        return await rows(self._connection, query, *args)

    async def _count(self, tracks: int) -> None:
        [size] = await self._run(_BYTES)
        [counts] = await self._run(_COUNTS)
        seen = self.seen
        seen.bytes_per_track = size["bytes"] / tracks
        seen.events_per_track = counts["events"] / tracks
        seen.broadcasts_per_track = counts["messages"] / tracks
        seen.completed, seen.paid_calls = counts["completed"], counts["calls"]


def arrivals_of(tracks: int, hours: Sequence[float], chance: random.Random) -> list[float]:
    """Seconds since the beginning at which tracks are asked for, at random within each hour."""
    of_hours = Counter(chance.choices(range(len(hours)), weights=hours, k=tracks))
    return sorted(
        3600 * (hour + chance.random()) for hour, count in of_hours.items() for _ in range(count)
    )


@asynccontextmanager
async def database() -> AsyncIterator[Connection]:
    """A Postgres of its own with the migrations, whose clock is the simulation's."""
    with tempfile.TemporaryDirectory(prefix="music-simulation-") as folder:
        Path(folder).chmod(0o755)
        password, port = secrets.token_urlsafe(), Ports.free().postgres
        postgres = Postgres(Path(folder) / "postgres", port, password, durable=False)
        await postgres.start()
        try:
            await postgres.lay_platform()
            await copy_database(postgres, "postgres", DATABASE)
            async with await connect(postgres.conninfo(database=DATABASE)) as superuser:
                await superuser.execute(_CLOCK.encode())
            conninfo = postgres.conninfo("postgres", DATABASE)
            await migrations.apply(conninfo, SUPABASE)
            async with await connect(conninfo) as connection:
                yield connection
        finally:
            await postgres.stop()


@dataclass(frozen=True)
class Compared:
    """An hour as it went, in seconds, beside the arithmetic."""

    hour: int
    arrivals: int
    mean: float
    p50: float
    alone_p95: float
    p95: float
    longest: float
    expected: queueing.Hour

    @property
    def agrees(self) -> bool:
        """Whether they are as close as they should be; an unsettled hour may wait less.

        The arithmetic's 95th lies between that of who asked for one track and that of all.
        """
        fullest, full = UNSETTLED_LOADS
        may_be_less = fullest < self.expected.load < full
        wait = self.expected.wait
        above = (self.mean - wait.mean, self.p50 - wait.p50, self.alone_p95 - wait.p95)
        below = (wait.mean - self.mean, wait.p50 - self.p50, wait.p95 - self.p95)
        return all(
            seconds <= max(TOLERANCE * expected, TOLERANCE_SECONDS)
            for apart in ((above,) if may_be_less else (above, below))
            for seconds, expected in zip(apart, (wait.mean, wait.p50, wait.p95), strict=True)
        )


def compared(seen: Seen, concurrency: int, hours: int) -> Iterator[Compared]:
    """Hour by hour; the arithmetic is told how many arrived, not when within the hour."""
    arrivals = [float(len(seen.waits.get(hour, []))) for hour in range(hours)]
    expected_hours = queueing.day(int(sum(arrivals)), concurrency, arrivals)
    for hour, expected in enumerate(expected_hours):
        waits = seen.waits.get(hour)
        if waits:
            yield Compared(
                hour=hour,
                arrivals=len(waits),
                mean=statistics.fmean(waits),
                p50=quantile(waits, 0.5),
                alone_p95=quantile(seen.waits_alone.get(hour, [0.0]), 0.95),
                p95=quantile(waits, 0.95),
                longest=max(waits),
                expected=expected,
            )


def call_ms(seen: Seen, name: str, hours: Sequence[int] | None = None) -> list[float]:
    """How long the calls of one function took, in all hours or in some."""
    return [
        took
        for hour, calls in seen.calls_ms.items()
        if hours is None or hour in hours
        for took in calls.get(name, [])
    ]


def hours_of(count: int) -> Sequence[float]:
    """The curve of a whole day, or hours that are all alike."""
    return queueing.HOURS if count == len(queueing.HOURS) else (1.0,) * count


async def simulated(
    tracks: int,
    concurrency: int,
    hours: Sequence[float],
    seed: int,
    say: Callable[[int, int], None],
) -> Seen:
    """A day from nothing to its last track."""
    chance = random.Random(seed)
    async with database() as connection:
        simulation = Simulation(connection, concurrency, chance, say)
        return await simulation.run(arrivals_of(tracks, hours, chance))


async def main(given: argparse.Namespace) -> int:
    """Simulate, print, compare."""
    console = Console(stderr=True)
    hours = hours_of(given.hours)
    began = time.monotonic()

    def say(hour: int, waiting: int) -> None:
        console.print(
            f"{time.monotonic() - began:5.0f} s  hour {hour} is over, {waiting:,} tracks wait",
            highlight=False,
        )

    seen = await simulated(given.tracks, given.concurrency, hours, given.seed, say)
    found = list(compared(seen, given.concurrency, len(hours)))
    Console(width=TABLE_COLUMNS).print(_table(found))
    said = day_part(kept(seen, found, given)).partition("\n")[0]
    Console().print(f"{said} ({time.monotonic() - began:.0f} s)", highlight=False)
    medians = ", ".join(f"{name} {statistics.median(call_ms(seen, name)):.1f}" for name in CALLS)
    Console().print(f"Medians in milliseconds: {medians}.", highlight=False)
    if given.json:
        kept(seen, found, given).write(given.json)
    if given.write:
        kept(seen, found, given).write()
        pages.write()
    apart = [str(each.hour) for each in found if not each.agrees]
    if apart:
        console.print(f"Not as the arithmetic has it: hours {', '.join(apart)}", highlight=False)
    return 1 if apart else 0


CALLS = ("insert", "claim", "begin", "record", "stage", "complete")


def kept(seen: Seen, found: Sequence[Compared], given: argparse.Namespace) -> Simulated:
    """What a file remembers of it."""
    first, last = min(seen.calls_ms), max(seen.waits)
    return Simulated(
        tracks=given.tracks,
        concurrency=given.concurrency,
        seed=given.seed,
        completed=seen.completed,
        paid_calls=seen.paid_calls,
        most_at_once=seen.most_at_once,
        database_ms_per_track=sum(sum(call_ms(seen, name)) for name in CALLS) / given.tracks,
        claim_ms_in_first_hour=statistics.median(call_ms(seen, "claim", [first])),
        claim_ms_in_last_hour=statistics.median(call_ms(seen, "claim", [last])),
        bytes_per_track=seen.bytes_per_track,
        events_per_track=seen.events_per_track,
        broadcasts_per_track=seen.broadcasts_per_track,
        hours=[
            SimulatedHour(
                *(each.hour, each.arrivals, each.expected.load),
                *(each.mean, each.p50, each.alone_p95, each.p95, each.longest),
                *(each.expected.wait.mean, each.expected.wait.p50, each.expected.wait.p95),
            )
            for each in found
        ],
    )


def _table(found: Sequence[Compared]) -> Table:
    table = Table(
        *("hour", "arrivals", "load", "wait s", "p50", "p95 of one", "p95", "longest"),
        *("arithmetic s", "p50", "p95", "agrees"),
    )
    for each in found:
        expected = each.expected
        table.add_row(
            *(f"{each.hour}", f"{each.arrivals:,}", f"{expected.load:.2f}"),
            *(f"{each.mean:.1f}", f"{each.p50:.1f}", f"{each.alone_p95:.1f}"),
            *(f"{each.p95:.1f}", f"{each.longest:.1f}"),
            *(f"{expected.wait.mean:.1f}", f"{expected.wait.p50:.1f}"),
            *(f"{expected.wait.p95:.1f}", "yes" if each.agrees else "NO"),
        )
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/simulate")
    parser.add_argument("--quick", action="store_true", help="one hour, 4,000 tracks, 95 at once")
    parser.add_argument("--tracks", type=int, default=None)
    parser.add_argument("--concurrency", type=int, default=None)
    parser.add_argument("--hours", type=int, default=None, help="24: a day's curve; else all alike")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the result here")
    parser.add_argument("--write", action="store_true", help="renew docs/sizing.md")
    options = parser.parse_args()
    defaults = (4_000, 95, 1) if options.quick else (TRACKS, CONCURRENCY, 24)
    for name, value in zip(("tracks", "concurrency", "hours"), defaults, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    program.run(main(options))

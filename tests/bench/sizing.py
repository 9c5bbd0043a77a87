"""What so many tracks a day need: places at Mureka, workers, database, messages, storage, money.

Measured figures come from `docs/benchmarks.json` and `docs/simulation.json`; prices and limits of
others from their public lists of autumn 2026.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.bench import queueing
from tests.bench.figures import Result
from tests.support.project import ROOT

SIZES = (10, 1_000, 100_000)
SIMULATED = ROOT / "docs" / "simulation.json"
PATIENCE_SECONDS = 5.0  # that tracks may wait for a place on average, in the busiest hour
SOLD_PLACES = (1, 5, 15, 25, 150)  # at once, by what was bought of Mureka; the first is the trial
PRICE_CENTS = 4.5  # mureka-9
WORKER_PLACES = 100  # MUSIC_MAX_CONCURRENT of each
SPARE_WORKERS = 1
TRACK_MB = 4.0  # 2 to 6 MB are usual: 192 kbit/s for some three minutes
PLAYED = 2.0  # how often a track is loaded by its listeners
LISTENERS = 1  # apps that follow a track
DAYS = 30
# Supabase, beyond what a plan of 25 dollars a month includes: dollars for each GB and each million.
PLAN_DOLLARS = 25
STORAGE_INCLUDED_GB, STORAGE_DOLLARS = 100, 0.021
EGRESS_INCLUDED_GB, EGRESS_DOLLARS = 250, 0.09
DISK_INCLUDED_GB, DISK_DOLLARS = 8, 0.125
MESSAGES_INCLUDED_MILLIONS, MESSAGES_DOLLARS = 5, 2.5
MESSAGES_PER_SECOND = 500


@dataclass(frozen=True)
class SimulatedHour:
    """An hour of the simulated day, in seconds beside the arithmetic.

    `alone_p95` is of those whose user had nothing else under way.
    """

    hour: int
    arrivals: int
    load: float
    mean: float
    p50: float
    alone_p95: float
    p95: float
    longest: float
    expected_mean: float
    expected_p50: float
    expected_p95: float


@dataclass(frozen=True)
class Simulated:
    """What is kept of a simulated day."""

    tracks: int
    concurrency: int
    seed: int
    completed: int
    paid_calls: int
    most_at_once: int
    database_ms_per_track: float
    claim_ms_in_first_hour: float
    claim_ms_in_last_hour: float
    bytes_per_track: float
    events_per_track: float
    broadcasts_per_track: float
    hours: list[SimulatedHour]

    def write(self, path: Path = SIMULATED) -> None:
        """Keep it as JSON."""
        path.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path = SIMULATED) -> Self:
        """What was kept."""
        kept = json.loads(path.read_text())
        hours = [SimulatedHour(**hour) for hour in kept.pop("hours")]
        return cls(**kept, hours=hours)


def _rounded(kept: Any) -> Any:
    if isinstance(kept, dict):
        return {name: _rounded(value) for name, value in kept.items()}
    if isinstance(kept, list):
        return [_rounded(value) for value in kept]
    return float(f"{kept:.4g}") if isinstance(kept, float) else kept


def day_part(day: Simulated) -> str:
    """The day as the page shows it."""
    head = [
        "| hour | arrivals | load | wait, mean | p50 | p95 of a user's only track | p95 of all"
        " | longest | arithmetic, mean | p50 | p95 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines = [
        f"| {each.hour}:00 | {each.arrivals:,} | {each.load:.2f} | {_seconds(each.mean)}"
        f" | {_seconds(each.p50)} | {_seconds(each.alone_p95)} | {_seconds(each.p95)}"
        f" | {_seconds(each.longest)} | {_seconds(each.expected_mean)}"
        f" | {_seconds(each.expected_p50)} | {_seconds(each.expected_p95)} |"
        for each in day.hours
    ]
    said = (
        f"{day.tracks:,} tracks with {day.concurrency} places: {day.completed:,} completed with"
        f" {day.paid_calls:,} paid calls, at most {day.most_at_once} at once."
        f" One took {day.database_ms_per_track:.1f} ms of calls to the database,"
        f" {day.bytes_per_track / 1000:.1f} kB in tables and indexes,"
        f" {day.events_per_track:.1f} rows of history"
        f" and {day.broadcasts_per_track:.1f} broadcasts."
        f" A claim took {day.claim_ms_in_first_hour:.1f} ms in the first hour and"
        f" {day.claim_ms_in_last_hour:.1f} ms in the last."
    )
    return "\n".join([said, "", *head, *lines])


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


@dataclass(frozen=True)
class Measured:
    """What one track costs, as it was measured."""

    cpu_seconds: float
    worker_mb: float
    requests: float
    database_ms: float
    database_bytes: float
    history_rows: float
    broadcasts: float

    @classmethod
    def of(cls, result: Result, simulated: Simulated) -> Self:
        """From what is kept."""
        return cls(
            cpu_seconds=result.figures["cpu_per_track_ms"].value / 1000,
            worker_mb=result.figures["memory_100_mb"].value,
            requests=result.figures["requests_per_track"].value,
            database_ms=simulated.database_ms_per_track,
            database_bytes=simulated.bytes_per_track,
            history_rows=simulated.events_per_track,
            broadcasts=simulated.broadcasts_per_track,
        )


@dataclass(frozen=True)
class Needs:
    """Of so many tracks a day; `peak` is its busiest hour."""

    tracks: int
    measured: Measured

    @property
    def peak_per_second(self) -> float:
        """Tracks asked for in a second of the busiest hour."""
        return self.tracks * queueing.PEAK / 86_400

    @property
    def places_busy(self) -> float:
        """Little's law: what comes in a second, times how long it takes a place."""
        return self.peak_per_second * queueing.PLACE_SECONDS

    @property
    def places(self) -> int:
        """With which tracks of the busiest hour wait no longer than `PATIENCE_SECONDS`."""
        return queueing.places_for(self.peak_per_second, PATIENCE_SECONDS)

    @property
    def places_to_buy(self) -> int:
        """The smallest that Mureka sells, or its largest where none is large enough."""
        return next((sold for sold in SOLD_PLACES if sold >= self.places), SOLD_PLACES[-1])

    @property
    def longest_wait_seconds(self) -> float:
        """With what Mureka sells, the 95th of a hundred in the worst hour."""
        return max(hour.wait.p95 for hour in queueing.day(self.tracks, self.places_to_buy))

    @property
    def workers(self) -> int:
        """So many that one may be away."""
        return math.ceil(min(self.places, self.places_to_buy) / WORKER_PLACES) + SPARE_WORKERS

    @property
    def cores(self) -> float:
        """Of all workers, in the busiest hour."""
        return self.peak_per_second * self.measured.cpu_seconds

    @property
    def requests_per_second(self) -> float:
        """To the API, in the busiest hour."""
        return self.peak_per_second * self.measured.requests

    @property
    def database_share(self) -> float:
        """Of one core of the database, in the busiest hour."""
        return self.peak_per_second * self.measured.database_ms / 1000

    @property
    def rows(self) -> float:
        """A day: the track, its paid call, its history."""
        return self.tracks * (2 + self.measured.history_rows)

    @property
    def database_gb(self) -> float:
        """That a month adds."""
        return DAYS * self.tracks * self.measured.database_bytes / 1e9

    @property
    def messages(self) -> float:
        """Of Realtime, a day: each broadcast as it is sent, and to each who hears it."""
        heard = self.measured.broadcasts * (1 + LISTENERS) + (self.workers - LISTENERS)
        return self.tracks * heard

    @property
    def messages_per_second(self) -> float:
        """In the busiest hour."""
        return self.messages * queueing.PEAK / 86_400

    @property
    def storage_gb(self) -> float:
        """That a month adds."""
        return DAYS * self.tracks * TRACK_MB / 1000

    @property
    def egress_gb(self) -> float:
        """A month: what listeners load."""
        return self.storage_gb * PLAYED

    @property
    def mureka_dollars(self) -> float:
        """A month."""
        return DAYS * self.tracks * PRICE_CENTS / 100

    @property
    def supabase_dollars(self) -> float:
        """The first month; what is stored is paid for again in each month that follows."""
        return (
            PLAN_DOLLARS
            + max(self.storage_gb - STORAGE_INCLUDED_GB, 0) * STORAGE_DOLLARS
            + max(self.egress_gb - EGRESS_INCLUDED_GB, 0) * EGRESS_DOLLARS
            + max(self.database_gb - DISK_INCLUDED_GB, 0) * DISK_DOLLARS
            + max(DAYS * self.messages / 1e6 - MESSAGES_INCLUDED_MILLIONS, 0) * MESSAGES_DOLLARS
        )


def table(measured: Measured, sizes: Sequence[int] = SIZES) -> str:
    """A column for each size."""
    needs = [Needs(tracks, measured) for tracks in sizes]
    head = [
        f"| tracks a day | {' | '.join(f'{tracks:,}' for tracks in sizes)} |",
        f"|---|{'---|' * len(sizes)}",
    ]
    lines = [f"| {what} | {' | '.join(cells)} |" for what, cells in _lines(needs)]
    return "\n".join([*head, *lines])


def _lines(needs: Sequence[Needs]) -> Iterator[tuple[str, list[str]]]:
    def each(say: Any) -> list[str]:
        return [say(need) for need in needs]

    yield "tracks a minute, busiest hour", each(lambda n: _short(60 * n.peak_per_second))
    yield "places busy at Mureka then, on average", each(lambda n: _short(n.places_busy))
    yield f"places for a mean wait of {PATIENCE_SECONDS:g} s", each(lambda n: f"{n.places}")
    yield "places to buy", each(lambda n: f"{n.places_to_buy}")
    yield "wait in the worst hour, p95", each(lambda n: _duration(n.longest_wait_seconds))
    yield "workers, one of them spare", each(lambda n: f"{n.workers}")
    yield "their memory in all", each(lambda n: f"{n.workers * n.measured.worker_mb:,.0f} MB")
    yield "their cores, busiest hour", each(lambda n: _short(n.cores))
    yield "requests to the API a second", each(lambda n: _short(n.requests_per_second))
    yield "share of a core in the database", each(lambda n: f"{100 * n.database_share:.2g} %")
    yield "rows a day", each(lambda n: f"{n.rows:,.0f}")
    yield "database, a month", each(lambda n: _size(n.database_gb))
    yield "Realtime messages a day", each(lambda n: f"{n.messages:,.0f}")
    yield "a second, busiest hour", each(lambda n: _short(n.messages_per_second))
    yield "storage, a month", each(lambda n: _size(n.storage_gb))
    yield "egress, a month", each(lambda n: _size(n.egress_gb))
    yield "Mureka, a month", each(lambda n: f"${n.mureka_dollars:,.2f}")
    yield "Supabase, the first month", each(lambda n: f"${n.supabase_dollars:,.0f}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _size(gb: float) -> str:
    if gb >= 1000:
        return f"{gb / 1000:,.1f} TB"
    return f"{gb:,.1f} GB" if gb >= 1 else f"{1000 * gb:,.1f} MB"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"

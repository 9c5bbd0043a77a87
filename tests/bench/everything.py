"""The whole table: every goal beside its figure, ours beside the others, in one run.

    scripts/bench [--quick] [--write] [--json FILE] [--svg FILE]

On embedded stacks of its own, which end with it. `--quick` takes less than five minutes, the full
form about twenty. `--write` keeps the result in `docs/benchmarks.json` and renews the pages that
show it; without it nothing of the checkout is touched. Ends with 1 where a goal is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from local_supabase.ports import Ports
from local_supabase.stack import Stack
from tests.bench import (
    beside,
    capacity,
    claim,
    goals,
    idle,
    kills,
    machine,
    overhead,
    pages,
    program,
    sides,
)
from tests.bench.figures import KEPT, Figure, Result
from tests.bench.names import LISTEN, OURS
from tests.bench.plot import svg
from tests.support.project import ROOT

SEED = 16  # of the moments of the kills


@dataclass(frozen=True)
class Form:
    """How much of everything is measured."""

    name: str
    rounds: int
    inserts: int
    inserts_with_losses: int
    idle_seconds: float
    overhead_tracks: int
    overhead_seconds: tuple[float, ...]
    memory: tuple[int, ...]
    throughput_tracks: int
    kills: int
    killed_tracks: int
    killed_seconds: float
    claims: tuple[int, ...]


QUICK = Form(
    "quick",
    rounds=3,
    inserts=40,
    inserts_with_losses=80,
    idle_seconds=60,
    overhead_tracks=20,
    overhead_seconds=(8.0,),
    memory=(1, 100),
    throughput_tracks=100,
    kills=5,
    killed_tracks=20,
    killed_seconds=15,
    claims=(1_000, 10_000, 100_000),
)
FULL = Form(
    "full",
    rounds=5,
    inserts=100,
    inserts_with_losses=300,
    idle_seconds=180,
    overhead_tracks=20,
    overhead_seconds=(8.0, 30.0),
    memory=(1, 100, 1_000),
    throughput_tracks=400,
    kills=12,
    killed_tracks=60,
    killed_seconds=45,
    claims=claim.FINISHED,
)
GAP_SECONDS = 0.25  # between two inserts of one side, on average


class Run:
    """One run: measures part after part and says how far it is.

    Args:
        form: how much is measured.
        console: for the person who waits.
    """

    def __init__(self, form: Form, console: Console) -> None:
        self.form = form
        self.result = Result(form.name, datetime.now(UTC).date().isoformat(), 0, {})
        self.failed = list[str]()
        self._console = console
        self._began = time.monotonic()

    def say(self, words: str) -> None:
        """A line with the minutes so far."""
        seconds = int(time.monotonic() - self._began)
        self._console.print(f"{seconds // 60}:{seconds % 60:02d}  {words}", highlight=False)

    async def all(self) -> Result:
        """Everything, in an order in which nothing disturbs what follows."""
        with tempfile.TemporaryDirectory(prefix="music-bench-") as folder:
            Path(folder).chmod(0o755)
            self.say("starting a stack with all queues on it")
            async with Stack(Path(folder), Ports.free(), project_dir=ROOT) as stack:
                stack.simulator.account.concurrent_request_limit = 1_000_000
                self.result.machine = await machine.facts(stack)
                await sides.install(stack)
                async with sides.asking(stack) as asking:
                    await self._part(self._pick_up(stack, asking))
                    await self._part(self._idle_and_overhead(stack))
                    await self._part(self._capacity(stack))
                    await self._part(self._kills(stack, asking))
        await self._part(self._claims())
        self.result.seconds = time.monotonic() - self._began
        return self.result

    async def _part(self, measuring: Coroutine[Any, Any, None]) -> None:
        """One part; should it fail, the others are measured all the same."""
        try:
            await measuring
        except Exception as error:  # noqa: BLE001  whatever it was, it is said and kept
            self.failed.append(f"{type(error).__name__}: {error}")
            self.say(f"FAILED: {self.failed[-1]}")

    def _keep(self, **figures: Figure) -> None:
        self.result.figures |= figures

    async def _pick_up(self, stack: Stack, asking: sides.Asking) -> None:
        form, heard = self.form, beside.Heard()
        stack.simulator.seconds = 3600
        self.say("warming up one idle worker of each side")
        async with beside.waiting_workers(stack, heard):
            await beside.warm_up(stack, asking)
            self.say(f"pick-up: {form.rounds} rounds of {form.inserts} inserts of each side")
            found = await beside.rounds_of(
                *(stack, asking, heard),
                rounds=form.rounds,
                inserts=form.inserts,
                gap_seconds=GAP_SECONDS,
            )
            self._keep_pick_up(found)
            self.say(f"pick-up with one event in ten lost: {form.inserts_with_losses} inserts")
            stack.faults.realtime.lost_share = beside.LOST_SHARE
            lossy = await beside.rounds_of(
                *(stack, asking, heard),
                rounds=1,
                inserts=form.inserts_with_losses,
                gap_seconds=GAP_SECONDS,
                names=(OURS,),
                tag="lossy",
            )
            stack.faults.realtime.clear()
        lost = lossy[beside.CLAIMED]
        self._keep(lost_p50_ms=Figure.quantile(lost, 0.5), lost_p99_ms=Figure.quantile(lost, 0.99))
        await capacity.forget(stack)

    def _keep_pick_up(self, found: dict[str, list[list[float]]]) -> None:
        claimed, listened = found[beside.CLAIMED], found[LISTEN]
        p50 = Figure.quantile(claimed, 0.5)
        ratios = [
            Figure.quantile([ours], 0.5).value / Figure.quantile([bare], 0.5).value
            for ours, bare in zip(claimed, listened, strict=True)
        ]
        self._keep(
            pick_up_p50_ms=p50,
            pick_up_p99_ms=Figure.quantile(claimed, 0.99),
            pick_up_to_listen=Figure.of(ratios),
        )
        for side in (*beside.COMPARED, LISTEN):
            rounds = found[side]
            self.result.samples[side] = sorted(value for values in rounds for value in values)
            self.result.figures[f"{side}:paid_call_p50_ms"] = Figure.quantile(rounds, 0.5)
            self.result.figures[f"{side}:paid_call_p99_ms"] = Figure.quantile(rounds, 0.99)

    async def _idle_and_overhead(self, stack: Stack) -> None:
        """Both at once: whoever idles asks too seldom to disturb the other stack."""
        form = self.form
        self.say(f"requests of an idle worker and of a waiting client in {form.idle_seconds:g} s")
        lengths = " and ".join(f"{seconds:g}" for seconds in form.overhead_seconds)
        self.say(f"meanwhile: overhead of {form.overhead_tracks} generations of {lengths} s")
        (worker, client), measured = await asyncio.gather(
            idle.requests_per_minute(stack, form.idle_seconds), self._overhead()
        )
        self._keep(
            idle_worker_per_minute=Figure.once(worker), idle_client_per_minute=Figure.once(client)
        )
        known = [figures for _, _, which, figures in measured if which == "next"]
        self._keep(
            first_sound_p95_s=Figure.quantile([each.sound_late for each in known], 0.95),
            end_p95_s=Figure.quantile([each.end_late for each in known], 0.95),
            requests_per_track=Figure.of(each.requests for each in known),
            cpu_per_track_ms=Figure.of(each.cpu_ms for _, _, _, each in measured),
        )

    async def _overhead(self) -> list[Any]:
        measured = []
        for seconds in self.form.overhead_seconds:
            measured += await overhead.figures_of("now", self.form.overhead_tracks, seconds)
        return measured

    async def _capacity(self, stack: Stack) -> None:
        for tracks in self.form.memory:
            self.say(f"memory of a worker with {tracks:,} tracks")
            held = Figure.of(await capacity.memory_mb(stack, tracks))
            self.result.figures[f"memory_{tracks}_mb"] = held
        for workers in (1, 4):
            self.say(f"tracks a minute with an instant provider: {workers} workers")
            made = await capacity.throughput(stack, workers, self.form.throughput_tracks)
            figure = Figure.once(made.tracks_per_minute, self.form.throughput_tracks)
            self.result.figures[f"tracks_per_minute_{workers}"] = figure
            name = f"{made.tracks_per_minute:,.0f} tracks a minute, {workers} workers"
            self.result.limits[name] = made.limited_by

    async def _kills(self, stack: Stack, asking: sides.Asking) -> None:
        form = self.form
        self.say(f"{form.kills} kills while every side makes {form.killed_tracks} tracks")
        found = await kills.paid_under_kills(
            *(stack, asking),
            tracks=form.killed_tracks,
            kills=form.kills,
            seconds=form.killed_seconds,
            seed=SEED,
        )
        for side, paid in found.items():
            of_side = {
                "paid_per_track": paid.per_track,
                "completed": paid.completed,
                "for_a_person": paid.for_a_person,
                "unfinished": paid.tracks - paid.completed - paid.for_a_person,
            }
            for name, value in of_side.items():
                self.result.figures[f"{side}:{name}"] = Figure.once(value, paid.tracks)
        self._keep(paid_per_track=self.result.figures[f"{OURS}:paid_per_track"])

    async def _claims(self) -> None:
        self.say(f"a claim beside up to {self.form.claims[-1]:,} finished tracks")
        medians = list[float]()
        async for found in claim.times(self.form.claims, (100,), self.say):
            p50, p95, _ = found.ms["claim of 1"]
            medians.append(p50)
            figure = Figure(p50, p50, p95, claim.CALLS)
            self.result.figures[f"claim_beside_{found.finished}"] = figure
        self._keep(claim_growth=Figure.once(medians[-1] / medians[0]))


async def main(given: argparse.Namespace) -> int:
    """Measure, print, keep."""
    console = Console(stderr=True)
    run = Run(QUICK if given.quick else FULL, console)
    result = await run.all()
    Console().print(Markdown(pages.page_part(result)))
    if given.json:
        result.write(given.json)
    if given.svg:
        given.svg.write_text(svg(result))
    if given.write and not run.failed:
        result.write(KEPT)
        pages.write()
    unmet = goals.unmet(result)
    for sentence in unmet:
        console.print(f"Not met: {sentence}", highlight=False)
    for sentence in run.failed:
        console.print(f"Failed, and nothing was written: {sentence}", highlight=False)
    return 1 if unmet or run.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--quick", action="store_true", help="less than five minutes")
    parser.add_argument(
        "--write", action="store_true", help="renew docs/benchmarks.* and README.md"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the result here")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the result here")
    program.run(main(parser.parse_args()))

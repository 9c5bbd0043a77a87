"""The goals, and the tables that say of each whether it is met: pure functions of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.bench.figures import Figure, Result
from tests.bench.names import (
    LISTEN,
    OURS,
    PGQUEUER,
    POLLING,
    PROCRASTINATE,
    WITH_RECEIPTS,
)

MET, NOT_MET, PRINTED = "met", "**not met**", "—"
FLAT = 1.5  # a claim may cost so much more beside the most finished tracks than beside the fewest
SWEEP_SECONDS = 15


@dataclass(frozen=True)
class Goal:
    """One line of the table: which figure, its unit, and the most that it may be, if anything."""

    figure: str
    what: str
    most: float | None
    unit: str
    digits: int = 0
    least: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a figure as it is printed keeps the goal."""
        printed = round(value, self.digits)
        return (self.most is None or printed <= self.most) and (
            self.least is None or printed >= self.least
        )

    @property
    def words(self) -> str:
        """The goal as the table says it."""
        if self.most is None:
            return PRINTED
        sign = "=" if self.least == self.most else "≤"
        return f"{sign} {_number(self.most, self.digits)}{self._unit}"

    def said(self, figure: Figure) -> str:
        """A figure with its spread."""
        value = f"{_number(figure.value, self.digits)}{self._unit}"
        low, high = (_number(each, self.digits) for each in (figure.low, figure.high))
        return value if low == high else f"{value} ({low} to {high})"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


GOALS = (
    Goal("pick_up_p50_ms", "pick-up, insert → claim, idle, p50", 12, "ms", 1),
    Goal("pick_up_p99_ms", "the same, p99", 60, "ms", 1),
    Goal("pick_up_to_listen", "p50 beside that of a bare `LISTEN`, times", None, "", 1),
    Goal("lost_p50_ms", "pick-up with one event in ten lost, p50", None, "ms", 1),
    Goal("lost_p99_ms", "the same, p99: at most the sweep", 1000 * SWEEP_SECONDS, "ms"),
    Goal("idle_worker_per_minute", "requests of an idle worker a minute", 10, "", 1),
    Goal("idle_client_per_minute", "requests of a waiting client a minute", 1, "", 1),
    Goal("first_sound_p95_s", "overhead, first sound, p95", 1.2, "s", 2),
    Goal("end_p95_s", "overhead, end, p95", 1.2, "s", 2),
    Goal("requests_per_track", "requests to Supabase per track, besides the upload", 7, "", 2),
    Goal("cpu_per_track_ms", "processor time per track", 30, "ms"),
    Goal("memory_1_mb", "memory of a worker with 1 track", 60, "MB"),
    Goal("memory_100_mb", "with 100 tracks", 65, "MB"),
    Goal("memory_1000_mb", "with 1,000 tracks", 90, "MB"),
    Goal("tracks_per_minute_1", "tracks a minute, instant provider, 1 worker", None, ""),
    Goal("tracks_per_minute_4", "the same, 4 workers", None, ""),
    Goal(
        "claim_growth", "a claim beside the most finished rows, to the fewest, times", FLAT, "", 2
    ),
    Goal("paid_per_track", "paid calls per track under kills", 1.0, "", 2, least=1.0),
)


def table(result: Result) -> str:
    """Each goal with what was measured, and whether it is met."""
    head = ["| what | goal | measured | |", "|---|---|---|---|"]
    return "\n".join([*head, *_lines(result)])


def _lines(result: Result) -> Iterator[str]:
    for goal in GOALS:
        figure = result.figures.get(goal.figure)
        if figure is None:
            yield f"| {goal.what} | {goal.words} | not in the {result.form} form | |"
        else:
            verdict = _verdict(goal, figure)
            yield f"| {goal.what} | {goal.words} | {goal.said(figure)} | {verdict} |"


def _verdict(goal: Goal, figure: Figure) -> str:
    if goal.most is None:
        return PRINTED
    return MET if goal.is_met(figure.value) else NOT_MET


def unmet(result: Result) -> list[str]:
    """What was measured and is not as it should be, in words."""
    return [
        f"{goal.what}: {goal.said(figure)}, the goal is {goal.words}"
        for goal in GOALS
        for figure in [result.figures.get(goal.figure)]
        if figure is not None and not goal.is_met(figure.value)
    ]


COMPARED = (OURS, PROCRASTINATE, PGQUEUER, WITH_RECEIPTS, POLLING, LISTEN)


def comparison(result: Result) -> str:
    """Ours beside the others: how soon a paid call is sent, how often, and what became of all."""
    head = [
        "| | insert → paid call, p50 | p99 | paid calls per track under kills | completed |"
        " for a person | unfinished |",
        "|---|---|---|---|---|---|---|",
    ]
    columns: Sequence[tuple[str, Callable[[Figure], str]]] = (
        ("paid_call_p50_ms", lambda figure: f"{_number(figure.value, 1)} ms"),
        ("paid_call_p99_ms", lambda figure: f"{_number(figure.value, 1)} ms"),
        ("paid_per_track", lambda figure: f"{figure.value:.2f}"),
        ("completed", lambda figure: f"{figure.value:.0f} of {figure.n:.0f}"),
        ("for_a_person", lambda figure: f"{figure.value:.0f}"),
        ("unfinished", lambda figure: f"{figure.value:.0f}"),
    )
    lines = []
    for side in COMPARED:
        cells = [
            said(figure) if figure else PRINTED
            for name, said in columns
            for figure in [result.figures.get(f"{side}:{name}")]
        ]
        lines.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join([*head, *lines])


def claims(result: Result) -> str:
    """What a claim costs beside ever more finished rows."""
    prefix = "claim_beside_"
    sizes = sorted(
        int(name.removeprefix(prefix)) for name in result.figures if name.startswith(prefix)
    )
    head = ["| finished tracks | a claim, p50 | p95 |", "|---|---|---|"]
    lines = [
        f"| {size:,} | {_number(figure.value, 1)} ms | {_number(figure.high, 1)} ms |"
        for size in sizes
        for figure in [result.figures[f"{prefix}{size}"]]
    ]
    return "\n".join([*head, *lines])


def machine(result: Result) -> str:
    """What it was measured on, in a sentence."""
    facts, versions = result.machine, result.machine["versions"]
    others = " and ".join(
        f"{name} {versions[package]}"
        for name, package in ((PROCRASTINATE, "procrastinate"), (PGQUEUER, "pgqueuer"))
    )
    return (
        f"Measured on {result.made_on} in the {result.form} form, in {result.seconds:.0f} seconds:"
        f" {facts['cores']} cores of {facts['processor']}, {facts['memory_gb']} GB,"
        f" {facts['system']}; load {facts['load_before']} before it began;"
        f" Python {facts['python']}, Postgres {facts['postgres']}, {others}."
    )


def short_table(result: Result) -> str:
    """The few figures for the first page."""
    shown = (
        ("pick-up p50", "pick_up_p50_ms"),
        ("p99", "pick_up_p99_ms"),
        ("idle requests a minute", "idle_worker_per_minute"),
        ("added to Mureka's time, p95", "end_p95_s"),
        ("requests per track", "requests_per_track"),
        ("processor per track", "cpu_per_track_ms"),
        ("paid calls per track, workers killed", "paid_per_track"),
    )
    goals = {goal.figure: goal for goal in GOALS}
    cells = []
    for _, name in shown:
        figure, goal = result.figures[name], goals[name]
        value = goal.said(Figure.once(figure.value))
        cells.append(value if goal.is_met(figure.value) else f"{value} (goal {goal.words})")
    titles = " | ".join(title for title, _ in shown)
    return f"| {titles} |\n|{'---|' * len(shown)}\n| {' | '.join(cells)} |"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"

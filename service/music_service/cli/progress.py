"""A bar for one track. The provider tells no percentage, so the bar moves by time.

It runs from `started_at` to `expected_ready_at`, slows down as it nears that moment and is full
only when the track is completed; beside it stands what the row says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar

from music_service.cli.drawing import console
from music_service.cli.lines import cells, shortened
from music_service.cli.output import printable

_EXPECTED_SECONDS = 60.0
_WIDE = 100
_CLOCK_COLUMNS = len("0:00:00") + 3  # and a blank between each two parts


def fraction_done(row: Mapping[str, Any], now: datetime) -> float:
    """How far the bar stands, from 0 to 1; never 1 before the track is completed."""
    if row["status"] == "completed":
        return 1.0
    started = _time(row.get("started_at"))
    if row["status"] != "generating" or started is None:
        return 0.0
    ready = _time(row.get("expected_ready_at"))
    expected = (ready - started).total_seconds() if ready else _EXPECTED_SECONDS
    passed = max((now - started).total_seconds(), 0.0) / max(expected, 1.0)
    # Straight to 90 % when the expected time has passed, then ever slower.
    return 0.9 * passed if passed < 1 else 1 - 0.1 / passed


def describe(row: Mapping[str, Any]) -> str:
    """What the row says, in a few words."""
    match row["status"]:
        case "pending" if row.get("error_message"):
            return f"waiting: {row['error_message']}"
        case "pending":
            return "waiting for its turn"
        case "generating":
            return str(row.get("stage") or "starting")
        case "completed":
            return "completed"
        case _:
            return f"error: {row.get('error_code')}"


def describe_briefly(row: Mapping[str, Any]) -> str:
    """The same, with the code of the reason in place of its sentence."""
    if row["status"] == "pending" and row.get("error_code"):
        return f"put off: {row['error_code']}"
    return "waiting" if row["status"] == "pending" else describe(row)


def bar(row: Mapping[str, Any]) -> ProgressBar:
    """How far a track is, drawn once."""
    return ProgressBar(total=1.0, completed=fraction_done(row, datetime.now(UTC)), width=12)


class TrackProgress:
    """A live bar on stderr; enter it, `show` each row, leave it."""

    def __init__(self) -> None:
        self._row: Mapping[str, Any] | None = None
        is_wide = console.width >= _WIDE
        self._title_columns, bar_columns = (40, 30) if is_wide else (20, 16)
        self._words_columns = console.width - self._title_columns - bar_columns - _CLOCK_COLUMNS
        self._progress = Progress(
            TextColumn("{task.fields[title]}", markup=False),
            _ByTheClock(self, bar_columns),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
        )
        self._task = self._progress.add_task("waiting for its turn", total=1.0, title="")

    def __enter__(self) -> TrackProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, row: Mapping[str, Any]) -> None:
        """Draw the newest state of the track."""
        self._row = row
        title = shortened(printable(str(row["prompt"])), self._title_columns)
        words = printable(describe(row))
        if cells(words) > self._words_columns:
            words = shortened(printable(describe_briefly(row)), self._words_columns)
        self._progress.update(self._task, description=words, title=title)

    def fraction(self) -> float:
        """How far the bar stands at this moment."""
        return 0.0 if self._row is None else fraction_done(self._row, datetime.now(UTC))


class _ByTheClock(ProgressColumn):
    max_refresh = 0.1

    def __init__(self, owner: TrackProgress, columns: int) -> None:
        super().__init__()
        self._owner = owner
        self._bar = BarColumn(bar_width=columns)

    def render(self, task: Task) -> Any:
        task.completed = self._owner.fraction()
        return self._bar.render(task)


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)

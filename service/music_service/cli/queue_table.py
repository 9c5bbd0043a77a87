"""The queue's tracks as a table."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from music_service.cli.drawing import answer_table, new_table
from music_service.cli.output import printable
from music_service.cli.progress import bar, describe


def answer_queue(rows: list[dict[str, Any]]) -> None:
    """Tracks that run or wait, a line each; `rows` are of `music_tracks`."""
    table = new_table()
    table.add_column("track", no_wrap=True)
    table.add_column("prompt", max_width=40, no_wrap=True, overflow="ellipsis")
    table.add_column("progress", width=12)
    table.add_column("state", overflow="fold")
    for row in rows:
        prompt, words = (Text(printable(text)) for text in (row["prompt"], describe(row)))
        table.add_row(row["id"], prompt, bar(row), words)
    answer_table(table)

"""`music-service review`: what waits for a person."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from music_service.cli.arguments import Json
from music_service.cli.drawing import answer_table, new_table
from music_service.cli.output import answer, answer_json, printable, short_time
from music_service.cli.project import project
from music_service.cli.signals import run_async


def review(*, json: Json = False) -> None:
    """Show what waits for a person, and what to do about it."""
    rows = run_async(_review())
    if json:
        for row in rows:
            answer_json(row)
    elif rows:
        answer_table(_drawn(rows))
    else:
        answer("nothing waits for a person")


async def _review() -> list[dict[str, Any]]:
    async with project() as opened:
        return await opened.queue.review()


def _drawn(rows: list[dict[str, Any]]) -> Table:
    table = new_table()
    table.add_column("what", no_wrap=True)
    table.add_column("which", overflow="fold")
    table.add_column("since", no_wrap=True)
    table.add_column("what to do", overflow="fold")
    for row in rows:
        words = " ".join(part for part in (row["reason"], row["what_to_do"]) if part)
        cells = (row["what"], concerned(row), short_time(row["since"]), words)
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    return table


def concerned(row: dict[str, Any]) -> str:
    """Whom a line of `music_review` is about."""
    if row["track_id"] or row["worker_id"]:
        return str(row["track_id"] or row["worker_id"])
    return "" if row["tracks"] is None else f"{row['tracks']} tracks"

"""Commands that only look: `review` and `history`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from music_service.cli.output import answer, answer_json, answer_table, printable
from music_service.cli.project import operations
from music_service.cli.signals import run_async
from music_service.cli.tracks import Json, checked_id


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


def history(
    track_id: Annotated[str, typer.Argument(help="The id of a track.")], *, json: Json = False
) -> None:
    """Tell the story of a track."""
    for row in run_async(_history(checked_id(track_id))):
        answer_json(row) if json else answer(told(row))


async def _review() -> list[dict[str, Any]]:
    async with operations() as queue:
        return await queue.review()


async def _history(track_id: UUID) -> list[dict[str, Any]]:
    async with operations() as queue:
        await queue.check_known([track_id])
        return await queue.history(track_id)


def _drawn(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
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


def told(row: dict[str, Any]) -> str:
    """A line of `music_track_history` for a person."""
    by = f" ({row['by_whom']})" if row["by_whom"] else ""
    return f"{short_time(row['at'])} {row['what_happened']}{by}"


def short_time(text: str | None) -> str:
    """A time of the database to the second, as this machine's clock shows it."""
    if text is None:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")

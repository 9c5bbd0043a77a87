"""`music-service retry`: failed tracks back to work, once their price is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from music_service.cli.arguments import Json, checked_code, checked_ids, checked_time
from music_service.cli.drawing import answer_table, new_table
from music_service.cli.output import (
    ExitCode,
    answer,
    answer_json,
    complain,
    counted,
    printable,
    say,
)
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.errors import ConfigurationError, ErrorCode
from music_service.tracks import Status


def retry(
    track_ids: Annotated[
        list[str] | None, typer.Argument(metavar="TRACK_ID", help="Ids of failed tracks.")
    ] = None,
    *,
    error_code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Those that failed with this code.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Those that failed since: 2h, 3d, or an ISO time."),
    ] = None,
    all_failed: Annotated[bool, typer.Option("--all", help="All that failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Retry failed tracks; says first how many, what is free and what the others will cost."""
    ids = checked_ids(track_ids or [])
    code = None if error_code is None else checked_code(error_code)
    start = datetime.fromtimestamp(0, UTC) if all_failed else None
    if since is not None:
        start = checked_time(since, datetime.now(UTC))
    if not ids and code is None and start is None:
        raise ConfigurationError(
            "Say which tracks to retry: ids, --error-code, --since, or --all for all that failed."
        )
    found, refused = run_async(_retriable(ids, code, start))
    for sentence in refused:
        complain(sentence)
    exit_code = ExitCode.FAILED if refused else ExitCode.OK
    if not found:
        if json:
            answer_json(retry_report([], retried=False))
        elif not refused:
            answer("nothing to retry")
        raise typer.Exit(exit_code)
    if not yes:
        _show(found, json=json)
        _confirm(found)
    raise typer.Exit(run_async(_retry(found, json=json)) or exit_code)


async def _retriable(
    ids: Sequence[UUID], code: str | None, since: datetime | None
) -> tuple[list[dict[str, Any]], list[str]]:
    async with project() as opened:
        statuses = await opened.queue.known_statuses(ids)
        found = await opened.queue.retriable(ids, code, since)
    refused = [why_not(each, statuses[each]) for each in ids if statuses[each] != Status.ERROR]
    if not ids and code is None:
        # What somebody cancelled did not fail; it is retried only where it is asked for by name.
        found = [row for row in found if row["error_code"] != ErrorCode.CANCELLED]
    return found, refused


def why_not(track_id: UUID, status: str) -> str:
    """Why a track that was named is not retried."""
    match status:
        case Status.COMPLETED:
            return (
                f"Track {track_id} is completed, and only failed tracks can be retried; "
                "`enqueue` asks for another one."
            )
        case Status.PENDING:
            return f"Track {track_id} waits already; `queue` says what for."
        case _:
            return f"Track {track_id} is being made already."


async def _retry(found: list[dict[str, Any]], *, json: bool) -> int:
    async with project() as opened:
        retried = await opened.queue.retry([UUID(row["track_id"]) for row in found])
    if json:
        answer_json(retry_report(retried, retried=True))
    else:
        answer(f"retried {counted(len(retried))}: {cost_in_words(retried)}")
    missed = len(found) - len(retried)
    if missed:
        complain(f"Left alone, since changed meanwhile: {counted(missed)}.")
    return ExitCode.FAILED if missed else ExitCode.OK


def _show(found: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        answer_json(retry_report(found, retried=False))
        return
    table = new_table()
    table.add_column("track", no_wrap=True)
    table.add_column("failed with")
    table.add_column("cents", justify="right")
    for row in found:
        table.add_row(row["track_id"], Text(printable(row["error_code"] or "")), price_of(row))
    answer_table(table)
    say(f"{counted(len(found))} can be retried: {cost_in_words(found)}")


def _confirm(found: list[dict[str, Any]]) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("Nothing was retried; agree with --yes.")
    if not typer.confirm(f"Retry {counted(len(found))}?", err=True):
        raise typer.Exit(ExitCode.OK)


def price_of(row: dict[str, Any]) -> str:
    """What retrying one track costs, for a table."""
    if row["is_free"]:
        return "free"
    cents = row["expected_cost_cents"]
    return "?" if cents is None else f"{cents:g}"


def cost_in_words(rows: list[dict[str, Any]]) -> str:
    """What retrying these tracks costs, as a sentence."""
    if len(rows) == 1:
        price = price_of(rows[0])
        if price == "free":
            return "free."
        return "its price is not known." if price == "?" else f"about {price} US cents."
    free = sum(bool(row["is_free"]) for row in rows)
    unknown = sum(row["expected_cost_cents"] is None for row in rows)
    words = f"{free} free, about {total_cents(rows):g} US cents for the others"
    return f"{words}, the price of {unknown} is not known." if unknown else f"{words}."


def total_cents(rows: list[dict[str, Any]]) -> float:
    """The known prices together."""
    return float(sum(row["expected_cost_cents"] or 0 for row in rows))


def retry_report(rows: list[dict[str, Any]], *, retried: bool) -> dict[str, Any]:
    """The form for scripts; `retried` says whether it was done."""
    return {
        "retried": retried,
        "free": sum(bool(row["is_free"]) for row in rows),
        "expected_cost_cents": total_cents(rows),
        "tracks": rows,
    }

"""`music-service regenerate`: completed tracks are made once more, once their price is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from music_service.cli.arguments import Json, checked_ids
from music_service.cli.drawing import answer_table, new_table
from music_service.cli.output import ExitCode, answer, answer_json, complain, counted, say
from music_service.cli.project import project
from music_service.cli.retry import cost_in_words, price_of, total_cents
from music_service.cli.signals import run_async
from music_service.errors import ConfigurationError

Tracks = Annotated[list[str], typer.Argument(metavar="TRACK_ID", help="Ids of completed tracks.")]


def regenerate(
    track_ids: Tracks,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Have completed tracks made once more; says first what that will cost.

    The old audio stays until the new is in place.
    """
    ids = checked_ids(track_ids)
    found = run_async(_regenerate(ids, dry_run=True))
    others = sorted(set(ids) - {UUID(row["track_id"]) for row in found}, key=str)
    for track_id in others:
        complain(f"Track {track_id} is not completed, so it is not made once more.")
    exit_code = ExitCode.FAILED if others else ExitCode.OK
    if not found:
        raise typer.Exit(exit_code)
    if not yes:
        _show(found, json=json)
        _confirm(found)
    done = run_async(_regenerate([UUID(row["track_id"]) for row in found], dry_run=False))
    if json:
        answer_json(report(done, regenerated=True))
    else:
        answer(f"regenerating {counted(len(done))}: {cost_in_words(done)}")
    missed = len(found) - len(done)
    if missed:
        complain(f"Left alone, since changed meanwhile: {counted(missed)}.")
        exit_code = ExitCode.FAILED
    raise typer.Exit(exit_code)


async def _regenerate(ids: Sequence[UUID], *, dry_run: bool) -> list[dict[str, Any]]:
    async with project() as opened:
        await opened.queue.known_statuses(ids)
        return await opened.queue.regenerate(ids, dry_run=dry_run)


def _show(found: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        answer_json(report(found, regenerated=False))
        return
    table = new_table()
    table.add_column("track", no_wrap=True)
    table.add_column("cents", justify="right")
    for row in found:
        table.add_row(row["track_id"], price_of(row))
    answer_table(table)
    say(f"{counted(len(found))} can be made once more: {cost_in_words(found)}")


def _confirm(found: list[dict[str, Any]]) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("Nothing was regenerated; agree with --yes.")
    if not typer.confirm(f"Regenerate {counted(len(found))}?", err=True):
        raise typer.Exit(ExitCode.OK)


def report(rows: list[dict[str, Any]], *, regenerated: bool) -> dict[str, Any]:
    """The form for scripts; `regenerated` says whether it was done."""
    return {
        "regenerated": regenerated,
        "free": sum(bool(row["is_free"]) for row in rows),
        "expected_cost_cents": total_cents(rows),
        "tracks": rows,
    }

"""`music-service review`: what waits for a person."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from music_service.cli.advice import Step, advice
from music_service.cli.arguments import Json
from music_service.cli.output import (
    PROGRAM,
    answer,
    answer_command,
    answer_json,
    counted,
    short_time,
)
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.environment import chosen_env_file

_IDS_SHOWN = 5
_MARGIN = 2

Rows = list[dict[str, Any]]


def review(*, json: Json = False) -> None:
    """Show what waits for a person, and what to do about it."""
    rows = run_async(_review())
    if json:
        for row in rows:
            answer_json(row | {"commands": commands(advice(row, _tracks_of([row])))})
    elif rows:
        for number, alike in enumerate(grouped(rows)):
            _show(alike, is_first=number == 0)
    else:
        answer("nothing waits for a person")


async def _review() -> Rows:
    async with project() as opened:
        return await opened.queue.review()


def grouped(rows: Rows) -> list[Rows]:
    """Those of which the same is to be said are put together, in the order of the first ones."""
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        key = (row["what"], row["is_free"], row["reason"], row["worker_id"], row["what_to_do"])
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def commands(steps: Sequence[Step]) -> list[str]:
    """The commands among some steps, as they are typed."""
    return [typed(step.command) for step in steps if step.command]


def typed(command: str) -> str:
    """A command as it is typed, with the file of settings that this one was given."""
    file = chosen_env_file()
    option = "" if file is None else f" --env-file {shlex.quote(str(file))}"
    return f"{PROGRAM} {command}{option}"


def _show(alike: Rows, *, is_first: bool) -> None:
    row, track_ids = alike[0], _tracks_of(alike)
    if not is_first:
        answer("")
    answer(heading(alike), bold=True)
    for shown in alike[:_IDS_SHOWN] if track_ids else ():
        answer(f"{shown['track_id']} since {short_time(shown['since'])}", margin=_MARGIN)
    if len(track_ids) > _IDS_SHOWN:
        answer(f"and {len(track_ids) - _IDS_SHOWN} more, which --json lists", margin=_MARGIN)
    if row["reason"]:
        answer(row["reason"], margin=_MARGIN)
    for step in advice(row, track_ids):
        answer(step.words, margin=_MARGIN)
        if step.command:
            answer_command(typed(step.command), margin=2 * _MARGIN)


def heading(alike: Rows) -> str:
    """What it is and whom it concerns, as the first line of a group."""
    row = alike[0]
    if row["track_id"]:
        return f"{row['what']}: {counted(len(alike))}"
    parts = [row["worker_id"], None if row["tracks"] is None else counted(row["tracks"])]
    whom = ", ".join(part for part in parts if part)
    return f"{row['what']}: {whom}, since {short_time(row['since'])}"


def _tracks_of(rows: Rows) -> list[str]:
    return [row["track_id"] for row in rows if row["track_id"]]

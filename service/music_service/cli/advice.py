"""What an operator can do about a line of `music_review`, as commands of this program.

The view's own `what_to_do` speaks to those who work with SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SQL_EDITOR = "in the SQL editor (docs/operating.md)"
_LEAVE = "Or have done with it:"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: words, and the command that does it where there is one."""

    words: str
    command: str | None = None


def advice(row: Mapping[str, Any], track_ids: Sequence[str]) -> list[Step]:
    """The steps for rows of one kind.

    Args:
        row: any of them, with the columns of `music_review`.
        track_ids: the tracks that they are about; none where they are about no single track.
    """
    return _of_tracks(row, track_ids) if track_ids else _of_the_queue(row)


def _of_tracks(  # noqa: PLR0911  a table
    row: Mapping[str, Any], track_ids: Sequence[str]
) -> list[Step]:
    which = " ".join(track_ids) if len(track_ids) == 1 else "ID ..."
    retry, leave = f"retry {which}", Step(_LEAVE, f"dismiss {which}")
    price = "which is free" if row["is_free"] else "which pays again"
    match row["what"]:
        case "rejected":  # by a rule of the app, which no command changes
            return [Step(row["what_to_do"])]
        case "submission_unknown":
            return [
                Step("See whether Mureka's usage shows the call at that time. If it does not:"),
                Step("Submit it again, and perhaps pay twice:", retry),
                Step(
                    "If Mureka's support names its task, fetch the music, which is free:",
                    f"record {which.removesuffix(' ...')} TASK_ID",
                ),
                leave,
            ]
        case "invalid_request":
            return [
                Step("If all tracks end so, look at MUREKA_MODEL."),
                Step(f"Correct prompt or lyrics {_SQL_EDITOR}, then retry it:", retry),
                leave,
            ]
        case "moderation_blocked":
            return [Step(f"Word it differently {_SQL_EDITOR}, then retry it:", retry), leave]
        case "storage_failed":
            return [
                Step("Make the bucket take audio/mpeg of this size."),
                Step(f"Then retry it, {price}:", retry),
                leave,
            ]
        case "attempts_exhausted":
            return [Step(f"Once the cause is fixed, retry it, {price}:", retry), leave]
        case _:
            return [Step(f"Retry it, {price}:", retry), leave]


def _of_the_queue(row: Mapping[str, Any]) -> list[Step]:
    match row["what"]:
        case "queue_paused":
            return [Step("When the reason has passed:", "resume")]
        case "no_worker":
            return [Step("Start a worker:", "run")]
        case "over_budget":
            return [
                Step(f"Raise or lift the daily budget {_SQL_EDITOR}, or leave them for tomorrow.")
            ]
        case "worker_lost":
            return [
                Step(
                    "Look at its machine. Other workers take over its tracks, and this line goes "
                    "away by itself within a day."
                )
            ]
        case _:  # nothing that a command could do; the view's words hold for everybody
            return [Step(row["what_to_do"])]

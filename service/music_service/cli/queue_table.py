"""The queue's tracks as a table, and those that were completed lately."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from music_service.cli.drawing import answer_table, columns, new_table
from music_service.cli.lines import cells, shortened
from music_service.cli.output import answer, answer_command, printable, short_time
from music_service.cli.progress import bar, describe, describe_briefly

_ID, _GAP, _BAR = 36, 2, 12
_WIDE = 100
_MOST_OF_A_PROMPT, _LEAST_OF_A_PROMPT = 40, 11


def answer_queue(rows: list[dict[str, Any]]) -> None:
    """Tracks that run or wait, a line each; `rows` are of `music_tracks`.

    Ids and states are whole, so that they can be pasted and read; the prompt gives way.
    """
    is_wide = columns() >= _WIDE
    room = columns() - _ID - _GAP - (_BAR + _GAP if is_wide else 0)
    prompts = [printable(row["prompt"]) for row in rows]
    longest = max(min(cells(text), _MOST_OF_A_PROMPT) for text in prompts)
    kept = max(longest, _LEAST_OF_A_PROMPT) if is_wide else _LEAST_OF_A_PROMPT
    briefest = max(cells(printable(describe_briefly(row))) for row in rows)
    states = [_state(row, max(room - _GAP - kept, briefest)) for row in rows]
    widest_state = max(map(cells, states))
    left = max(room - widest_state - _GAP, _LEAST_OF_A_PROMPT)
    table = new_table()
    for title in ("track", *(["progress"] if is_wide else []), "state", "prompt"):
        table.add_column(title, no_wrap=True)
    for row, state, prompt in zip(rows, states, prompts, strict=True):
        drawn = [bar(row)] if is_wide else []
        table.add_row(row["id"], *drawn, Text(state), Text(shortened(prompt, left)))
    answer_table(table, least_columns=columns() - room + widest_state + _GAP + left)


def answer_completed(rows: list[dict[str, Any]]) -> None:
    """Tracks that are completed, two lines each: which and when, and where its audio is."""
    for row in rows:
        head = f"{short_time(row['completed_at']) or 'some time ago'} {row['id']} "
        left = max(columns() - cells(head), _LEAST_OF_A_PROMPT)
        answer(head + shortened(printable(row["prompt"]), left))
        answer_command(row["file_url"] or row["storage_path"] or "no audio", margin=2)


def _state(row: dict[str, Any], room: int) -> str:
    words = printable(describe(row))
    return words if cells(words) <= room else printable(describe_briefly(row))

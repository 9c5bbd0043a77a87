"""Mureka's `lyrics_sections` made into words in time, or into none.

They are a gift beside the music: what is wrong with them costs neither the track nor an error.

- Missing times are zero, since Mureka leaves zeros out. A time is a number from 0 to an hour, and
  nothing ends before it begins.
- Sections must begin in order, and so must all lines of the song. If one section or line has no
  sense, the times of the others are not trusted either, and there are none at all.
- If the words of a line do not begin in order, or one lies more than a second outside of the line
  or has no sense, the line stays and its words go.
- What has no text, or lies beyond the end that is told by up to a second, is left out or cut.
- Where nothing is sung there are none, and so there are where they are more than any song has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from music_service.mureka.wire import finite
from music_service.redact import spoken
from music_service.timed_lyrics import (
    END_TOLERANCE_MS,
    Line,
    Part,
    Section,
    Sections,
    Word,
    fitted,
    lines_of,
)

_LATEST_MS = 3600 * 1000
_MOST_SECTIONS = 100
_MOST_LINES = 1000
_MOST_WORDS = 2500
_MOST_CHARACTERS = 10_000  # of all lines, and once more of all words; lyrics have up to 5000
_LONGEST_LINE = 300
_LONGEST_WORD = 100
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,29}")
_OTHER_TYPE = "other"


def sections_of(value: Any, told_ms: int | None) -> Sections:
    """The words of a song; `told_ms` is how long it is by Mureka's word."""
    try:
        found = _objects(value, _MOST_SECTIONS)
        _insist_on_bounds(found)
        sections = tuple(_section(each) for each in found)
        lines = list(lines_of(sections))
        _insist_on_order(sections)
        _insist_on_order(lines)
    except ValueError:
        return ()
    words = [word for line in lines for word in line.words]
    if not lines or max(_characters(lines), _characters(words)) > _MOST_CHARACTERS:
        return ()
    return sections if told_ms is None else fitted(sections, told_ms)


def _section(value: dict[str, Any]) -> Section:
    lines = [_line(each) for each in _objects(value.get("lines"), _MOST_LINES)]
    return Section(
        _type(value.get("section_type")), *_times(value), tuple(line for line in lines if line.text)
    )


def _line(value: dict[str, Any]) -> Line:
    start_ms, end_ms = _times(value)
    try:
        words = [_word(each) for each in _objects(value.get("words"), _MOST_WORDS)]
        _insist_on_order(words)
    except ValueError:
        words = []
    if any(
        word.start_ms < start_ms - END_TOLERANCE_MS or word.end_ms > end_ms + END_TOLERANCE_MS
        for word in words
    ):
        words = []
    text = _text(value, _LONGEST_LINE)
    return Line(start_ms, end_ms, text, tuple(word for word in words if word.text))


def _word(value: dict[str, Any]) -> Word:
    return Word(*_times(value), _text(value, _LONGEST_WORD))


def _type(value: Any) -> str:
    word = "-".join(value[:100].lower().split()) if isinstance(value, str) else ""
    return word if _TYPE.fullmatch(word) else _OTHER_TYPE


def _times(value: dict[str, Any]) -> tuple[int, int]:
    start, end = _milliseconds(value.get("start")), _milliseconds(value.get("end"))
    if start > end:
        raise ValueError("it ends before it begins")
    return start, end


def _milliseconds(value: Any) -> int:
    number = 0.0 if value is None else finite(value)
    if number is None or not 0 <= number <= _LATEST_MS:
        raise ValueError("no time")
    return round(number)


def _text(value: dict[str, Any], limit: int) -> str:
    text = value.get("text")
    return spoken(text, limit) if isinstance(text, str) else ""


def _objects(value: Any, most: int) -> list[dict[str, Any]]:
    found = [] if value is None else value
    if not isinstance(found, list) or len(found) > most:
        raise ValueError("no list that a song could have")
    if not all(isinstance(each, dict) for each in found):
        raise ValueError("no list of objects")
    return found


def _insist_on_bounds(sections: list[dict[str, Any]]) -> None:
    """Count before anything is read more closely."""
    lines = [line for each in sections for line in _objects(each.get("lines"), _MOST_LINES)]
    words = (line.get("words") for line in lines)
    if len(lines) > _MOST_LINES or sum(len(w) for w in words if isinstance(w, list)) > _MOST_WORDS:
        raise ValueError("more than any song has")


def _insist_on_order(parts: Sequence[Part]) -> None:
    if any(before.start_ms > after.start_ms for before, after in pairwise(parts)):
        raise ValueError("out of order")


def _characters(parts: Sequence[Line] | Sequence[Word]) -> int:
    return sum(len(part.text) for part in parts)

"""When which words of a song are sung: on the beats of its tune, in the form Mureka shows it."""

from __future__ import annotations

import re
from typing import Any

_BEATS_IN_A_BAR = 4
_HEADING = re.compile(r"\[(.*)\]")
_TYPES = ("intro", "verse", "pre-chorus", "chorus", "bridge", "break", "outro")
_WORDLESS = ("intro", "verse", "chorus", "outro")

Part = tuple[str, list[list[str]]]  # the type of a section, and its lines as words


def parts_of(lyrics: str) -> list[Part]:
    """The sections of lyrics.

    A line such as `[Verse 2]` begins one of that type and is not sung; a type that is not known
    counts as a verse. Where there is no such line, each block of lines is a verse.
    """
    parts: list[Part] = []
    is_new = True
    for line in map(str.strip, lyrics.splitlines()):
        heading = _HEADING.fullmatch(line)
        if heading:
            parts.append((_type_of(heading[1]), []))
            is_new = False
        elif line:
            if is_new:
                parts.append(("verse", []))
            parts[-1][1].append(line.split())
            is_new = False
        elif parts and not parts[-1][1]:
            continue  # a blank line below a heading
        else:
            is_new = True
    return parts


def sections_of_song(lyrics: str, *, beat_seconds: float, seconds: float) -> list[dict[str, Any]]:
    """Mureka's `lyrics_sections` of a song: a bar before the words, and the rest after them.

    A word takes a beat and a line begins with a bar. Where that does not fit into the music, it is
    all sung at twice the pace, or at four times, and so on.
    """
    parts = parts_of(lyrics)
    if parts and parts[0][0] != "intro":
        parts.insert(0, ("intro", []))
    beats = sum(_beats_of(lines) for _, lines in parts)
    step_ms = beat_seconds * 1000
    while beats * step_ms > seconds * 1000:
        step_ms /= 2
    sections, at = [], 0
    for kind, lines in parts:
        shown, begin = [], at
        for words in lines:
            shown.append(_line(words, at, step_ms))
            at += _bars(len(words))
        at = max(at, begin + _beats_of(lines))
        sections.append(_section(kind, begin * step_ms, at * step_ms, shown))
    end_ms = seconds * 1000
    if sections and end_ms - at * step_ms >= 1:
        sections.append(_section("outro", at * step_ms, end_ms, []))
    return sections


def sections_without_words(*, beat_seconds: float, seconds: float) -> list[dict[str, Any]]:
    """Mureka's `lyrics_sections` of an instrumental: they begin with a bar and have no lines."""
    bar_seconds = beat_seconds * _BEATS_IN_A_BAR
    bars = seconds / bar_seconds
    begins = [int(bars * part / len(_WORDLESS)) * bar_seconds for part in range(len(_WORDLESS))]
    ends = [*begins[1:], seconds]
    return [
        _section(kind, begin * 1000, end * 1000, [])
        for kind, begin, end in zip(_WORDLESS, begins, ends, strict=True)
        if end > begin
    ]


def _type_of(heading: str) -> str:
    words = "-".join(re.findall(r"[a-z]+", heading.lower()))
    return next((kind for kind in _TYPES if words.startswith(kind)), "verse")


def _bars(words: int) -> int:
    """So many beats as there are words, up to the end of a bar."""
    return -(-words // _BEATS_IN_A_BAR) * _BEATS_IN_A_BAR


def _beats_of(lines: list[list[str]]) -> int:
    return sum(_bars(len(words)) for words in lines) or _BEATS_IN_A_BAR


def _line(words: list[str], at: int, step_ms: float) -> dict[str, Any]:
    shown = [
        _timed((at + index) * step_ms, (at + index + 1) * step_ms) | {"text": word}
        for index, word in enumerate(words)
    ]
    end_ms = (at + len(words)) * step_ms
    return _timed(at * step_ms, end_ms) | {"text": " ".join(words), "words": shown}


def _section(kind: str, start_ms: float, end_ms: float, lines: list[Any]) -> dict[str, Any]:
    shown = {"section_type": kind} | _timed(start_ms, end_ms)
    return shown | ({"lines": lines} if lines else {})


def _timed(start_ms: float, end_ms: float) -> dict[str, Any]:
    """Start and end in whole milliseconds; Mureka leaves out what is zero."""
    times = {"start": int(start_ms), "end": int(end_ms)}
    return {name: value for name, value in times.items() if value}

"""The domain: the words of a song, and when each is sung. No I/O.

All times are whole milliseconds from the beginning of the music. Sections, lines and words stand
in the order in which they begin; one may begin before the one before it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

# What is told of the end of the music, and what is measured, may differ by so much.
END_TOLERANCE_MS = 1000


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is sung."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is sung; without `words` where nobody knows when each of them is."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a song such as `verse` or `chorus`; without `lines` where nobody sings."""

    type: str
    start_ms: int
    end_ms: int
    lines: tuple[Line, ...] = ()


Sections = tuple[Section, ...]
Part = Section | Line | Word


@dataclass(frozen=True, slots=True)
class Heard:
    """What is sung at one moment, and what stands around it; None where there is no such line.

    `words` says how many words of the line `now` have begun, of those that it has.
    """

    section: str | None
    before: Line | None
    now: Line | None
    after: Line | None
    words: int = 0


def heard_at(sections: Sections, elapsed_ms: float) -> Heard:
    """What is lit so many milliseconds after the beginning.

    Of lines that are sung at once it is the one that began last. Between two lines none is `now`:
    the one that was is `before`, and the one that comes is `after`.
    """
    lines = list(lines_of(sections))
    begun = [line for line in lines if line.start_ms <= elapsed_ms]
    after = lines[len(begun)] if len(begun) < len(lines) else None
    within = [each.type for each in sections if each.start_ms <= elapsed_ms < each.end_ms]
    section = within[-1] if within else None
    sung = [number for number, line in enumerate(begun) if elapsed_ms < line.end_ms]
    if not sung:
        return Heard(section, begun[-1] if begun else None, None, after)
    number = sung[-1]
    now = begun[number]
    before = begun[number - 1] if number else None
    words = sum(word.start_ms <= elapsed_ms for word in now.words)
    return Heard(section, before, now, after, words)


def lines_of(sections: Sections) -> Iterator[Line]:
    """All lines of a song."""
    for section in sections:
        yield from section.lines


def fitted(sections: Sections, duration_ms: int) -> Sections:
    """The sections of music that is so long: none of their times lies beyond its end.

    What lies up to a second beyond it is set to it. Whatever is later is of other music, and then
    there are none.
    """
    lines = list(lines_of(sections))
    spans: list[Part] = [*sections, *lines, *(word for line in lines for word in line.words)]
    if any(each.end_ms > duration_ms + END_TOLERANCE_MS for each in spans):
        return ()
    if all(each.end_ms <= duration_ms for each in spans):
        return sections
    return tuple(_cut_section(each, duration_ms) for each in sections)


def to_json(sections: Sections) -> list[dict[str, Any]]:
    """The form kept in `public.music_timed_lyrics.sections`; `lines` and `words` may be empty."""
    return [
        {
            "type": section.type,
            **_times(section),
            "lines": [
                {
                    **_times(line),
                    "text": line.text,
                    "words": [{**_times(word), "text": word.text} for word in line.words],
                }
                for line in section.lines
            ],
        }
        for section in sections
    ]


def from_json(value: Any) -> Sections:
    """Read what `to_json` wrote; raises ValueError where it is something else."""
    try:
        return tuple(
            Section(
                str(section["type"]),
                int(section["start_ms"]),
                int(section["end_ms"]),
                tuple(_line_of(line) for line in section["lines"]),
            )
            for section in value
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("these are no words in time") from error


def _line_of(value: Any) -> Line:
    words = tuple(
        Word(int(word["start_ms"]), int(word["end_ms"]), str(word["text"]))
        for word in value["words"]
    )
    return Line(int(value["start_ms"]), int(value["end_ms"]), str(value["text"]), words)


def _times(part: Part) -> dict[str, int]:
    return {"start_ms": part.start_ms, "end_ms": part.end_ms}


def _cut_section(section: Section, end_ms: int) -> Section:
    lines = tuple(
        replace(
            line,
            start_ms=min(line.start_ms, end_ms),
            end_ms=min(line.end_ms, end_ms),
            words=tuple(_cut_word(word, end_ms) for word in line.words),
        )
        for line in section.lines
    )
    start_ms, section_end_ms = min(section.start_ms, end_ms), min(section.end_ms, end_ms)
    return replace(section, start_ms=start_ms, end_ms=section_end_ms, lines=lines)


def _cut_word(word: Word, end_ms: int) -> Word:
    return replace(word, start_ms=min(word.start_ms, end_ms), end_ms=min(word.end_ms, end_ms))

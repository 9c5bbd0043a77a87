"""The words of a song in time. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is sung, in milliseconds from the beginning of the music."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `words` may be empty."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A verse, a chorus, …; `lines` is empty where nothing is sung."""

    type: str
    start_ms: int
    end_ms: int
    lines: tuple[Line, ...] = ()


def to_json(sections: Iterable[Section]) -> list[dict[str, Any]]:
    """The form kept in `music_timed_lyrics.sections`."""
    return [asdict(section) for section in sections]

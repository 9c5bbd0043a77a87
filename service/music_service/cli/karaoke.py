"""Singing along: the words of a song light up on the terminal at the times when they are sung.

Nothing is played: the time runs from the moment at which the words appear.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rich.console import Group
from rich.live import Live
from rich.text import Text

from music_service.cli.drawing import console
from music_service.cli.lines import shortened
from music_service.cli.output import answer, printable
from music_service.timed_lyrics import Heard, Line, Sections, heard_at, lines_of

_FRAME_SECONDS = 0.05
_SUNG, _BESIDE = "bold green", "dim"
_MARK = "> "


def can_be_drawn() -> bool:
    """Whether standard error is a terminal on which lines can change."""
    return console.is_terminal and not console.is_dumb_terminal


def print_words(sections: Sections) -> None:
    """Each line with the time at which it begins, on stdout, as players of `.lrc` files take it."""
    for line in lines_of(sections):
        answer(f"[{_minutes(line.start_ms)}.{line.start_ms % 1000 // 10:02}] {line.text}")


async def sing_along(
    sections: Sections, duration_ms: int, *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Light up the words on stderr until the music is over; what was drawn is removed then."""
    began = clock()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        drawn: tuple[Heard, int] | None = None
        while (elapsed_ms := (clock() - began) * 1000) < duration_ms:
            heard, second = heard_at(sections, elapsed_ms), int(elapsed_ms / 1000)
            if (heard, second) != drawn:
                live.update(frame(heard, elapsed_ms, duration_ms, console.width), refresh=True)
                drawn = (heard, second)
            await asyncio.sleep(_FRAME_SECONDS)


def frame(heard: Heard, elapsed_ms: float, duration_ms: int, columns: int) -> Group:
    """The time and the section, and below them the line before, the one that is sung, the next."""
    clock = f"{_minutes(elapsed_ms)} / {_minutes(duration_ms)}  {heard.section or ''}"
    return Group(
        Text(shortened(clock.rstrip(), columns), style=_BESIDE, no_wrap=True),
        _beside(heard.before, columns),
        _sung(heard, columns),
        _beside(heard.after, columns),
    )


def _beside(line: Line | None, columns: int) -> Text:
    text = printable(line.text) if line else ""
    return Text(
        shortened(f"{' ' * len(_MARK)}{text}".rstrip(), columns), style=_BESIDE, no_wrap=True
    )


def _sung(heard: Heard, columns: int) -> Text:
    """The line that is sung, its words lit up to the one that is; all of it where it has none."""
    line = heard.now
    if line is None:
        return Text("")
    text = printable(line.text)
    lit = len(text)
    if line.words:
        lit = _end_of([printable(word.text) for word in line.words[: heard.words]], text)
    shown = Text(shortened(f"{_MARK}{text}", columns), no_wrap=True)
    shown.stylize(_SUNG, 0, len(_MARK) + lit)
    return shown


def _end_of(words: list[str], text: str) -> int:
    """Where the last of the words ends in a text that holds them in this order."""
    end = 0
    for word in words:
        found = text.find(word, end)
        end = found + len(word) if found >= 0 else end
    return end


def _minutes(milliseconds: float) -> str:
    minutes, seconds = divmod(int(milliseconds / 1000), 60)
    return f"{minutes:02}:{seconds:02}"

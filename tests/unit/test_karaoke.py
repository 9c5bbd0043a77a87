"""The words of a song on a terminal: what is drawn of a moment, and until when."""

from __future__ import annotations

import io
from itertools import count

import pytest
from rich.console import Console

from music_service.cli import karaoke
from music_service.cli.karaoke import frame, print_words, sing_along
from music_service.timed_lyrics import Heard, Line, Section, Word, heard_at

LINE = Line(
    1000,
    4000,
    "Rain on the roof",
    (
        Word(1000, 2000, "Rain"),
        Word(2000, 2500, "on"),
        Word(2500, 3000, "the"),
        Word(3000, 4000, "roof"),
    ),
)
SONG = (
    Section("intro", 0, 1000),
    Section("verse", 1000, 9000, (LINE, Line(65_430, 66_000, "and \x1b[2Jagain"))),
)


def drawn(heard: Heard, *, columns: int = 40, is_colored: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=columns,
        force_terminal=is_colored,
        color_system="standard" if is_colored else None,
        legacy_windows=False,
    )
    console.print(frame(heard, 61_500, 185_000, columns))
    return file.getvalue()


def lit(heard: Heard) -> str:
    """What is drawn as sung."""
    return drawn(heard, is_colored=True).partition("\x1b[1;32m")[2].partition("\x1b[0m")[0]


def test_the_line_that_is_sung_stands_between_its_neighbours() -> None:
    before, after = Line(0, 900, "Before"), Line(5000, 6000, "After")
    assert drawn(Heard("verse", before, LINE, after, words=2)).splitlines() == [
        "01:01 / 03:05  verse",
        "  Before",
        "> Rain on the roof",
        "  After",
    ]


def test_what_is_not_there_is_an_empty_line() -> None:
    assert drawn(Heard(None, None, None, None)).splitlines() == ["01:01 / 03:05", "", "", ""]


def test_words_light_up_one_after_the_other() -> None:
    moments = (1000, 2000, 2500, 3000)
    assert [lit(heard_at(SONG, elapsed_ms)) for elapsed_ms in moments] == [
        "> Rain",
        "> Rain on",
        "> Rain on the",
        "> Rain on the roof",
    ]


def test_a_line_without_words_lights_up_as_a_whole() -> None:
    assert lit(Heard("verse", None, Line(0, 900, "la la la"), None)) == "> la la la"


def test_words_that_the_line_has_otherwise_do_not_matter() -> None:
    odd = Line(
        0, 900, "\u5929\u6c14\u597d", (Word(0, 1, "\u5929"), Word(1, 2, "x"), Word(2, 3, "\u597d"))
    )
    assert [lit(Heard("verse", None, odd, None, words=number)) for number in (1, 2, 3)] == [
        "> \u5929",
        "> \u5929",
        "> \u5929\u6c14\u597d",
    ]


def test_nothing_in_the_words_steers_the_terminal_or_breaks_the_lines() -> None:
    odd = Line(0, 900, "\x1b[2J[bold]la[/bold]\nlo " + "x" * 90)
    shown = drawn(Heard("verse", odd, odd, odd), columns=30)
    assert "\x1b" not in shown
    assert [len(line) for line in shown.splitlines()] == [20, 30, 30, 30]
    assert "[bold]" in shown


def test_all_lines_are_printed_with_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    print_words(SONG)
    assert capsys.readouterr().out == "[00:01.00] Rain on the roof\n[01:05.43] and  [2Jagain\n"


async def test_it_sings_to_the_end_of_the_music_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system=None)
    monkeypatch.setattr(karaoke, "console", console)
    monkeypatch.setattr(karaoke, "_FRAME_SECONDS", 0)
    ticks = count(0, 0.25)
    await sing_along(SONG, 5000, clock=lambda: next(ticks))
    shown = file.getvalue()
    for second in range(5):
        assert f"00:0{second} / 00:05" in shown
    assert "00:05 / 00:05" not in shown
    assert "> Rain on the roof" in shown
    assert shown.endswith("\x1b[1A\x1b[2K"), "the last frame is removed"

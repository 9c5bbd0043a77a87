"""Words in time as Mureka sends them: read where they make sense, and never an error."""

from __future__ import annotations

from typing import Any

import pytest

from music_service.mureka.sections import sections_of
from music_service.timed_lyrics import Line, Section, Sections, Word


def word(start: Any, end: Any, text: Any = "la") -> dict[str, Any]:
    return {"start": start, "end": end, "text": text}


def line(start: Any = 1000, end: Any = 2000, text: Any = "la la", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "text": text, **more}


def section(*lines: Any, start: Any = 1000, end: Any = 9000, **more: Any) -> dict[str, Any]:
    return {"section_type": "verse", "start": start, "end": end, "lines": list(lines), **more}


def the_line(value: Any) -> Line:
    [read] = sections_of([section(value)], 10_000)
    [only] = read.lines
    return only


GOOD = line(words=[word(1000, 1500), word(1500, 2000)])
READ = Line(1000, 2000, "la la", (Word(1000, 1500, "la"), Word(1500, 2000, "la")))


def test_a_song_is_read_with_what_is_zero_left_out() -> None:
    intro = {"section_type": "intro", "end": 1000}
    verse = section({"end": 2000, "text": "Hey", "words": [{"end": 900, "text": "Hey"}]}, start=0)
    assert sections_of([intro, verse | {"start": None}], 10_000) == (
        Section("intro", 0, 1000),
        Section("verse", 0, 9000, (Line(0, 2000, "Hey", (Word(0, 900, "Hey"),)),)),
    )


def test_times_may_be_fractions_and_stand_in_strings() -> None:
    assert the_line(line("1000.4", 2000.0)) == Line(1000, 2000, "la la")


@pytest.mark.parametrize("told_ms", [None, 9000, 10_000])
def test_words_need_no_length_to_be_read(told_ms: int | None) -> None:
    assert sections_of([section(GOOD)], told_ms) == (Section("verse", 1000, 9000, (READ,)),)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        5,
        {},
        [],
        [None],
        [[]],
        [section()],
        [{"section_type": "intro", "end": 5000}],
        [section(line(text=""))],
        [section(line(text=["la"]))],
        [section(GOOD, start=5000, end=4000)],
        [section(GOOD, start=-1)],
        [section(GOOD, end="soon")],
        [section(GOOD, end=True)],
        [section(GOOD, end=float("nan"))],
        [section(GOOD, end=10**400)],
        [section(GOOD, end=3_600_001)],
        [section(GOOD) | {"end": None}],
        [section(GOOD) | {"lines": "la"}],
        [section(GOOD) | {"lines": [GOOD, "la"]}],
        [section(GOOD, line(2000, 1000))],
        [section(GOOD, line("x", 3000))],
        [section(line(3000, 4000), GOOD)],
        [section(start=5000), section(GOOD)],
        [section(line(0, 900), line(900, 1800)), section(line(0, 900), start=9000)],
        [section(GOOD), section(GOOD, start=500)],
        [section(GOOD), 5],
        [section(GOOD, start=11_001, end=12_000)],
        [section(GOOD, line(9000, 11_001))],
        [section(GOOD)] * 101,
        [section(*[GOOD] * 1001)],
        [section(*[GOOD] * 600), section(*[GOOD] * 600)],
        [section(*[line(words=[word(1000, 1500)] * 100)] * 26)],
        [section(*[line(text="x" * 300)] * 40)],
        [section(*[line(words=[word(1000, 1500, "x" * 100)] * 10)] * 11)],
    ],
)
def test_what_makes_no_sense_is_nothing(value: Any) -> None:
    assert sections_of(value, 10_000) == ()


@pytest.mark.parametrize(
    "words",
    [
        None,
        "la",
        [5],
        [word(1500, 2000), word(1000, 1500)],
        [word(1000, 1500), word(2000, 1500)],
        [word(1000, 1500), word("x", 2000)],
        [word(1000, 1500), word(-1, 2000)],
        [word(0, 200)] * 2 + [word(200, 3001)],
        [word(4000, 5000)],
    ],
)
def test_words_that_make_no_sense_cost_their_line_no_more(words: Any) -> None:
    [read] = sections_of(
        [section(line(words=words), line(2000, 3000, words=[word(2000, 3000)]))], 10_000
    )
    assert read.lines == (
        Line(1000, 2000, "la la"),
        Line(2000, 3000, "la la", (Word(2000, 3000, "la"),)),
    )


def test_words_that_stick_out_of_their_line_a_little_stay() -> None:
    assert len(the_line(line(words=[word(500, 1500), word(1500, 2900)])).words) == 2


def test_what_has_no_text_is_left_out() -> None:
    empty = line(1500, 1600, "\x00")
    assert the_line(line(words=[word(1000, 1200, ""), word(1200, 1500)])).words == (
        Word(1200, 1500, "la"),
    )
    assert sections_of([section(GOOD, empty)], None) == sections_of([section(GOOD)], None)


def test_what_is_barely_beyond_the_end_is_cut() -> None:
    sections = sections_of(
        [section(line(9000, 10_500, words=[word(9000, 10_400)]), end=11_000)], 10_000
    )
    assert sections == (
        Section("verse", 1000, 10_000, (Line(9000, 10_000, "la la", (Word(9000, 10_000, "la"),)),)),
    )


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("chorus", "chorus"),
        ("Pre Chorus", "pre-chorus"),
        ("drop-2", "drop-2"),
        ("<b>", "other"),
        ("x" * 31, "other"),
        ("", "other"),
        (None, "other"),
        (5, "other"),
    ],
)
def test_a_type_is_one_word(sent: Any, read: str) -> None:
    [only] = sections_of([section(GOOD) | {"section_type": sent}], None)
    assert only.type == read


def test_text_is_one_printable_line_of_some_length() -> None:
    odd = line(
        text="\x1b[2Jla\n<b>la</b> \u202e https://evil.example/x",
        words=[word(1000, 1500, "y" * 500), word(1500, 2000, "<i>\n</i>la")],
    )
    read = the_line(odd)
    assert read.text == "[2Jla la (an address)"
    assert [len(each.text) for each in read.words] == [100, 2]
    assert len(the_line(line(text="x" * 5000)).text) == 300


def test_a_whole_song_is_read_in_its_place() -> None:
    """Songs of the size that lyrics may have at most are within all bounds."""
    lines = [
        line(1000 * n, 1000 * n + 900, "la " * 33, words=[word(1000 * n, 1000 * n + 900)] * 33)
        for n in range(50)
    ]
    read: Sections = sections_of([section(*lines)], None)
    assert sum(len(each.words) for each in read[0].lines) == 50 * 33

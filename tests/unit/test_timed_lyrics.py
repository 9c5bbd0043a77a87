"""The words of a song: their form in the database, and their fit to music of some length."""

from __future__ import annotations

import json
from typing import Any

import pytest

from music_service.timed_lyrics import (
    Heard,
    Line,
    Section,
    Word,
    fitted,
    from_json,
    heard_at,
    lines_of,
    to_json,
)

SONG = (
    Section("intro", 0, 1000),
    Section(
        "verse",
        1000,
        9000,
        (
            Line(1000, 4000, "la lo", (Word(1000, 2000, "la"), Word(2000, 4000, "lo"))),
            Line(5000, 9000, "li"),
        ),
    ),
)


def test_words_in_time_have_an_exact_form() -> None:
    assert to_json(SONG) == [
        {"type": "intro", "start_ms": 0, "end_ms": 1000, "lines": []},
        {
            "type": "verse",
            "start_ms": 1000,
            "end_ms": 9000,
            "lines": [
                {
                    "start_ms": 1000,
                    "end_ms": 4000,
                    "text": "la lo",
                    "words": [
                        {"start_ms": 1000, "end_ms": 2000, "text": "la"},
                        {"start_ms": 2000, "end_ms": 4000, "text": "lo"},
                    ],
                },
                {"start_ms": 5000, "end_ms": 9000, "text": "li", "words": []},
            ],
        },
    ]


@pytest.mark.parametrize("sections", [SONG, ()])
def test_what_is_written_is_read_back(sections: Any) -> None:
    assert from_json(json.loads(json.dumps(to_json(sections)))) == sections


@pytest.mark.parametrize("value", [None, 5, [5], [{}], [{"type": "verse", "start_ms": "x"}], "a"])
def test_what_is_something_else_is_not_read(value: Any) -> None:
    with pytest.raises(ValueError, match="no words in time"):
        from_json(value)


def test_words_within_the_music_stay_as_they_are() -> None:
    assert fitted(SONG, 9000) is SONG
    assert fitted((), 9000) == ()


def test_what_is_barely_beyond_the_end_is_set_to_it() -> None:
    [intro, verse] = fitted(SONG, 8500)
    assert (intro, verse.end_ms) == (SONG[0], 8500)
    assert [line.end_ms for line in lines_of((verse,))] == [4000, 8500]
    short = (Section("verse", 0, 1500, (Line(1400, 1500, "la", (Word(1450, 1500, "la"),)),)),)
    assert fitted(short, 1200) == (
        Section("verse", 0, 1200, (Line(1200, 1200, "la", (Word(1200, 1200, "la"),)),)),
    )


@pytest.mark.parametrize(
    "sections",
    [
        SONG,
        (Section("verse", 0, 5000, (Line(0, 9000, "la"),)),),
        (Section("verse", 0, 5000, (Line(0, 5000, "la", (Word(0, 9000, "la"),)),)),),
    ],
)
def test_words_far_beyond_the_end_are_of_other_music(sections: Any) -> None:
    assert fitted(sections, 7999) == ()


LA, LI = SONG[1].lines


@pytest.mark.parametrize(
    ("elapsed_ms", "heard"),
    [
        (0, Heard("intro", None, None, LA)),
        (999.9, Heard("intro", None, None, LA)),
        (1000, Heard("verse", None, LA, LI, words=1)),
        (1999, Heard("verse", None, LA, LI, words=1)),
        (2000, Heard("verse", None, LA, LI, words=2)),
        (4000, Heard("verse", LA, None, LI)),
        (5000, Heard("verse", LA, LI, None)),
        (9000, Heard(None, LI, None, None)),
        (10**9, Heard(None, LI, None, None)),
        (-5, Heard(None, None, None, LA)),
    ],
)
def test_what_is_lit_is_what_is_sung_at_that_moment(elapsed_ms: float, heard: Heard) -> None:
    assert heard_at(SONG, elapsed_ms) == heard


def test_of_lines_that_overlap_the_one_that_began_last_is_lit() -> None:
    long, short = Line(0, 9000, "ooh"), Line(2000, 3000, "la")
    song = (Section("chorus", 0, 9000, (long, short)),)
    assert heard_at(song, 1000) == Heard("chorus", None, long, short)
    assert heard_at(song, 2500) == Heard("chorus", long, short, None)
    assert heard_at(song, 4000) == Heard("chorus", None, long, None)


def test_where_nothing_is_sung_nothing_is_lit() -> None:
    assert heard_at((), 1000) == Heard(None, None, None, None)

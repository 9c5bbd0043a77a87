"""Words of the simulator, laid on the beats of its tune."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from local_supabase.simulator.lyrics import write_lyrics
from local_supabase.simulator.music import beat_seconds_of
from local_supabase.simulator.words import (
    parts_of,
    sections_of_song,
    sections_without_words,
)

SONG = """[Verse 1]
Rain on the roof
rain in the street

[Pre-Chorus]
Slowly now
[Chorus]

Sing
[Guitar solo]
[Outro]
Good night
"""


def times(part: dict[str, Any]) -> tuple[int, int]:
    return part.get("start", 0), part.get("end", 0)


def within(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A part, and all parts that are in it."""
    yield part
    for each in [*part.get("lines", []), *part.get("words", [])]:
        yield from within(each)


def test_headings_are_types_and_are_not_sung() -> None:
    assert parts_of(SONG) == [
        ("verse", [["Rain", "on", "the", "roof"], ["rain", "in", "the", "street"]]),
        ("pre-chorus", [["Slowly", "now"]]),
        ("chorus", [["Sing"]]),
        ("verse", []),
        ("outro", [["Good", "night"]]),
    ]


def test_lyrics_without_headings_are_a_verse_for_each_block() -> None:
    assert parts_of("\n\nLa la\n\n\nlo\nli\n") == [
        ("verse", [["La", "la"]]),
        ("verse", [["lo"], ["li"]]),
    ]


@pytest.mark.parametrize("seconds", [3.0, 20.0, 240.0])
@pytest.mark.parametrize("lyrics", [SONG, "La", "word\n" * 900, write_lyrics("rain")[1]])
def test_all_words_are_sung_in_order_and_within_the_music(lyrics: str, seconds: float) -> None:
    sections = sections_of_song(lyrics, beat_seconds=beat_seconds_of("rain"), seconds=seconds)
    for section in sections:
        for part in within(section):
            start, end = times(part)
            assert 0 <= start <= end <= seconds * 1000
    for before, after in pairwise(sections):
        assert times(before)[1] == times(after)[0]
    lines = [line for section in sections for line in section.get("lines", [])]
    assert [line["text"].split() for line in lines] == [
        words for _, lines in parts_of(lyrics) for words in lines
    ]
    sung = [word for line in lines for word in line["words"]]
    assert all(times(before)[1] <= times(after)[0] for before, after in pairwise(sung))
    for line in lines:
        assert [word["text"] for word in line["words"]] == line["text"].split()
        assert times(line) == (times(line["words"][0])[0], times(line["words"][-1])[1])


def test_words_fall_on_beats_and_lines_on_bars() -> None:
    sections = sections_of_song("[Verse]\nla la\nla", beat_seconds=0.5, seconds=20)
    [first, second] = sections[1]["lines"]
    assert [times(word) for word in first["words"]] == [(2000, 2500), (2500, 3000)]
    assert times(second["words"][0]) == (4000, 4500)
    assert [section["section_type"] for section in sections] == ["intro", "verse", "outro"]


def test_what_is_zero_is_left_out_and_an_instrumental_has_no_lines() -> None:
    sections = sections_without_words(beat_seconds=0.5, seconds=21)
    assert sections[0] == {"section_type": "intro", "end": 4000}
    assert not any("lines" in section for section in sections)
    assert times(sections[-1])[1] == 21_000


def test_a_prompt_has_its_own_lyrics_and_always_the_same() -> None:
    title, lyrics = write_lyrics("a song about rainy evenings in Lisbon")
    assert (title, lyrics) == write_lyrics("a song about rainy evenings in Lisbon")
    assert title == "Rainy Evenings Lisbon"
    assert [kind for kind, _ in parts_of(lyrics)] == ["verse", "chorus", "verse", "chorus"]
    assert lyrics != write_lyrics("sun")[1]
    assert write_lyrics("?")[1]

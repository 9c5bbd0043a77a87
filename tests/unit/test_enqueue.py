"""What `enqueue` is given is looked at before anything is sent: limits, and whether it is text."""

from __future__ import annotations

from pathlib import Path

import pytest

from music_service.cli.arguments import checked_prompt, checked_text, read_lyrics
from music_service.errors import ConfigurationError
from music_service.tracks import MAX_LYRICS_CHARACTERS, MAX_PROMPT_CHARACTERS

NO_TEXT = ["a\0b", "a\udcffb"]


def test_what_is_as_long_as_it_may_be_is_taken_as_it_is(tmp_path: Path) -> None:
    assert checked_text("--genre", "🎹" * 100, 100) == "🎹" * 100
    assert checked_prompt("p" * MAX_PROMPT_CHARACTERS) == "p" * MAX_PROMPT_CHARACTERS
    path = tmp_path / "lyrics.txt"
    path.write_text("l" * MAX_LYRICS_CHARACTERS + "\n")
    assert read_lyrics(path) == "l" * MAX_LYRICS_CHARACTERS


def test_what_is_longer_is_refused_with_its_name_its_limit_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_text("--genre", "x" * 101, 100)
    assert str(refused.value) == "--genre has 101 characters; at most 100 are allowed: shorten it."
    with pytest.raises(ConfigurationError, match=r"^The prompt has 1025 .* at most 1024 "):
        checked_prompt("x" * 1025)
    path = tmp_path / "lyrics.txt"
    path.write_text("x" * 5001)
    with pytest.raises(ConfigurationError, match=r"^--lyrics-file .* has 5001 .* at most 5000 "):
        read_lyrics(path)


@pytest.mark.parametrize("text", NO_TEXT)
def test_what_the_database_cannot_hold_as_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--mood is not plain UTF-8 text"):
        checked_text("--mood", text, 100)
    with pytest.raises(ConfigurationError, match=r"^The prompt is not plain UTF-8 text"):
        checked_prompt(text)


def test_lyrics_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lyrics.txt"
    path.write_bytes(b"a\0b")
    with pytest.raises(ConfigurationError, match=r"^--lyrics-file .* is not plain UTF-8 text"):
        read_lyrics(path)
    path.write_bytes(b"a\xffb")
    with pytest.raises(ConfigurationError, match="cannot be read: is not UTF-8 text"):
        read_lyrics(path)

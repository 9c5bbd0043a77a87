"""What is asked of the provider, and that code and database know the same words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_service.errors import ErrorCode
from music_service.tracks import (
    MAX_DURATION_SECONDS,
    MAX_HINT_CHARACTERS,
    MAX_LYRICS_CHARACTERS,
    MAX_PROMPT_CHARACTERS,
    GenerationRequest,
    Status,
    compose_prompt,
    request_for,
)
from tests.support.builders import a_track
from tests.support.project import SUPABASE

PAGE = SUPABASE / "schema.sql"
WISHES = {"genre": "jazz", "mood": "calm", "tempo": "slow", "duration_seconds": 90}
HINTS = " (genre: jazz; mood: calm; tempo: slow; length: about 90 seconds)"

wish = st.none() | st.text(max_size=2000)


def test_a_prompt_without_wishes_is_sent_as_it_is() -> None:
    assert compose_prompt(a_track(prompt="rain on a roof")) == "rain on a roof"


def test_wishes_follow_the_prompt_in_parentheses() -> None:
    assert compose_prompt(a_track(prompt="rain on a roof", **WISHES)) == "rain on a roof" + HINTS


@pytest.mark.parametrize("nothing", [None, "", "   ", "\n\t"])
def test_an_empty_wish_leaves_no_trace(nothing: str | None) -> None:
    track = a_track(prompt="rain", genre=nothing, mood=nothing, tempo=nothing)
    assert compose_prompt(track) == "rain"


def test_a_wish_of_several_lines_becomes_one_line() -> None:
    assert compose_prompt(a_track(prompt="rain", mood=" sad\n but\t warm ")) == (
        "rain (mood: sad but warm)"
    )


def test_lines_and_emoji_of_a_prompt_are_kept() -> None:
    prompt = "first line\nsecond line 🎹👩‍🚀"
    assert compose_prompt(a_track(prompt=prompt)) == prompt


def test_a_prompt_of_exactly_the_limit_is_not_cut() -> None:
    prompt = "a" * (MAX_PROMPT_CHARACTERS - len(HINTS))
    assert compose_prompt(a_track(prompt=prompt, **WISHES)) == prompt + HINTS


@pytest.mark.parametrize("space", [" ", "\n", "\t"])
def test_a_long_prompt_is_cut_at_a_word_and_the_wishes_are_kept_whole(space: str) -> None:
    composed = compose_prompt(a_track(prompt=space.join(["word"] * 250), **WISHES))
    assert composed.endswith("word" + HINTS)
    assert set(composed.removesuffix(HINTS).split(space)) == {"word"}
    assert len(composed) > MAX_PROMPT_CHARACTERS - len("word ")


@pytest.mark.parametrize("length", range(MAX_PROMPT_CHARACTERS - 8, MAX_PROMPT_CHARACTERS + 1))
def test_a_cut_costs_no_word_that_fits(length: int) -> None:
    prompt = "w " * 400 + "x" * (length - 800 - len(HINTS) - 5) + "  end-is-too-long"
    assert compose_prompt(a_track(prompt=prompt, **WISHES)) == (
        prompt.removesuffix("  end-is-too-long") + HINTS
    )


def test_text_without_spaces_is_not_given_up_for_the_sake_of_a_word() -> None:
    composed = compose_prompt(a_track(prompt="静か - " + "雨" * 1020, **WISHES))
    assert composed == "静か - " + "雨" * (MAX_PROMPT_CHARACTERS - len(HINTS) - 5) + HINTS


def test_one_word_that_is_too_long_is_cut_inside() -> None:
    composed = compose_prompt(a_track(prompt="🎹" * 1024, **WISHES))
    assert composed == "🎹" * (MAX_PROMPT_CHARACTERS - len(HINTS)) + HINTS


def test_the_longest_wishes_that_the_table_takes_are_kept_whole() -> None:
    longest = {"genre": "g" * 100, "mood": "m" * 100, "tempo": "t" * 100, "duration_seconds": 600}
    composed = compose_prompt(a_track(prompt="p" * 1024, **longest))
    for name in ("genre", "mood", "tempo"):
        assert f"{name}: {longest[name]}" in composed
    assert composed.endswith("length: about 600 seconds)")


@pytest.mark.parametrize("length", [300, 600, 5000])
def test_wishes_of_any_length_leave_the_prompt_its_half(length: int) -> None:
    huge = "w" * length
    composed = compose_prompt(a_track(prompt="p" * 1024, genre=huge, mood=huge, tempo=huge))
    assert len(composed) == MAX_PROMPT_CHARACTERS
    assert composed.startswith("p" * (MAX_PROMPT_CHARACTERS // 2))
    assert "genre: www" in composed


@given(
    st.text(max_size=1024), wish, wish, wish, st.none() | st.integers(min_value=1, max_value=600)
)
def test_no_text_is_ever_longer_than_the_provider_takes(
    prompt: str, genre: str | None, mood: str | None, tempo: str | None, duration: int | None
) -> None:
    track = a_track(prompt=prompt, genre=genre, mood=mood, tempo=tempo, duration_seconds=duration)
    assert len(compose_prompt(track)) <= MAX_PROMPT_CHARACTERS


@pytest.mark.parametrize("stream", [True, False])
def test_an_instrumental_is_one_piece_by_the_pinned_model(stream: bool) -> None:
    request = request_for(a_track(prompt="rain"), model="mureka-9", stream=stream)
    assert request == GenerationRequest(
        "instrumental", {"model": "mureka-9", "n": 1, "prompt": "rain", "stream": stream}
    )


def test_with_lyrics_it_is_one_song() -> None:
    request = request_for(a_track(lyrics="la la"), model="mureka-8", stream=True)
    assert request.kind == "song"
    assert request.body["lyrics"] == "la la"
    assert request.body["n"] == 1


@pytest.mark.parametrize("lyrics", [None, "", "  \n"])
def test_blank_lyrics_make_an_instrumental(lyrics: str | None) -> None:
    request = request_for(a_track(lyrics=lyrics), model="mureka-9", stream=True)
    assert request.kind == "instrumental"
    assert "lyrics" not in request.body


def test_a_request_is_read_back_as_it_was_frozen() -> None:
    request = request_for(a_track(lyrics="la"), model="mureka-9", stream=True)
    assert GenerationRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    ("constraint", "words"),
    [("music_tracks_error_code_known", ErrorCode), ("music_tracks_status_check", Status)],
)
def test_the_table_allows_exactly_the_words_of_the_code(
    constraint: str, words: type[ErrorCode] | type[Status]
) -> None:
    assert allowed_by(constraint) == {word.value for word in words}


def test_the_table_allows_exactly_the_lengths_of_the_code() -> None:
    checks = [definition(f"music_tracks_{name}_length") for name in ("prompt", "lyrics", "hints")]
    lengths = re.findall(r"length\((\w+)\)(?:, 0)?\)? <= (\d+)", " ".join(checks))
    assert {column: int(most) for column, most in lengths} == {
        "prompt": MAX_PROMPT_CHARACTERS,
        "lyrics": MAX_LYRICS_CHARACTERS,
        **dict.fromkeys(("genre", "mood", "tempo"), MAX_HINT_CHARACTERS),
    }
    duration = definition("music_tracks_duration_range")
    assert f"(duration >= 1) AND (duration <= {MAX_DURATION_SECONDS})" in duration


def allowed_by(constraint: str) -> set[str]:
    """The words in a check."""
    return set(re.findall(r"'(\w+)'", definition(constraint)))


def definition(constraint: str) -> str:
    """A check as the migrations leave it."""
    [found] = re.findall(rf"CONSTRAINT {constraint} CHECK (\(.*\)),?$", PAGE.read_text(), re.M)
    return str(found)

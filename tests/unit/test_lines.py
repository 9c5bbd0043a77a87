"""Text on a terminal of a given width: broken between words, cut with an ellipsis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music_service.cli.lines import cells, shortened, wrapped

ID = "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11"


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [
        ("calm piano", 10, "calm piano"),
        ("calm piano", 9, "calm pia…"),
        ("calm piano", 6, "calm…"),
        ("静かな夜", 8, "静かな夜"),
        ("静かな夜", 7, "静かな…"),
        ("静かな夜", 6, "静か…"),
    ],
)
def test_a_text_that_is_too_wide_ends_in_an_ellipsis(text: str, columns: int, cut: str) -> None:
    assert shortened(text, columns) == cut


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_no_cut_text_is_wider_than_its_place(text: str, columns: int) -> None:
    assert cells(shortened(text, columns)) <= columns


def test_a_line_is_broken_between_words_with_its_margin_and_hang() -> None:
    broken = wrapped("one two three four", 12, margin=2, hang=1)
    assert broken == "  one two\n   three\n   four"


@pytest.mark.parametrize("columns", [20, 40, None])
def test_an_id_is_never_broken(columns: int | None) -> None:
    assert ID in wrapped(f"Track {ID} waits already.", columns)


def test_elsewhere_than_on_a_terminal_a_line_stays_one() -> None:
    assert wrapped("word " * 100, None) == "word " * 100


words = st.lists(st.text(st.sampled_from("ab静"), min_size=1, max_size=9), min_size=1)


@given(words, st.integers(min_value=20, max_value=60))
def test_breaking_loses_no_word_and_keeps_within_the_terminal(
    said: list[str], columns: int
) -> None:
    broken = wrapped(" ".join(said), columns)
    assert broken.split() == said
    assert all(cells(line) <= columns for line in broken.splitlines())

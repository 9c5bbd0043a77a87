"""The storage API's names, types and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_supabase.storage import names
from local_supabase.storage.rejections import StorageRejectedError

ALLOWED = "abcXYZ019_/!.*'() &$@=;:+,?-"


@given(st.text(ALLOWED, min_size=1))
def test_every_key_of_allowed_characters_is_taken(key: str) -> None:
    names.check_key(key)


@given(st.text(ALLOWED), st.characters(exclude_characters=ALLOWED, exclude_categories=("L", "N")))
def test_one_other_character_spoils_a_key(key: str, character: str) -> None:
    with pytest.raises(StorageRejectedError) as caught:
        names.check_key(key + character)
    assert str(caught.value) == f"Invalid key: {key}{character}"


def test_an_empty_key_is_none() -> None:
    with pytest.raises(StorageRejectedError):
        names.check_key("")


@pytest.mark.parametrize("name", ["", "a/b", "n" * 101, "é", "a\n"])
def test_a_bad_bucket_name_is_refused(name: str) -> None:
    with pytest.raises(StorageRejectedError):
        names.check_bucket_name(name)


def test_a_hundred_characters_are_a_bucket_name() -> None:
    names.check_bucket_name("n" * 100)


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [(None, None), (0, 0), (500, 500), ("500", 500), ("1KB", 1000), ("5mb", 5 * 10**6)],
)
def test_a_size_limit_is_a_number_or_a_number_with_a_unit(
    value: object, size_bytes: int | None
) -> None:
    assert names.parse_size_limit(value) == size_bytes


@pytest.mark.parametrize("value", ["abc", "", "1TB", -1, True, 1.5, [1]])
def test_any_other_size_limit_is_refused(value: object) -> None:
    with pytest.raises(StorageRejectedError):
        names.parse_size_limit(value)


@pytest.mark.parametrize(
    ("mime_type", "patterns"),
    [
        ("audio/mpeg", None),
        ("audio/mpeg", []),
        ("audio/mpeg", ["image/png", "audio/mpeg"]),
        ("audio/mpeg", ["audio/*"]),
        ("audio/mpeg", ["*/*"]),
    ],
)
def test_a_bucket_takes_its_own_types(mime_type: str, patterns: list[str] | None) -> None:
    names.check_mime_type(mime_type, patterns)


@pytest.mark.parametrize("mime_type", ["audio/mpeg;q=1", "Audio/mpeg", "audio", "video/mpeg"])
def test_a_bucket_takes_no_other_types(mime_type: str) -> None:
    with pytest.raises(StorageRejectedError):
        names.check_mime_type(mime_type, ["audio/mpeg"])


@pytest.mark.parametrize("pattern", ["nonsense", "audio/", "/mpeg", "a/b/c", "*/mpeg"])
def test_what_is_no_media_type_cannot_be_allowed(pattern: str) -> None:
    with pytest.raises(StorageRejectedError):
        names.check_mime_patterns([pattern])

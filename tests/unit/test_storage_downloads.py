"""Ranges and conditions of downloads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from local_supabase.storage.downloads import Span, is_unchanged, span_of, timestamp
from local_supabase.storage.rejections import StorageRejectedError

WRITTEN_AT = datetime(2026, 5, 4, 3, 2, 1, 500_000, UTC)


def test_without_a_range_everything_is_sent() -> None:
    assert span_of(None, 100) is None


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, 99),
        ("bytes=-5", 95, 99),
        ("bytes=-500", 0, 99),
        ("bytes=90-500", 90, 99),
        ("bytes=99-99", 99, 99),
    ],
)
def test_a_range_names_bytes(header: str, first: int, last: int) -> None:
    assert span_of(header, 100) == Span(first, last, 100)


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "x"]
)
def test_a_range_without_bytes_is_refused(header: str) -> None:
    with pytest.raises(StorageRejectedError) as caught:
        span_of(header, 100)
    assert caught.value.http_status == 416


def test_an_empty_file_has_no_range() -> None:
    with pytest.raises(StorageRejectedError):
        span_of("bytes=0-", 0)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 150))
def test_a_span_always_lies_within_the_file(first: int, last: int, size_bytes: int) -> None:
    try:
        span = span_of(f"bytes={first}-{last}", size_bytes)
    except StorageRejectedError:
        assert first > last or first >= size_bytes
    else:
        assert span is not None
        assert 0 <= span.first <= span.last < size_bytes


@pytest.mark.parametrize(
    ("headers", "unchanged"),
    [
        ({}, False),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"abc"'}, True),
        ({"if-none-match": '"x", "abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"'}, False),
        ({"if-modified-since": "Mon, 04 May 2026 03:02:01 GMT"}, False),
        ({"if-modified-since": "Mon, 04 May 2026 03:02:02 GMT"}, True),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-none-match": '"x"', "if-modified-since": "Mon, 04 May 2026 03:02:02 GMT"}, False),
    ],
)
def test_a_condition_compares_tags_and_then_times(headers: dict[str, str], unchanged: bool) -> None:
    assert is_unchanged(Headers(headers), '"abc"', WRITTEN_AT) is unchanged


def test_times_are_written_as_javascript_writes_them() -> None:
    assert timestamp(WRITTEN_AT) == "2026-05-04T03:02:01.500Z"

"""What is known of followed tracks, in whatever order answers come."""

from __future__ import annotations

from typing import Any, cast

import pytest

from music_service.client import TrackRow
from music_service.client.newest import Newest


def row(track_id: str = "a", second: int = 0, **columns: Any) -> TrackRow:
    made = {
        "id": track_id,
        "user_id": "u",
        "status": "pending",
        "updated_at": f"2026-11-26T10:00:{second:02}.5+00:00",
    }
    return cast("TrackRow", made | columns)


def test_an_answer_that_is_older_changes_nothing() -> None:
    newest = Newest(["a"])
    newer = row(second=2, status="generating")
    assert newest.take(["a"], [newer]) == [newer]
    assert newest.take(["a"], [row(second=1)]) == []
    assert newest.take(["a"], [newer]) == [], "the same once more is no news"
    assert newest.unfinished == ["a"]


def test_a_change_within_the_same_moment_is_news() -> None:
    newest = Newest(["a"])
    newest.take(["a"], [row()])
    ended = row(status="error")
    assert newest.take(["a"], [ended]) == [ended]
    assert newest.unfinished == []


def test_an_unknown_status_has_not_ended() -> None:
    newest = Newest(["a"])
    assert newest.take(["a"], [row(status="mastering")])
    assert newest.unfinished == ["a"]


def test_what_was_asked_for_and_is_not_there_is_gone() -> None:
    newest = Newest(["a", "b", "c"])
    newest.take(["a", "b"], [row("b")])
    assert newest.gone == ["a"]
    assert newest.unfinished == ["b", "c"]
    assert not newest.is_followed("a")


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ("2026-11-26T10:00:02.5+00:00", True),
        ("2026-11-26T11:00:02.5+01:00", True),
        ("2026-11-26T10:00:01+00:00", True),
        ("2026-11-26T10:00:02.500001+00:00", False),
        ("yesterday", False),
        (None, False),
        (17, False),
    ],
)
def test_an_event_of_what_is_known_already_is_told_from_one_that_is_news(
    told: Any, *, seen: bool
) -> None:
    newest = Newest(["a"])
    assert not newest.has_seen("a", told), "nothing is known yet"
    newest.take(["a"], [row(second=2)])
    assert newest.has_seen("a", told) is seen


@pytest.mark.parametrize(
    ("users", "owner"), [(["u", "u"], "u"), (["u", "v"], None), ([None, None], None)]
)
def test_the_owner_is_the_one_user_of_all_of_them(
    users: list[str | None], owner: str | None
) -> None:
    newest = Newest(["a", "b"])
    newest.take(["a", "b"], [row("a", user_id=users[0]), row("b", user_id=users[1])])
    assert newest.owner == owner


@pytest.mark.parametrize("track_id", [None, 17, ["a"], {"id": "a"}, "b"])
def test_events_of_anything_else_are_none_of_ours(track_id: Any) -> None:
    assert not Newest(["a"]).is_followed(track_id)

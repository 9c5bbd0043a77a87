"""What a feed has heard, and when it doubts that it still hears changes."""

from __future__ import annotations

import pytest

from music_service.store.feed import _Announcements


class Ear:
    """The announcements of one connection, by a clock of the test's."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.hints = self.doubts = 0
        patch.setattr("music_service.store.feed.time.monotonic", lambda: self.now)
        self.announcements = _Announcements(self._hint, self._doubt)

    def _hint(self) -> None:
        self.hints += 1

    def _doubt(self) -> None:
        self.doubts += 1

    def broadcast(self, *ids: str) -> None:
        self.announcements.hear_broadcast({"ids": list(ids)} if ids else {})

    def change(self, track_id: str) -> None:
        self.announcements.hear_change({"id": track_id})


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Ear:
    return Ear(monkeypatch)


def test_a_change_announced_twice_is_one_hint(ear: Ear) -> None:
    ear.broadcast("a")
    ear.change("a")
    assert (ear.hints, ear.doubts) == (1, 0)


def test_broadcasts_without_changes_are_doubted_where_changes_were_heard_before(ear: Ear) -> None:
    ear.broadcast("a")
    ear.change("a")
    ear.broadcast("b")
    ear.now += 29
    ear.broadcast("c")
    assert ear.doubts == 0
    ear.now += 2
    ear.broadcast("d")
    assert ear.doubts == 1


def test_a_burst_is_not_doubted_before_its_changes_have_had_time(ear: Ear) -> None:
    ear.change("a")
    for number in range(100):
        ear.broadcast(f"{number}")
    assert ear.doubts == 0


def test_a_change_now_and_then_is_evidence(ear: Ear) -> None:
    ear.change("a")
    for number in range(10):
        ear.broadcast(f"{number}")
        ear.now += 20
        ear.change(f"{number}")
        ear.now += 20
    assert ear.doubts == 0


def test_where_another_worker_hears_all_the_changes_nothing_is_doubted(ear: Ear) -> None:
    for number in range(10):
        ear.broadcast(f"{number}")
        ear.now += 60
    assert ear.doubts == 0


def test_a_call_to_look_names_no_track_and_no_change_follows_it(ear: Ear) -> None:
    ear.change("a")
    for _ in range(10):
        ear.broadcast()
        ear.now += 60
    assert ear.doubts == 0


def test_after_a_new_subscription_the_time_begins_again(ear: Ear) -> None:
    ear.change("a")
    ear.broadcast("b")
    ear.now += 60
    ear.announcements.forget_broadcasts()
    ear.broadcast("c")
    assert ear.doubts == 0

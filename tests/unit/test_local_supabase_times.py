"""The times of the stand-in: the real servers' unless a test says otherwise."""

from __future__ import annotations

from dataclasses import fields

from local_supabase.context import Context
from local_supabase.times import Times
from tests.support.times import QUICK


def test_what_is_not_told_otherwise_keeps_the_times_of_the_real_servers() -> None:
    [times] = [field for field in fields(Context) if field.name == "times"]
    assert times.default_factory is Times
    assert (Times().refused_upgrade_seconds, Times().refused_join_seconds) == (2, 5)
    assert Times().silence_seconds == (60, 66)


def test_nothing_takes_longer_in_tests() -> None:
    for name in (field.name for field in fields(Times)):
        assert getattr(QUICK, name) <= getattr(Times(), name)


def test_a_lost_database_is_asked_ever_more_seldom() -> None:
    times = Times()
    pauses = [times.reconnect_seconds(failures) for failures in (1, 2, 3, 4, 5, 6, 10_000)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]

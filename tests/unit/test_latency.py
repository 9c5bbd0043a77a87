"""What `music-service bench` makes of what it measured."""

from __future__ import annotations

import pytest

from music_service.doctor.latency import Latency


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101, 1000])
def test_the_99th_is_never_below_the_median(count: int) -> None:
    found = Latency.of([float(value) for value in reversed(range(count))])
    assert found is not None
    assert 0 <= found.p50_ms <= found.p99_ms <= count - 1
    assert found.n == count


def test_of_a_hundred_and_one_they_are_the_51st_and_the_100th() -> None:
    assert Latency.of([float(value) for value in range(101)]) == Latency(50.0, 99.0, 101)


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert Latency.of([]) is None

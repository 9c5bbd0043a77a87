"""A busy hour against the real functions, with the database's clock turned fast."""

from __future__ import annotations

import pytest

from tests.bench import queueing, simulate

TRACKS, PLACES, HOURS = 240, 6, (1.0,)
PATIENCE_SECONDS = 400  # some seconds on a machine that does nothing else


@pytest.mark.timeout(PATIENCE_SECONDS)
async def test_a_busy_hour_ends_as_the_arithmetic_has_it_with_every_track_made_once() -> None:
    seen = await simulate.simulated(TRACKS, PLACES, HOURS, 1, lambda *_: None)
    assert seen.completed == seen.paid_calls == TRACKS
    assert seen.most_at_once == PLACES
    [hour] = simulate.compared(seen, PLACES, len(HOURS))
    assert hour.arrivals == TRACKS
    assert hour.expected.load > 0.8
    assert hour.agrees, hour


@pytest.mark.timeout(PATIENCE_SECONDS)
async def test_more_than_can_be_made_piles_up_in_the_database_as_on_paper() -> None:
    places, hours = 3, (2.0, 0.3)
    tracks = int(sum(hours) * places * 3600 / queueing.PLACE_SECONDS)
    seen = await simulate.simulated(tracks, places, hours, 2, lambda *_: None)
    first, last = simulate.compared(seen, places, len(hours))
    assert first.expected.load > 1
    assert first.agrees, first
    assert last.agrees, last
    assert seen.completed == tracks
    assert seen.most_at_once == places

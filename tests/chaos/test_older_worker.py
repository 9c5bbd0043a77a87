"""A worker of the version before, on today's database: rolling updates have both for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet
from tests.support.releases import last_release, unpacked
from tests.support.tracks import Tracks


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the last release."""
    folder = tmp_path_factory.mktemp("older")
    return unpacked(last_release(), folder, "service/music_service") / "service"


async def test_an_older_worker_makes_what_it_knows_and_leaves_the_rest_to_a_newer_one(
    stack: Stack, tracks: Tracks, fleet: Fleet, older: Path
) -> None:
    await fleet.start("older", PYTHONPATH=str(older))
    plain = await tracks.ask()
    [row] = await tracks.sql(
        "insert into public.music_tracks (prompt, lyrics) values ('an older song', 'la la')"
        " returning id"
    )
    for track_id in (plain, row["id"]):
        assert (await tracks.ends(track_id))["status"] == "completed"
    [row] = await tracks.sql(
        "insert into public.music_tracks (prompt, model) values ('a newer one', 'mureka-8')"
        " returning id"
    )
    after_it = await tracks.ask()
    assert (await tracks.ends(after_it))["status"] == "completed"
    newer = await tracks.row(row["id"])
    assert (newer["status"], newer["started_at"]) == ("pending", None)
    await fleet.start("newer")
    assert (await tracks.ends(row["id"]))["status"] == "completed"
    [call] = await tracks.sql(
        "select model, state from music.generations where track_id = %s", row["id"]
    )
    assert (call["model"], call["state"]) == ("mureka-8", "succeeded")

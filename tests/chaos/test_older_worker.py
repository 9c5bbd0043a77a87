"""A worker of the version before, on today's database: rolling updates have both for a while."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local_supabase.stack import Stack
from tests.support.fleet import Fleet
from tests.support.project import ROOT
from tests.support.tracks import Tracks

VERSIONS = "service/music_service/store/schema_version.py"


def git(*arguments: str) -> bytes:
    """What git answers in the project's folder."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, f"the history is needed here: {done.stderr.decode()}"
    return done.stdout


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the last version that was made for schema 1."""
    changes = git("log", "--format=%H", "-SMADE_FOR = 2", "--", VERSIONS).decode().split()
    assert changes, "the history is needed here: git fetch --unshallow"
    archive = git("archive", f"{changes[-1]}^", "service/music_service")
    folder = tmp_path_factory.mktemp("older")
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    assert "MADE_FOR = 1\n" in (folder / VERSIONS).read_text()
    return folder / "service"


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

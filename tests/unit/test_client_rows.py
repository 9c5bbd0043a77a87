"""The types of rows say what the database says."""

from __future__ import annotations

import re
from typing import get_args

from music_service.client.rows import NewTrack, TrackErrorCode, TrackRow, TrackStage, TrackStatus
from music_service.errors import ErrorCode
from music_service.tracks import Status
from tests.support.project import ROOT, SUPABASE

TYPES = (SUPABASE / "database.types.ts").read_text()
PAGE = (ROOT / "docs" / "clients.md").read_text()


def test_a_row_has_the_columns_of_the_table() -> None:
    table = re.search(r'"?music_tracks"?: \{\s*Row: \{([^}]*)\}', TYPES)
    assert table is not None
    assert set(TrackRow.__annotations__) == set(re.findall(r'"?(\w+)"?: ', table[1]))


def test_of_a_new_track_is_said_what_an_app_or_a_backend_may_set() -> None:
    table = PAGE.partition("\n## Columns\n")[2].partition("\n## ")[0]
    settable = re.findall(r"^\| `(\w+)` \|[^|]+\| (?:app|app, also later|backend) \|", table, re.M)
    assert set(NewTrack.__annotations__) == set(settable)


def test_the_words_are_those_of_the_table() -> None:
    assert set(get_args(TrackStatus)) == set(Status)
    assert set(get_args(TrackErrorCode)) == set(ErrorCode)
    stages = next(line for line in PAGE.splitlines() if line.startswith("| `stage` |"))
    assert set(get_args(TrackStage)) == set(re.findall(r"`(\w+)`", stages)) - {"stage"}

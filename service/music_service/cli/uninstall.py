"""`music-service uninstall`: the SQL that removes what the migrations made."""

from __future__ import annotations

from typing import Annotated

import typer

from music_service.cli.output import answer_text
from music_service.cli.stack import project_dir

_KEEP = "v_keep_tracks constant boolean := "


def uninstall(
    *,
    keep_tracks: Annotated[
        bool,
        typer.Option("--keep-tracks", help="Keep tracks, journeys and logs, all with their rows."),
    ] = False,
) -> None:
    """Print the SQL that removes all of the service from a database; run nothing.

    Stop the workers, then paste it into the SQL editor. The audio stays in its bucket.
    """
    text = (project_dir() / "supabase" / "uninstall.sql").read_text()
    answer_text(text.replace(_KEEP + "false", _KEEP + str(keep_tracks).lower()))

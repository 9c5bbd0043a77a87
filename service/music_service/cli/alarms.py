"""`music-service alarms`: the SQL that lets the database give alarms by itself."""

from __future__ import annotations

from music_service.cli.output import answer_text
from music_service.cli.stack import project_dir


def alarms() -> None:
    """Print the SQL that lets the database raise alarms; run nothing.

    Paste it into the SQL editor, and say there where alarms go: music.set_alarm_webhook.
    """
    answer_text((project_dir() / "supabase" / "alarms.sql").read_text())

"""`music-service enqueue`: ask for a track."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from music_service.cli.arguments import Json, checked_hint, checked_prompt, read_lyrics
from music_service.cli.output import ExitCode, answer, answer_json, say
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.tracks import MAX_DURATION_SECONDS, MAX_PROMPT_CHARACTERS


def enqueue(
    prompt: Annotated[
        str,
        typer.Argument(
            metavar="PROMPT",
            help=f"What the music should be; up to {MAX_PROMPT_CHARACTERS} characters.",
        ),
    ],
    *,
    genre: Annotated[str | None, typer.Option(metavar="TEXT", help="A wished genre.")] = None,
    mood: Annotated[str | None, typer.Option(metavar="TEXT", help="A wished mood.")] = None,
    tempo: Annotated[str | None, typer.Option(metavar="TEXT", help="A wished tempo.")] = None,
    duration: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="A wished length.", min=1, max=MAX_DURATION_SECONDS),
    ] = None,
    lyrics_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A text file with lyrics; makes it a song.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Make it for this user of the app.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it is ready.")] = False,
    json: Json = False,
) -> None:
    """Ask for a track and print its id."""
    track: dict[str, Any] = {
        "prompt": checked_prompt(prompt),
        "genre": checked_hint("--genre", genre),
        "mood": checked_hint("--mood", mood),
        "tempo": checked_hint("--tempo", tempo),
        "duration": duration,
        "lyrics": None if lyrics_file is None else read_lyrics(lyrics_file),
    }
    raise typer.Exit(run_async(_enqueue(track, user, watch=watch, json=json)))


# Looking up users, and following a track, take longer to import than all else here together.


async def _enqueue(track: dict[str, Any], email: str | None, *, watch: bool, json: bool) -> int:
    async with project() as opened:
        if email is not None:
            from music_service.operations.users import user_id  # noqa: PLC0415

            track["user_id"] = await user_id(opened.client, email)
        row = await opened.tracks.insert(track)
        if not watch:
            answer_json(row) if json else answer(row["id"])
            return ExitCode.OK
        from music_service.cli.watch import follow  # noqa: PLC0415

        say(f"track {row['id']}")
        return await follow(opened.client, UUID(row["id"]), json=json)

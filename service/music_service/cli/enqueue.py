"""`music-service enqueue`: ask for a track."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from music_service.cli.arguments import (
    Json,
    Karaoke,
    checked_hint,
    checked_prompt,
    checked_wish,
    read_lyrics,
)
from music_service.cli.output import ExitCode, answer, answer_json, say
from music_service.cli.project import project
from music_service.cli.signals import run_async
from music_service.tracks import (
    MAX_DURATION_SECONDS,
    MAX_PROMPT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
)


class VocalGender(StrEnum):
    """Who sings."""

    FEMALE = "female"
    MALE = "male"


class ExtraFormat(StrEnum):
    """What may be kept besides MP3."""

    WAV = "wav"
    FLAC = "flac"


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
    lyrics_prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Have words written about this, and sung."),
    ] = None,
    vocal_gender: Annotated[
        VocalGender | None, typer.Option(help="Who sings, where it is a song.")
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help=f"A name; up to {MAX_TITLE_CHARACTERS} characters."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another model than the worker's.")
    ] = None,
    audio_format: Annotated[
        list[ExtraFormat] | None,
        typer.Option(help="Keep this format besides MP3; may be given twice."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Make it for this user of the app.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it is ready.")] = False,
    karaoke: Karaoke = False,
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
    wishes = {
        "lyrics_prompt": checked_wish("--lyrics-prompt", lyrics_prompt, MAX_PROMPT_CHARACTERS),
        "vocal_gender": vocal_gender,
        "title": checked_wish("--title", title, MAX_TITLE_CHARACTERS),
        "model": checked_hint("--model", model),
        "audio_formats": ["mp3", *audio_format] if audio_format else None,
    }
    track |= {name: wish for name, wish in wishes.items() if wish is not None}
    raise typer.Exit(
        run_async(_enqueue(track, user, watch=watch or karaoke, karaoke=karaoke, json=json))
    )


# Looking up users, and following a track, take longer to import than all else here together.


async def _enqueue(
    track: dict[str, Any], email: str | None, *, watch: bool, karaoke: bool, json: bool
) -> int:
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
        return await follow(opened.client, UUID(row["id"]), karaoke=karaoke, json=json)

"""Commands about single tracks and the queue: `enqueue`, `watch`, `queue`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from music_service.cli.output import (
    ExitCode,
    answer,
    answer_json,
    answer_table,
    complain,
    printable,
    say,
)
from music_service.cli.progress import TrackProgress, bar, describe
from music_service.cli.project import catalog
from music_service.cli.queue_health import health_line
from music_service.cli.signals import run_async
from music_service.errors import ConfigurationError
from music_service.operations.queue import QueueOperations
from music_service.operations.tracks import TrackTable
from music_service.tracks import (
    MAX_DURATION_SECONDS,
    MAX_HINT_CHARACTERS,
    MAX_LYRICS_CHARACTERS,
    MAX_PROMPT_CHARACTERS,
    Status,
)
from music_service.watch import watch_track

# What Postgres has no place for, and what Python makes of arguments that are no UTF-8.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, a line each, for scripts.")]


def enqueue(
    prompt: Annotated[
        str,
        typer.Argument(help=f"What the music should be; up to {MAX_PROMPT_CHARACTERS} characters."),
    ],
    *,
    genre: Annotated[str | None, typer.Option(help="A wished genre.")] = None,
    mood: Annotated[str | None, typer.Option(help="A wished mood.")] = None,
    tempo: Annotated[str | None, typer.Option(help="A wished tempo.")] = None,
    duration: Annotated[
        int | None,
        typer.Option(help="A wished length in seconds.", min=1, max=MAX_DURATION_SECONDS),
    ] = None,
    lyrics_file: Annotated[
        Path | None, typer.Option(help="A text file with lyrics; makes it a song.")
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
    code = run_async(_enqueue(track, user, watch=watch, json=json))
    raise typer.Exit(code)


def watch(
    track_id: Annotated[str, typer.Argument(help="The id of a track.")], *, json: Json = False
) -> None:
    """Follow a track until it is completed (exit 0) or in error (exit 1)."""
    raise typer.Exit(run_async(_watch(checked_id(track_id), json=json)))


def queue(
    limit: Annotated[int, typer.Option(help="How many tracks to list.", min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """Show what is being made and what waits."""
    run_async(_queue(limit, json=json))


async def _enqueue(track: dict[str, Any], email: str | None, *, watch: bool, json: bool) -> int:
    async with catalog() as tracks:
        if email is not None:
            track["user_id"] = await tracks.user_id(email)
        row = await tracks.insert(track)
        if not watch:
            answer_json(row) if json else answer(row["id"])
            return ExitCode.OK
        say(f"track {row['id']}")
        return await follow(tracks, UUID(row["id"]), json=json)


async def _watch(track_id: UUID, *, json: bool) -> int:
    async with catalog() as tracks:
        await tracks.read(track_id)  # before a bar is drawn for a track that does not exist
        return await follow(tracks, track_id, json=json)


async def _queue(limit: int, *, json: bool) -> None:
    async with catalog() as tracks:
        rows = await tracks.unfinished(limit)
        counts = {status.value: await tracks.count(status) for status in Status}
        health = await QueueOperations(tracks.client, tracks.url).health()
    if json:
        answer_json({"counts": counts, "health": health, "tracks": rows})
        return
    if rows:
        answer_table(_drawn(rows))
    answer(" · ".join(f"{count} {status}" for status, count in counts.items()))
    answer(health_line(health))


def _drawn(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("track", no_wrap=True)
    table.add_column("prompt", max_width=40, no_wrap=True, overflow="ellipsis")
    table.add_column("progress", width=12)
    table.add_column("state", overflow="fold")
    for row in rows:
        prompt, words = (Text(printable(text)) for text in (row["prompt"], describe(row)))
        table.add_row(row["id"], prompt, bar(row), words)
    return table


async def follow(tracks: TrackTable, track_id: UUID, *, json: bool = False) -> int:
    """Show a track until it has ended; the last line on stdout says how. Answers the exit code."""
    row: dict[str, Any] = {}
    if json:
        async for row in watch_track(tracks.client, track_id):
            answer_json(row)
    else:
        with TrackProgress() as progress:
            async for row in watch_track(tracks.client, track_id):
                progress.show(row)
    if row["status"] == Status.COMPLETED:
        if not json:
            answer(f"completed {row['id']} {row['file_url'] or row['storage_path']}")
        return ExitCode.OK
    complain(f"{row['error_code']}: {row['error_message']} (track {row['id']})")
    return ExitCode.FAILED


def checked_prompt(prompt: str) -> str:
    """The prompt; raises ConfigurationError when it is empty, too long or no text."""
    if not prompt.strip():
        raise ConfigurationError("The prompt is empty; say what the music should be.")
    return checked_text("The prompt", prompt, MAX_PROMPT_CHARACTERS)


def checked_hint(option: str, hint: str | None) -> str | None:
    """A wish, if there is one; raises as `checked_text`."""
    return None if hint is None else checked_text(option, hint, MAX_HINT_CHARACTERS)


def checked_text(name: str, text: str, most_characters: int) -> str:
    """The text; raises ConfigurationError, which begins with `name`, if no row could hold it."""
    if _NO_TEXT.search(text):
        raise ConfigurationError(f"{name} is not plain UTF-8 text; write it anew.")
    if len(text) > most_characters:
        raise ConfigurationError(
            f"{name} has {len(text)} characters; at most {most_characters} are allowed: shorten it."
        )
    return text


def checked_id(text: str) -> UUID:
    """The id of a track; raises ConfigurationError when it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise ConfigurationError(
            f'"{text}" is not the id of a track; ids look like '
            "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11."
        ) from None


def read_lyrics(path: Path) -> str:
    """The text of a file of lyrics; raises ConfigurationError when it is of no use."""
    try:
        lyrics = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, ValueError) else error.strerror
        raise ConfigurationError(f"The lyrics in {path} cannot be read: {reason}.") from error
    if not lyrics:
        raise ConfigurationError(f"The file {path} holds no lyrics.")
    return checked_text(f"--lyrics-file {path}", lyrics, MAX_LYRICS_CHARACTERS)

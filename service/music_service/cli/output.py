"""How the command line speaks: results on stdout, everything else on stderr, exit codes.

0    done; for a watched track: completed
1    it failed: the track ended in error, a part failed, the other side is unreachable
2    bad input or configuration: nothing was done; the sentence says what to change
130  interrupted
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

import typer

from music_service.cli.lines import columns_of, wrapped
from music_service.redact import without_secrets

PROGRAM = "music-service"


class ExitCode(IntEnum):
    """What the process tells the shell."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


def printable(text: str) -> str:
    """One line without control characters: what users wrote must not steer the terminal.

    No key of ours is in it either.
    """
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return without_secrets(line)


def say(text: str) -> None:
    """One line for a person, on stderr."""
    typer.echo(wrapped(printable(text), columns_of(sys.stderr)), err=True)


def say_command(text: str) -> None:
    """A command for a person, on stderr: never broken, so that it can be pasted."""
    typer.echo(f"  {printable(text)}", err=True)


def complain(text: str) -> None:
    """One sentence that says what went wrong, on stderr."""
    color = False if os.environ.get("NO_COLOR") else None
    line = wrapped(f"error: {printable(text)}", columns_of(sys.stderr))
    typer.secho(line, fg=typer.colors.RED, err=True, color=color)


def answer(text: str, *, margin: int = 0, hang: int = 0, bold: bool = False) -> None:
    """One line of the result, on stdout; on a terminal as `wrapped` breaks it."""
    line = wrapped(printable(text), columns_of(sys.stdout), margin=margin, hang=hang)
    if bold and sys.stdout.isatty():
        line = typer.style(line, bold=True)
    _write(line)


def answer_command(text: str, *, margin: int = 0) -> None:
    """A command that can be pasted: never broken, on stdout."""
    _write(" " * margin + printable(text))


def answer_text(text: str) -> None:
    """A whole text of our own, with its lines as they are, on stdout."""
    _write(text.rstrip("\n"))


def answer_json(value: Mapping[str, Any] | list[Any]) -> None:
    """The result as one line of JSON, on stdout; ASCII, so that nothing in it steers a terminal."""
    _write(without_secrets(json.dumps(value, default=str)))


def short_time(text: str | None) -> str:
    """A time of the database to the second, as this machine's clock shows it."""
    if text is None:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str = "track") -> str:
    """So many of something, in words."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

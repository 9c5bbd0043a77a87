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


class ExitCode(IntEnum):
    """What the process tells the shell."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


def printable(text: str) -> str:
    """One line without control characters: what users wrote must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def say(text: str) -> None:
    """One line for a person, on stderr."""
    typer.echo(printable(text), err=True)


def complain(text: str) -> None:
    """One sentence that says what went wrong, on stderr."""
    color = False if os.environ.get("NO_COLOR") else None
    typer.secho(f"error: {printable(text)}", fg=typer.colors.RED, err=True, color=color)


def answer(text: str) -> None:
    """One line of the result, on stdout."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def answer_json(value: Mapping[str, Any] | list[Any]) -> None:
    """The result as one line of JSON, on stdout; ASCII, so that nothing in it steers a terminal."""
    sys.stdout.write(f"{json.dumps(value, default=str)}\n")
    sys.stdout.flush()


def short_time(text: str | None) -> str:
    """A time of the database to the second, as this machine's clock shows it."""
    if text is None:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")

"""How the command line speaks: results on stdout, everything else on stderr, exit codes.

0    done; for a watched track: completed
1    it did not work: the track ended in error, a part failed, the other side is unreachable
2    bad input or configuration: nothing was done; the sentence says what to change
130  interrupted
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(stderr=True, highlight=False)


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
    console.print(printable(text), markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """One sentence that says what went wrong, on stderr."""
    console.print(f"error: {printable(text)}", markup=False, style="red", soft_wrap=True)


def answer(text: str) -> None:
    """One line of the result, on stdout."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def answer_table(table: Table) -> None:
    """A table as the result, on stdout, never narrower than it can be read."""
    width = None if sys.stdout.isatty() else 120
    Console(file=sys.stdout, highlight=False, width=width).print(table)


def answer_json(value: Mapping[str, Any] | list[Any]) -> None:
    """The result as one line of JSON, on stdout; ASCII, so that nothing in it steers a terminal."""
    sys.stdout.write(f"{json.dumps(value, default=str)}\n")
    sys.stdout.flush()
